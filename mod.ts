/**
 * UDP for Deno, Bun and Node with the surface of Node's `dgram`, straight from libc.
 *
 * @example
 * ```ts
 * import { createSocket } from "@dgram/ffi";
 *
 * const server = createSocket("udp4", (message, remote) => {
 *   server.send(message, remote.port, remote.address);
 * });
 * server.bind(0, "127.0.0.1", () => {
 *   const client = createSocket("udp4", (message) => {
 *     console.log(message.toString()); // hello
 *     client.close();
 *     server.close();
 *   });
 *   client.send("hello", server.address().port, "127.0.0.1");
 * });
 * ```
 *
 * @module
 */
import type { SocketEvents } from "./src/endpoint/events.ts";
import type { RemoteInfo } from "./src/receiving/types.ts";
export type {
  AddressedMessage,
  Bytes,
  ClockName,
  SendCallback,
  SendControls,
  SendManyCallback,
  SendManyError,
  SendManyOptions,
  SendOptions,
} from "./src/sending/types.ts";
export type { LookupCallback, LookupFunction } from "./src/integration/lookup.ts";
export type { ReceiveDetails, RemoteInfo, SendTimestamp } from "./src/receiving/types.ts";
export type { SocketEvents } from "./src/endpoint/events.ts";
import { Socket } from "./src/socket/socket.ts";
import type { AdoptOptions, SocketOptions, SocketType } from "./src/socket/types.ts";
import { isForUnix } from "./src/unix/options.ts";
import { UnixSocket } from "./src/unix/socket.ts";
import type { UnixRemoteInfo, UnixSocketOptions } from "./src/unix/types.ts";

export { Socket, UnixSocket };
export { sdNotify, type SdNotifyOptions } from "./src/unix/sd_notify.ts";
export { ReceivedDescriptors } from "./src/unix/received_descriptors.ts";
export { socketpair } from "./src/unix/socketpair.ts";
export type {
  UnixAddress,
  UnixBindOptions,
  UnixCredentials,
  UnixMessage,
  UnixPassed,
  UnixRemoteInfo,
  UnixSendManyOptions,
  UnixSendOptions,
  UnixSocketEvents,
  UnixSocketOptions,
} from "./src/unix/types.ts";
export { isSupported } from "./ffi/support.ts";
export { clockTime } from "./src/options/clock_time.ts";
export type { PathMtuDiscovery } from "./src/options/ip.ts";
export type { MemoryInfo } from "./ffi/wire/memory_info.ts";
export type { NetworkError } from "./src/receiving/network_error.ts";
export type { Fallback, Statistics } from "./src/options/statistics.ts";
export type { OptionError } from "./src/options/errors.ts";
export type { FilterInstruction } from "./ffi/wire/packet_filter.ts";
export { MessageBatch } from "./src/receiving/message_batch.ts";
export type {
  AddressInfo,
  AdoptOptions,
  BindOptions,
  BindSyncOptions,
  SocketOptions,
  SocketType,
} from "./src/socket/types.ts";

/**
 * Creates a Unix datagram socket. It has no descriptor until it is used.
 *
 * @param options `"unix_dgram"`, or an object with that as `type` and more; with `fd` an open socket is taken over.
 * @param callback Added as a listener for `'message'`.
 * @throws {TypeError} ERR_SOCKET_DGRAM_NOT_UDP for an option that only UDP sockets have; otherwise as for a UDP socket.
 *
 * @example
 * ```ts
 * import { createSocket } from "@dgram/ffi";
 *
 * const server = createSocket("unix_dgram", (message) => {
 *   console.log(message.toString()); // hello
 *   server.close();
 * });
 * server.bindSync("/run/collector.sock");
 * const client = createSocket("unix_dgram");
 * client.send("hello", "/run/collector.sock");
 * client.close();
 * ```
 */
export function createSocket(
  options: "unix_dgram" | UnixSocketOptions,
  callback?: (message: SocketEvents["message"][0], remote: UnixRemoteInfo) => void,
): UnixSocket;
/**
 * Creates a UDP socket. It has no descriptor until it is bound. Sending and connecting bind it if necessary.
 *
 * @param options `"udp4"`, `"udp6"`, or an object with that as `type` and more; with `fd` an open socket is taken over.
 * @param callback Added as a listener for `'message'`.
 * @throws {TypeError} ERR_SOCKET_BAD_TYPE, ERR_INVALID_ARG_TYPE; ERR_INVALID_FD_TYPE if `fd` is not a UDP socket.
 * @throws {Error} ERR_FEATURE_UNAVAILABLE_ON_PLATFORM on a system that is not supported; ERR_DGRAM_FFI_UNAVAILABLE on a Node
 * without `node:ffi` and without koffi, and in a runtime that is too old; the runtime's own error if FFI is not permitted.
 *
 * @example
 * ```ts
 * import { createSocket } from "@dgram/ffi";
 *
 * const server = createSocket("udp4", (message, remote) => {
 *   console.log(`${message} from ${remote.address}`); // hello from 127.0.0.1
 *   server.close();
 * });
 * const { port } = server.bindSync({ address: "127.0.0.1" });
 * const client = createSocket({ type: "udp4", sendBufferSize: 1 << 20 });
 * client.send("hello", port, "127.0.0.1");
 * client.close();
 * ```
 */
export function createSocket(
  options: SocketType | SocketOptions | AdoptOptions,
  callback?: (message: SocketEvents["message"][0], remote: RemoteInfo) => void,
): Socket;
export function createSocket(
  options: SocketType | SocketOptions | AdoptOptions | "unix_dgram" | UnixSocketOptions,
  callback?: (message: SocketEvents["message"][0], remote: never) => void,
): Socket | UnixSocket {
  const listener = callback as never;
  return isForUnix(options) ? new UnixSocket(options, listener) : new Socket(options, listener);
}

/**
 * The module as one object, for `import dgram from`.
 *
 * @example
 * ```ts
 * import dgram from "@dgram/ffi";
 *
 * const socket = dgram.createSocket("udp4");
 * console.log(socket instanceof dgram.Socket); // true
 * socket.close();
 * ```
 */
const dgram: { createSocket: typeof createSocket; Socket: typeof Socket } = { createSocket, Socket };
export default dgram;
