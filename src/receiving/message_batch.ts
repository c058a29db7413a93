/**
 * Datagrams that came together, still where the kernel put them: the argument of `'messages'` listeners.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { ReceiveDetails } from "./types.ts";

/** One payload of the kernel's: datagrams of one sender and one size (the last may be shorter), one behind the other. */
export interface Received {
  /** Where it starts in the arena. */
  readonly start: number;
  readonly length: number;
  /** Size of every datagram but the last. */
  readonly segmentSize: number;
  /** How many datagrams it is. */
  readonly count: number;
  readonly sender: SocketAddress;
  /** What else the socket wanted to know. */
  readonly details: ReceiveDetails | undefined;
  /**
   * Views of its datagrams of full size, made when they are first needed: the next payload in the same place often has datagrams of
   * the same size. Making a view takes as long as copying it.
   */
  readonly views: Uint8Array[];
}

/** Nothing was asked for. */
const NO_DETAILS: Readonly<ReceiveDetails> = Object.freeze({});

// For this module, not for the batch's users.
/** What the batch shows from now on. */
export let fillBatch: (batch: MessageBatch, bytes: Uint8Array, received: readonly Received[]) => void;
/** The payloads that it shows, which lie in its bytes. */
export let payloadsOf: (batch: MessageBatch) => readonly Received[];

/**
 * Datagrams that came together, without an object for each.
 *
 * Everything it gives, but for {@linkcode MessageBatch.copy}, is valid only until the listener returns: then the memory is used
 * for the next datagrams, and the batch is empty. What is to be kept must be copied; `sendMany` copies. The memory can be read and
 * written; it cannot be transferred, which throws in the listener that tries.
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
  // The payload that holds the datagram asked for last, and the index of its first: they are asked for in order.
  #at = 0;
  #firstIndex = 0;

  /** How many datagrams there are. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of all datagrams. */
  get totalSize(): number {
    return this.#totalSize;
  }

  /** The memory that all datagrams lie in, along with what does not belong to them. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Where a datagram starts in {@linkcode MessageBatch.bytes}.
   *
   * @param index 0 to `length - 1`.
   * @throws {RangeError} For any other index, as all methods with one.
   */
  start(index: number): number {
    const { start, segmentSize } = this.#find(index);
    return start + (index - this.#firstIndex) * segmentSize;
  }

  /** How many bytes a datagram has. */
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

  /** What else was asked for, as in `rinfo`. Datagrams that the kernel handed over together have one object. */
  details(index: number): Readonly<ReceiveDetails> {
    return this.#find(index).details ?? NO_DETAILS;
  }

  /** A datagram's bytes, in place. */
  view(index: number): Uint8Array {
    const start = this.start(index);
    return this.#bytes.subarray(start, start + this.size(index));
  }

  /** A datagram's bytes in memory of their own, to be kept. */
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
