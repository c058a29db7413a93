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
  /** If it is one datagram in memory of its own: that memory, until it is delivered. Then it is not in the arena. */
  own?: Buffer<ArrayBuffer> | undefined;
}

/** No metadata. */
const NO_DETAILS: Readonly<ReceiveDetails> = Object.freeze({});

/** What a batch shows. */
class Content {
  bytes: Uint8Array = new Uint8Array();
  received: readonly Received[] = [];
  length = 0;
  totalSize = 0;
  /** The index of the first datagram of the payload that was found last. */
  firstIndex = 0;
  /** That payload. Datagrams are asked for in order. */
  #at = 0;

  fill(bytes: Uint8Array, received: readonly Received[]): void {
    this.bytes = bytes;
    this.received = received;
    this.#at =
      this.firstIndex =
      this.length =
      this.totalSize =
        0;
    for (const payload of received) {
      this.length += payload.count;
      this.totalSize += payload.length;
    }
  }

  /** The payload that holds a datagram. */
  find(index: number): Received {
    if (index >>> 0 !== index || index >= this.length) {
      throw new RangeError(`There is no datagram ${index} in a batch of ${this.length}`);
    }
    if (index < this.firstIndex) this.#at = this.firstIndex = 0;
    let payload = this.received[this.#at]!;
    while (index >= this.firstIndex + payload.count) {
      this.firstIndex += payload.count;
      payload = this.received[++this.#at]!;
    }
    return payload;
  }
}

/** The key of a batch's content. A property, and not private fields: those are not found through a Proxy of the batch. */
const CONTENT = Symbol("content");

/** What the batch shows from now on. For the receiver. */
export function fillBatch(batch: MessageBatch, bytes: Uint8Array, received: readonly Received[]): void {
  batch[CONTENT].fill(bytes, received);
}

/** The payloads that the batch shows, which lie in its bytes. For `sendMany`. */
export function payloadsOf(batch: MessageBatch): readonly Received[] {
  return batch[CONTENT].received;
}

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
 *     const text = batch.bytes.subarray(batch.start(i), batch.start(i) + batch.size(i));
 *     console.log(`${new TextDecoder().decode(text)} from port ${batch.port(i)}`);
 *   }
 * });
 * socket.send("hello", port, address);
 * ```
 */
export class MessageBatch {
  /** @internal */
  declare readonly [CONTENT]: Content;

  /** @internal Made by the receiver. */
  constructor() {
    Object.defineProperty(this, CONTENT, { value: new Content() });
  }

  /** The number of datagrams. */
  get length(): number {
    return this[CONTENT].length;
  }

  /** The total size of all datagrams in bytes. */
  get totalSize(): number {
    return this[CONTENT].totalSize;
  }

  /** The memory in which all datagrams are. It has other bytes as well. */
  get bytes(): Uint8Array {
    return this[CONTENT].bytes;
  }

  /**
   * The offset of a datagram in {@linkcode MessageBatch.bytes}.
   *
   * @param index 0 to `length - 1`.
   * @throws {RangeError} For any other index, like all methods with an index.
   */
  start(index: number): number {
    const content = this[CONTENT];
    const { start, segmentSize } = content.find(index);
    return start + (index - content.firstIndex) * segmentSize;
  }

  /** The size of a datagram in bytes. */
  size(index: number): number {
    const content = this[CONTENT];
    const { length, segmentSize } = content.find(index);
    return Math.min(segmentSize, length - (index - content.firstIndex) * segmentSize);
  }

  /** The sender's IP address, as in `rinfo`; on a Unix socket its path. */
  address(index: number): string {
    return this[CONTENT].find(index).sender.address;
  }

  /** The sender's port; 0 on a Unix socket. */
  port(index: number): number {
    return this[CONTENT].find(index).sender.port;
  }

  /** `IPv4`, `IPv6` or `unix`. */
  family(index: number): "IPv4" | "IPv6" | "unix" {
    return this[CONTENT].find(index).sender.family;
  }

  /** The enabled metadata, as in `rinfo`. Coalesced datagrams share one object. */
  details(index: number): Readonly<ReceiveDetails> {
    return this[CONTENT].find(index).details ?? NO_DETAILS;
  }

  /** The bytes of a datagram, in place. */
  view(index: number): Uint8Array {
    const start = this.start(index);
    return this[CONTENT].bytes.subarray(start, start + this.size(index));
  }

  /** A copy of the bytes of a datagram. */
  copy(index: number): Buffer<ArrayBuffer> {
    return Buffer.from(this.view(index)) as Buffer<ArrayBuffer>;
  }
}
