/**
 * Two Unix sockets that are connected to each other.
 *
 * @module
 */
import { Descriptor } from "../../ffi/descriptor.ts";
import { currentEngine } from "../endpoint/engine.ts";
import { UnixSocket } from "./socket.ts";
import type { UnixSocketOptions } from "./types.ts";

/**
 * Creates two Unix datagram sockets that are connected to each other (socketpair(2)): what one sends with
 * `send(message)`, the other receives, without any path. Both are open and receive at once.
 *
 * @param options Options of both sockets, except `type` and `fd`.
 * @throws {Error} The errno of the failed call, such as EMFILE.
 *
 * @example
 * ```ts
 * import { socketpair } from "@dgram/ffi";
 *
 * const [left, right] = socketpair();
 * right.on("message", (message) => {
 *   console.log(message.toString()); // hello
 *   left.close();
 *   right.close();
 * });
 * left.send("hello");
 * ```
 */
export function socketpair(
  options: Omit<UnixSocketOptions, "type" | "fd" | "unlinkOnClose"> = {},
): [UnixSocket, UnixSocket] {
  const { errors, runtime } = currentEngine();
  const pair = Descriptor.openPair(runtime.libc);
  if (typeof pair === "number") throw errors.ofCall(-pair, "socketpair");
  const open: UnixSocket[] = [];
  const adopt = (fd: number): UnixSocket => {
    const socket = new UnixSocket({ ...options, type: "unix_dgram", fd });
    open.push(socket);
    return socket;
  };
  try {
    return [adopt(pair[0]), adopt(pair[1])];
  } catch (error) {
    for (const socket of open) socket.close();
    for (const fd of pair.slice(open.length)) runtime.libc.close(fd);
    throw error;
  }
}
