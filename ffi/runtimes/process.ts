/**
 * The runtime's `process`, read from the global object. Importing `node:process` makes Node open the streams of standard input and
 * output, which takes longer than everything else before the first message.
 *
 * For the same reason, built-in modules that few programs need here (`node:fs`, `node:net`, `node:util` and others, tens of
 * milliseconds in Deno and Bun) are not imported. They are loaded with `getBuiltinModule` when they are needed.
 *
 * Timers, ticks and the clock are taken once, when this module is loaded. Test libraries replace them for a while (fake timers).
 * Callbacks that are given to those may never run, and the sockets of a whole thread depend on them.
 *
 * @module
 */
import * as timers from "node:timers";
import type * as workers from "node:worker_threads";

const { process }: { process: NodeJS.Process } = globalThis;

export default process;

/**
 * The process that emits `'exit'`. In a `vm` context, as of a Jest test, the global `process` may be a copy, which does not.
 */
export const hostProcess: NodeJS.Process = timers.setTimeout instanceof Function
  ? process
  : process.getBuiltinModule("node:vm").runInThisContext("process");

/** `node:worker_threads`, which only whoever opens a socket needs. Loading it takes Node 4 ms. */
export const workerThreads = (): typeof workers => process.getBuiltinModule("node:worker_threads");

/** `process.nextTick` */
export const nextTick: NodeJS.Process["nextTick"] = process.nextTick.bind(process);

const { performance } = globalThis;
const performanceNow = performance.now;

/** `performance.now` */
export const now = (): number => performanceNow.call(performance);

/** Those of `node:timers`. They are copied, as the namespace of a CommonJS build shows later replacements. */
export const setTimeout: typeof timers.setTimeout = timers.setTimeout;
/** See {@linkcode setTimeout}. */
export const clearTimeout: typeof timers.clearTimeout = timers.clearTimeout;
/** See {@linkcode setTimeout}. */
export const setImmediate: typeof timers.setImmediate = timers.setImmediate;
/** See {@linkcode setTimeout}. */
export const clearImmediate: typeof timers.clearImmediate = timers.clearImmediate;
