/**
 * The `dgram` module of EdgerOS' JSRE: methods that fail return false or a negative number, while Node throws.
 *
 * A thin layer on the main entry: what is not mentioned here is the same. `docs/jsre.md` compares both with Node.
 *
 * @example
 * ```ts
 * import dgram from "@dgram/ffi/jsre";
 *
 * const server = dgram.createSocket("udp4", (message, remote) => {
 *   console.log(`${message} from ${remote.address}`); // hello from 127.0.0.1
 *   server.close();
 * });
 * server.bind(0, "127.0.0.1", () => server.send("hello", server.address().port, "127.0.0.1"));
 * ```
 *
 * @module
 */
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
export type {
  AddressInfo,
  AdoptOptions,
  BindOptions,
  BindSyncOptions,
  SocketOptions,
  SocketType,
} from "./src/socket/types.ts";
export type { Fallback, Statistics } from "./src/options/statistics.ts";
export { Socket } from "./src/socket/socket.ts";
export type { PathMtuDiscovery } from "./src/options/ip.ts";
export type { MemoryInfo } from "./ffi/wire/memory_info.ts";
export type { NetworkError } from "./src/receiving/network_error.ts";
export type { OptionError } from "./src/options/errors.ts";
export type { FilterInstruction } from "./ffi/wire/packet_filter.ts";
export { MessageBatch } from "./src/receiving/message_batch.ts";
export * from "./src/compat/jsre.ts";
export { default } from "./src/compat/jsre.ts";
