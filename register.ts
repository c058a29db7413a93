/**
 * Puts this module in the place of the built-in `dgram`, for a whole thread: `require("dgram")`, default and named
 * imports of `dgram` and `node:dgram`, and `process.getBuiltinModule`, in the program and in the packages it uses.
 *
 * Load it before anything else:
 *
 * ```sh
 * deno run --preload=jsr:@dgram/ffi/register main.ts
 * bun --preload=dgram-ffi/register main.ts
 * node --import=dgram-ffi/register main.js
 * ```
 *
 * A program may also import it itself, first of all. Then it reaches all but the named imports
 * (`import { createSocket } from "node:dgram"`) of modules that are linked together with the program, which in Deno and
 * Bun are the built-in's; those of modules that are loaded later, by `await import()`, are reached.
 *
 * Workers: Node hands `--import` on to them. In Bun they take the option `preload` of their own. Anywhere a Worker can
 * import this module itself, as above.
 *
 * Sockets of the built-in that exist already stay as they are. In Node and Deno, sockets can be sent to child processes
 * (`child.send(message, socket)`); from then on both processes receive. Bun sends its own only.
 *
 * If this module cannot work (see `isSupported` of the main entry), the built-in stays in its place, and a warning says so once.
 *
 * @module
 */
import { register } from "./registration.ts";

export { register, unregister } from "./registration.ts";

register();
