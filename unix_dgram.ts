/**
 * The surface of the npm package `unix-dgram` without its native add-on: for programs and packages that use that one.
 *
 * Its conventions, which differ from those of the main entry: calls and most events are synchronous; an error's `code` and `errno`
 * are the negative number; and a message that a connected peer has no room for does not wait: it is the sender's to send it again
 * after `'writable'`. `docs/unix.md` says how a package that asks for `unix-dgram` is given this.
 *
 * @example
 * ```ts
 * import unix from "@dgram/ffi/unix-dgram";
 *
 * const client = unix.createSocket("unix_dgram");
 * client.on("error", console.error);
 * client.connect("/run/collector.sock");
 * client.send(Buffer.from("hello"));
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
