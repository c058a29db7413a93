/**
 * Datagrams that were received together, in the memory to which the kernel has written them: the argument of `'messages'` listeners.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { ReceiveDetails } from "./types.ts";

/** One received payload: datagrams of one sender and one size (the last may be shorter), one after the other. */
export interface Received {
  /** Its offset in the arena. */
  readonly start: number;
  readonly length: number;
  /** Size of every datagram but the last. */
  readonly segmentSize: number;
  /** The number of datagrams. */
  readonly count: number;
  readonly sender: SocketAddress;
  /** What else the socket wanted to know. */
  readonly details: ReceiveDetails | undefined;
  /**
   * Views of its datagrams of full size, created when they are first needed. They are kept, as the next payload in the same slot often
   * has datagrams of the same size, and creating a view takes as long as copying it.
   */
  readonly views: Uint8Array[];
}

/** No metadata. */
const NO_DETAILS: Readonly<ReceiveDetails> = Object.freeze({});

// For this module, not for users of a batch.
/** Sets the content of a batch. */
export let fillBatch: (batch: MessageBatch, bytes: Uint8Array, received: readonly Received[]) => void;
/** The payloads of a batch, which are in its bytes. */
export let payloadsOf: (batch: MessageBatch) => readonly Received[];

/**
 * Datagrams that were received together, without an object for each.
 *
 * Everything that it returns, except {@linkcode MessageBatch.copy}, is valid only until the listener returns: then the memory is
 * used for the next datagrams, and the batch is empty. Copy what you keep; `sendMany` copies. The memory can be read and written. It
 * cannot be transferred: that throws in the listener.
 *
 * @example
 * ```ts
 * socket.on("messages", (batch) => {
 *   for (let i = 0; i < batch.length; i++) {
 *     record(batch.bytes, batch.start(i), batch.size(i), batch.port(i));
 *   }
 * });
 * ```
 */
export class MessageBatch {
  #bytes: Uint8Array = new Uint8Array();
  #received: readonly Received[] = [];
  #length = 0;
  #totalSize = 0;
  // The payload of the datagram that was accessed last, and the index of its first: mostly they are accessed in order.
  #at = 0;
  #firstIndex = 0;

  /** The number of datagrams. */
  get length(): number {
    return this.#length;
  }

  /** The total size of all datagrams in bytes. */
  get totalSize(): number {
    return this.#totalSize;
  }

  /** The memory in which all datagrams are. It has other bytes as well. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * The offset of a datagram in {@linkcode MessageBatch.bytes}.
   *
   * @param index 0 to `length - 1`.
   * @throws {RangeError} For any other index, like all methods with an index.
   */
  start(index: number): number {
    const { start, segmentSize } = this.#find(index);
    return start + (index - this.#firstIndex) * segmentSize;
  }

  /** The size of a datagram in bytes. */
  size(index: number): number {
    const { length, segmentSize } = this.#find(index);
    return Math.min(segmentSize, length - (index - this.#firstIndex) * segmentSize);
  }

  /** The sender's IP address, as in `rinfo`; on a Unix socket its path. */
  address(index: number): string {
    return this.#find(index).sender.address;
  }

  /** The sender's port; 0 on a Unix socket. */
  port(index: number): number {
    return this.#find(index).sender.port;
  }

  /** `IPv4`, `IPv6` or `unix`. */
  family(index: number): "IPv4" | "IPv6" | "unix" {
    return this.#find(index).sender.family;
  }

  /** The enabled metadata, as in `rinfo`. Coalesced datagrams share one object. */
  details(index: number): Readonly<ReceiveDetails> {
    return this.#find(index).details ?? NO_DETAILS;
  }

  /** The bytes of a datagram, in place. */
  view(index: number): Uint8Array {
    const start = this.start(index);
    return this.#bytes.subarray(start, start + this.size(index));
  }

  /** A copy of the bytes of a datagram. */
  copy(index: number): Buffer<ArrayBuffer> {
    return Buffer.from(this.view(index)) as Buffer<ArrayBuffer>;
  }

  static {
    fillBatch = (batch, bytes, received) => batch.#fill(bytes, received);
    payloadsOf = (batch) => batch.#received;
  }

  #fill(bytes: Uint8Array, received: readonly Received[]): void {
    this.#bytes = bytes;
    this.#received = received;
    this.#at =
      this.#firstIndex =
      this.#length =
      this.#totalSize =
        0;
    for (const payload of received) {
      this.#length += payload.count;
      this.#totalSize += payload.length;
    }
  }

  #find(index: number): Received {
    if (index >>> 0 !== index || index >= this.#length) {
      throw new RangeError(`There is no datagram ${index} in a batch of ${this.#length}`);
    }
    if (index < this.#firstIndex) this.#at = this.#firstIndex = 0;
    let payload = this.#received[this.#at];
    while (index >= this.#firstIndex + payload.count) {
      this.#firstIndex += payload.count;
      payload = this.#received[++this.#at];
    }
    return payload;
  }
}
