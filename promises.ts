/**
 * UDP and Unix datagram sockets whose operations are promises, as `node:fs/promises` is to `node:fs`.
 *
 * @example
 * ```ts
 * import { createSocket } from "@dgram/ffi/promises";
 *
 * await using server = createSocket("udp4");
 * const { port } = await server.bind(0, "127.0.0.1");
 *
 * await using client = createSocket("udp4");
 * const answer = client.request("ping", { port, address: "127.0.0.1", timeout: 500 });
 * for await (const [message, remote] of server) {
 *   await server.send(`${message} pong`, remote.port, remote.address);
 *   break;
 * }
 * console.log((await answer)[0].toString()); // ping pong
 * ```
 *
 * @module
 */
import { Socket } from "./src/promises/socket.ts";
import { UnixSocket } from "./src/promises/unix_socket.ts";
import type { AdoptOptions, SocketOptions, SocketType } from "./src/socket/types.ts";
import { isForUnix } from "./src/unix/options.ts";
import type { UnixSocketOptions } from "./src/unix/types.ts";

export { Socket, UnixSocket };
export type { UnixDatagram } from "./src/promises/unix_socket.ts";
export type { BindPromiseOptions, ConnectOptions, SendManyRejection } from "./src/promises/socket.ts";
export type { Datagram, RequestOptions } from "./src/promises/requests.ts";
export type { Abortable } from "./src/promises/settle.ts";
// What these name in their turn.
export type * from "./mod.ts";
export type { Socket as EventSocket } from "./src/socket/socket.ts";
export type { UnixSocket as UnixEventSocket } from "./src/unix/socket.ts";

/**
 * Makes a Unix datagram socket whose operations are promises.
 *
 * @param options As of the main entry's `createSocket`.
 * @throws What that throws.
 */
export function createSocket(options: "unix_dgram" | UnixSocketOptions): UnixSocket;
/**
 * Makes a UDP socket whose operations are promises.
 *
 * @param options As of the main entry's `createSocket`.
 * @throws What that throws.
 *
 * @example
 * ```ts
 * import { createSocket } from "@dgram/ffi/promises";
 *
 * await using socket = createSocket({ type: "udp4", reuseAddr: true });
 * const { port } = await socket.bind(0, "127.0.0.1");
 * await socket.send("to itself", { port, address: "127.0.0.1" });
 * const [message] = await socket.receive();
 * console.log(message.toString()); // to itself
 * ```
 */
export function createSocket(options: SocketType | SocketOptions | AdoptOptions): Socket;
export function createSocket(
  options: SocketType | SocketOptions | AdoptOptions | "unix_dgram" | UnixSocketOptions,
): Socket | UnixSocket {
  return isForUnix(options) ? new UnixSocket(options) : new Socket(options);
}

/**
 * The module as one object, for `import dgram from`.
 *
 * @example
 * ```ts
 * import dgram from "@dgram/ffi/promises";
 *
 * await using socket = dgram.createSocket("udp4");
 * await socket.bind();
 * ```
 */
const promises: { createSocket: typeof createSocket; Socket: typeof Socket } = { createSocket, Socket };
export default promises;
