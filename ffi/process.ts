/**
 * The runtime's `process`, as the global that it is everywhere: importing it from `node:process` makes Node open the streams of
 * standard input and output, which takes longer than all else that is done before the first message.
 *
 * For the same reason modules of the runtime that few programs need here (`node:fs`, `node:net`, `node:util` and others, tens of
 * milliseconds in Deno and Bun) are not imported but asked for with `getBuiltinModule` when they are needed.
 *
 * @module
 */
const { process }: { process: NodeJS.Process } = globalThis;

export default process;
