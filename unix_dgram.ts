/**
 * The surface of the npm package `unix-dgram` without its native add-on: for programs and packages that use that one.
 *
 * Its conventions, which differ from those of the main entry: calls and most events are synchronous; an error's `code` and `errno`
 * are the negative number; and a message that a connected peer has no room for does not wait: it is the sender's to send it again
 * after `'writable'`. `docs/unix.md` says how a package that asks for `unix-dgram` is given this.
 *
 * @example
 * ```ts
 * import { Buffer } from "node:buffer";
 * import unix from "@dgram/ffi/unix-dgram";
 *
 * const server = unix.createSocket("unix_dgram", (message) => {
 *   console.log(message.toString()); // hello
 *   server.close();
 * });
 * server.bind("/run/collector.sock");
 * const client = unix.createSocket("unix_dgram");
 * client.connect("/run/collector.sock");
 * client.send(Buffer.from("hello"));
 * client.close();
 * ```
 *
 * @module
 */
export {
  type Bytes,
  createSocket,
  type MessageInfo,
  Socket,
  type UnixDgramCallback,
  type UnixDgramError,
  type UnixDgramEvents,
} from "./src/compat/unix_dgram.ts";
export { default } from "./src/compat/unix_dgram.ts";
