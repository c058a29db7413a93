/**
 * Memory of their own for large datagrams: the kernel writes them where they stay, which saves a copy.
 *
 * The size of a datagram is not known before it is received, and a message fills its ArrayBuffer from start to end. So this is for
 * streams of large datagrams of one size, as of files and pictures. If another size comes, what was written is moved to its place in
 * the arena, as if it had been received there.
 *
 * The kernel is given an address only while this has the buffer and no user code can access it. The vector refers to it no more
 * before it is handed out.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { MessageVector } from "../../ffi/wire/message_vector.ts";

/** The size from which this takes less time than a copy, in bytes. */
const LEAST_SIZE = 16_384;
/** The most datagrams in a call then. More do not stay in the processor's cache. */
const MOST_AT_ONCE = 4;

/** The memory of the next datagrams of one arena. */
export class OwnMemory {
  readonly #libc: Libc;
  readonly #vector: MessageVector;
  /** The room for each slot in the arena. */
  readonly #slotSize: number;
  /** The size of the datagram that came last, and of those that are expected: 0 if none in particular. */
  #lastSize = 0;
  #expected = 0;
  /** The size of the memory that slots have. */
  #size = 0;

  constructor(libc: Libc, vector: MessageVector, slotSize: number) {
    this.#libc = libc;
    this.#vector = vector;
    this.#slotSize = slotSize;
  }

  /**
   * Prepares the next call.
   *
   * @param atMost The most payloads of the call.
   * @param isWanted Whether datagrams may have memory of their own.
   * @returns The most payloads of the call, which are fewer if each has memory of its own.
   */
  prepare(atMost: number, isWanted: boolean): number {
    const size = isWanted ? this.#expected : 0;
    if (size !== this.#size) this.#release(size);
    if (size === 0) return atMost;
    const count = Math.min(atMost, MOST_AT_ONCE);
    for (let slot = 0; slot < count; slot++) if (!this.#vector.ownMemoryAt(slot)) this.#equip(slot, size);
    return count;
  }

  /**
   * Takes what a slot has received.
   *
   * @param length Its bytes.
   * @param isOne Whether it is one datagram.
   * @returns The datagram, if it fills memory of its own. Otherwise it is in its place in the arena.
   */
  take(slot: number, length: number, isOne: boolean): Buffer<ArrayBuffer> | undefined {
    const memory = this.#vector.ownMemoryAt(slot);
    if (!memory) return undefined;
    const start = slot * this.#slotSize;
    if (length !== memory.size || !isOne) {
      this.#vector.data.bytes.set(memory.bytes.subarray(0, length), start);
      return undefined;
    }
    this.#vector.releaseOwnMemory(slot, start, this.#slotSize);
    return Buffer.from(memory.buffer);
  }

  /** Two calls in a row ended with a datagram of one size: more of that size are expected. */
  note(length: number, isOne: boolean): void {
    const repeats = length === this.#lastSize && length >= LEAST_SIZE && length < this.#slotSize && isOne;
    this.#expected = repeats ? length : 0;
    this.#lastSize = length;
  }

  #equip(slot: number, size: number): void {
    // Not zeroed, and no part of Node's pool.
    const { buffer } = Buffer.allocUnsafeSlow(size) as Buffer<ArrayBuffer>;
    const memory = this.#libc.addressable(buffer);
    this.#vector.setOwnMemory(slot, memory, slot * this.#slotSize, this.#slotSize);
  }

  #release(size: number): void {
    for (let slot = 0; slot < MOST_AT_ONCE; slot++) {
      if (this.#vector.ownMemoryAt(slot)) this.#vector.releaseOwnMemory(slot, slot * this.#slotSize, this.#slotSize);
    }
    this.#size = size;
  }
}
