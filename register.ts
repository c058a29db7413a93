/**
 * Replaces the built-in `dgram` by this module, for a whole thread: `require("dgram")`, default and named
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
 * A program may also import it itself, as its first import. Then in Deno and Bun the named imports
 * (`import { createSocket } from "node:dgram"`) of modules that are linked together with the program are still the built-in's. Those
 * of modules that are loaded later, by `await import()`, are replaced.
 *
 * Workers: Node passes `--import` to them. In Bun they have an option `preload`. In every runtime a Worker can import this module
 * itself, as above.
 *
 * Existing sockets of the built-in do not change. In Node and Deno, sockets can be sent to child processes
 * (`child.send(message, socket)`); then both processes receive. Bun sends only its own.
 *
 * If this module cannot work (see `isSupported` of the main entry), the built-in is not replaced, and one warning says so.
 *
 * @example
 * ```ts
 * import "@dgram/ffi/register";
 * import dgram from "node:dgram";
 *
 * const socket = dgram.createSocket("udp4");
 * console.log("getStatistics" in socket); // true
 * socket.close();
 * ```
 *
 * @module
 */
import { register } from "./registration.ts";
// Deno 2.8 redirects the imports of npm packages only to modules that are loaded.
import "./deno_dgram.ts";

export { register, unregister } from "./registration.ts";

register();
