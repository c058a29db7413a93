/**
 * The events of sockets.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import type { MessageBatch } from "../receiving/message_batch.ts";
import type { NetworkError } from "../receiving/network_error.ts";
import type { RemoteInfo, TransmitTimestamp } from "../receiving/types.ts";

/** A socket of the public surface, with whatever events. */
// deno-lint-ignore no-explicit-any
export type AnySocket = EventEmitter<any>;

/** The events of a socket, with what listeners get. */
export interface SocketEvents {
  /**
   * A datagram arrived. The message is the listener's to keep, to change and to transfer: it has an ArrayBuffer to itself, with
   * offset 0 and exactly its size. Ticks and promise jobs that listeners queue run before the next datagram is delivered.
   */
  message: [message: Buffer<ArrayBuffer>, remote: RemoteInfo];
  /**
   * Datagrams arrived together: not in Node. With listeners for `'message'` as well, both get them. The batch's memory is lent until the
   * listener returns.
   */
  messages: [batch: MessageBatch];
  /** The socket is bound and receives. */
  listening: [];
  /** The socket has a peer. */
  connect: [];
  /** The messages that waited for room in the kernel have left. Not in Node. */
  drain: [];
  /** The socket is closed; no event follows. */
  close: [];
  /** A datagram has left: only with the option `sendTimestamp`. Not in Node. */
  timestamp: [timestamp: TransmitTimestamp];
  /** The network says that a datagram did not arrive: only with the option `recvErrors`. Not in Node. */
  networkError: [error: NetworkError];
  /** Something failed that no callback was told of. */
  error: [error: Error];
}
