/**
 * The events of sockets.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import type { MessageBatch } from "../receiving/message_batch.ts";
import type { NetworkError } from "../receiving/network_error.ts";
import type { RemoteInfo, SendTimestamp } from "../receiving/types.ts";

/** A socket of the public surface, with any events. */
// deno-lint-ignore no-explicit-any
export type AnySocket = EventEmitter<any>;

/**
 * The events of a socket, with the listeners' arguments.
 *
 * @example
 * ```ts
 * import type { SocketEvents } from "@dgram/ffi";
 *
 * const print = (...[message, remote]: SocketEvents["message"]) => {
 *   console.log(`${message} of ${remote.size} bytes`); // hello of 5 bytes
 * };
 * socket.on("message", print);
 * socket.send("hello", port, address);
 * ```
 */
export interface SocketEvents {
  /**
   * A datagram arrived. The listener may keep, change and transfer the message: it has an ArrayBuffer to itself, of
   * exactly its size and with offset 0. Ticks and promise jobs that listeners queue run before the next datagram is
   * delivered.
   */
  message: [message: Buffer<ArrayBuffer>, remote: RemoteInfo];
  /**
   * Datagrams were received together. Not in Node. If there are also listeners for `'message'`, both get them. The
   * batch's memory is valid until the listener returns.
   */
  messages: [batch: MessageBatch];
  /** The socket is bound and receives. */
  listening: [];
  /** The socket is connected. */
  connect: [];
  /** The messages that waited for room in the kernel were sent. Not in Node. */
  drain: [];
  /** The socket is closed. No event follows. */
  close: [];
  /** A datagram was sent: only with the option `sendTimestamp`. Not in Node. */
  sendTimestamp: [timestamp: SendTimestamp];
  /** The network reports that a datagram did not arrive: only with the option `recvNetworkErrors`. Not in Node. */
  networkError: [error: NetworkError];
  /** Something failed that is not reported to a callback. */
  error: [error: Error];
}
