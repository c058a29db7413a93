/**
 * The runtime's `process`, as the global that it is everywhere: importing it from `node:process` makes Node open the streams of
 * standard input and output, which takes longer than all else that is done before the first message.
 *
 * For the same reason modules of the runtime that few programs need here (`node:fs`, `node:net`, `node:util` and others, tens of
 * milliseconds in Deno and Bun) are not imported but asked for with `getBuiltinModule` when they are needed.
 *
 * Whatever makes something run later, or tells the time, is taken once, when this module is loaded. Test libraries put others in
 * its place for a while (fake timers). What is given to those may never run, and here a whole thread's sockets depend on it.
 *
 * @module
 */
import * as timers from "node:timers";

const { process }: { process: NodeJS.Process } = globalThis;

export default process;

/** `process.nextTick` */
export const nextTick: NodeJS.Process["nextTick"] = process.nextTick.bind(process);

const { performance } = globalThis;
const performanceNow = performance.now;

/** `performance.now` */
export const now = (): number => performanceNow.call(performance);

/** Those of `node:timers`. A namespace of ES modules would do; that of a CommonJS build has whatever is there at the time. */
export const setTimeout: typeof timers.setTimeout = timers.setTimeout;
/** See {@linkcode setTimeout}. */
export const clearTimeout: typeof timers.clearTimeout = timers.clearTimeout;
/** See {@linkcode setTimeout}. */
export const setImmediate: typeof timers.setImmediate = timers.setImmediate;
/** See {@linkcode setTimeout}. */
export const clearImmediate: typeof timers.clearImmediate = timers.clearImmediate;
