/**
 * Where datagrams arrive: one arena for all sockets of a thread, used by one of them at a time.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { AddressCache } from "../ffi/address_cache.ts";
import { type Libc, uninterrupted } from "../ffi/libc.ts";
import { MessageVector } from "../ffi/message_vector.ts";
import type { SocketAddress } from "../ffi/sockaddr.ts";
import type { Received } from "./message_batch.ts";
import type { RemoteInfo } from "./types.ts";

/** Messages taken in one system call. */
const SLOTS = 64;
/** More than the largest datagram (65,507 bytes over IPv4, 65,527 over IPv6), and than what the kernel coalesces. */
const SLOT_SIZE = 65_536;
/** Datagrams that arrived together share memory in blocks of this size at most: a small one keeps no more than that. */
const BLOCK_SIZE = 8192;

/** Stands for a sender that the kernel did not name. */
const NOBODY: SocketAddress = { address: "", family: "IPv4", port: 0 };

/** Datagrams, out of the arena, in the order they came. */
export interface Datagrams {
  readonly messages: Buffer<ArrayBuffer>[];
  readonly remotes: RemoteInfo[];
}

/** The arena. */
export class Inbox {
  readonly #libc: Libc;
  readonly #addresses: AddressCache;
  #vector: MessageVector | undefined;
  #nameWords = new Uint32Array();
  /** Where small copies go, one behind the other. */
  #block = new Uint8Array();
  #blockUsed = 0;
  #copyOffset = 0;
  /** Slots the kernel has written to since they were last emptied. */
  #used = SLOTS;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#addresses = new AddressCache(libc);
  }

  /**
   * Takes what waits on a descriptor, as much as one call gives, and keeps it until the next call.
   *
   * @returns How many payloads (which may be several datagrams each), or a negative errno.
   */
  receive(fd: number): number {
    const libc = this.#libc;
    const vector = this.#vector ??= this.#allocate();
    for (let slot = 0; slot < this.#used; slot++) vector.setIncoming(slot);
    this.#used = 0;
    const count = uninterrupted(libc.abi, () => libc.recvmmsg(fd, vector.at(0), SLOTS, 0));
    if (count > 0) this.#used = count;
    return count;
  }

  /** The payloads taken last, in place. */
  get received(): readonly Received[] {
    return Array.from({ length: this.#used }, (_, slot) => this.#describe(this.#vector!, slot));
  }

  /** The memory the payloads lie in. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#vector!.data.bytes;
  }

  /** Copies the payloads taken last, cut into datagrams, each with memory that is the receiver's own. */
  copyTo(into: Datagrams): void {
    for (let slot = 0; slot < this.#used; slot++) this.#take(this.#vector!, slot, into);
  }

  #allocate(): MessageVector {
    const vector = new MessageVector(this.#libc, SLOTS, SLOTS * SLOT_SIZE);
    for (let slot = 0; slot < SLOTS; slot++) vector.setPayload(slot, slot * SLOT_SIZE, SLOT_SIZE);
    this.#nameWords = new Uint32Array(vector.names.buffer);
    return vector;
  }

  #describe(vector: MessageVector, slot: number): Received {
    const length = vector.lengthAt(slot);
    const segmentSize = vector.segmentSizeAt(slot) || length;
    return { start: slot * SLOT_SIZE, length, segmentSize, sender: this.#senderOf(vector, slot) };
  }

  /** Copies a slot's payload out, and cuts it into datagrams. */
  #take(vector: MessageVector, slot: number, { messages, remotes }: Datagrams): void {
    const { start, length, segmentSize, sender: { address, family, port } } = this.#describe(vector, slot);
    const perBlock = Math.max(Math.floor(BLOCK_SIZE / segmentSize), 1) * segmentSize;
    let taken = 0;
    // At least once: an empty datagram is one, too.
    do {
      const blockLength = Math.min(perBlock, length - taken) || 0;
      const block = this.#copy(vector, start + taken, blockLength);
      let cut = 0;
      do {
        const size = Math.min(segmentSize, blockLength - cut);
        messages.push(Buffer.from(block, this.#copyOffset + cut, size));
        remotes.push({ address, family, port, size });
        cut += size;
      } while (cut < blockLength);
      taken += blockLength;
    } while (taken < length);
  }

  /** Copies bytes of the arena; they are at `#copyOffset` of the block that is returned. */
  #copy(vector: MessageVector, start: number, length: number): ArrayBuffer {
    if (length > BLOCK_SIZE / 2) {
      this.#copyOffset = 0;
      return vector.data.buffer.slice(start, start + length);
    }
    if (this.#blockUsed + length > this.#block.byteLength) {
      this.#block = new Uint8Array(BLOCK_SIZE);
      this.#blockUsed = 0;
    }
    this.#block.set(vector.data.bytes.subarray(start, start + length), this.#blockUsed);
    this.#copyOffset = this.#blockUsed;
    this.#blockUsed += length;
    return this.#block.buffer;
  }

  #senderOf(vector: MessageVector, slot: number): SocketAddress {
    const length = vector.nameLengthAt(slot);
    if (length === 0) return NOBODY;
    return this.#addresses.decode(vector.names, this.#nameWords, vector.nameOffset(slot), length) ?? NOBODY;
  }
}
