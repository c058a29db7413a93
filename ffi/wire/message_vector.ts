/**
 * An array of `struct mmsghdr` for sendmmsg and recvmmsg (layouts in abi/): each message has an iovec, an address
 * and control data; all payloads are in one block, but those that have memory of their own. It keeps everything that
 * the kernel reaches through it.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Libc } from "../libc/libc.ts";
import type { Memory, Pointer } from "../libc/memory.ts";
import { ControlReader, controlSpace, type EncodedControls, writeControlHeader } from "./control.ts";
import { type EncodedAddress, maxAddressSize } from "./sockaddr.ts";

/** Room for the control data of one message if nothing else is enabled: UDP_GRO's int, UDP_SEGMENT's uint16_t. */
const CONTROL_DATA_SIZE = 4;

/** Room for so many iovecs of each message: one for memory of its own, and one for its place in the common block. */
const IOVECS = 2;

/** `msg_len` of a message that the kernel has not taken. No datagram is that long. */
const UNSENT = 0xffffffff;

/** Message headers for batches of up to `slots` messages. */
export class MessageVector {
  /** How many messages it has room for. */
  readonly slots: number;
  /** The payloads' memory. */
  readonly data: Memory;
  /** The addresses' memory; slot `i`'s starts at {@linkcode nameOffset}. */
  readonly names: Memory;
  readonly #libc: Libc;
  readonly #abi: Abi;
  readonly #headers: Memory;
  readonly #iovecs: Memory;
  readonly #nameSize: number;
  readonly #reader: ControlReader;
  /** Grows if sockets need more: {@linkcode reserveControl}. */
  #controls: Memory;
  #controlSize: number;
  readonly #pointers: Pointer[] = [];
  /** The data's address as a number, which avoids a bigint for each message: addresses have 47 or 48 bits. */
  readonly #dataAddress: number;
  // The offsets below are those of 32-bit words, for access without a DataView's checks on the hot path.
  readonly #headerWords: Uint32Array;
  readonly #iovecWords: Uint32Array;
  readonly #wordsPerHeader: number;
  readonly #namelen: number;
  readonly #controllen: number;
  readonly #flags: number;
  readonly #len: number;
  readonly #iovlen: number;
  /** By slot, the memory of its own that its first iovec refers to. */
  readonly #own: (Memory | undefined)[] = [];
  readonly #IPPROTO_UDP: number;
  /** Undefined if the system neither coalesces datagrams nor segments payloads. */
  readonly #UDP_GRO: number | undefined;
  readonly #UDP_SEGMENT: number | undefined;
  /** Whether an empty address or empty control data has to be NULL: XNU refuses other pointers, Linux ignores them. */
  readonly #needsNull: boolean;
  /** How many slots have been used so far: before that a slot's pointers are not set. */
  #connected = 0;

  /**
   * Allocates a vector with room for payloads. Pages not yet touched cost nothing.
   *
   * @param data The room, or its size in bytes.
   * @param takesControl Whether there is room for control data from the start. Otherwise there is none until it is reserved.
   */
  constructor(libc: Libc, slots: number, data: Memory | number, takesControl = true) {
    this.#libc = libc;
    this.#abi = libc.abi;
    this.slots = slots;
    this.data = typeof data === "number" ? libc.allocate(data) : data;
    this.#dataAddress = Number(this.data.address);
    const { mmsghdr, msghdr, iovec } = libc.abi.layouts;
    this.#nameSize = maxAddressSize(libc.abi);
    this.#controlSize = takesControl ? controlSpace(libc.abi, CONTROL_DATA_SIZE) : 0;
    this.#headers = libc.allocate(slots * mmsghdr.size);
    this.#iovecs = libc.allocate(slots * IOVECS * iovec.size);
    this.names = libc.allocate(slots * this.#nameSize);
    this.#controls = libc.allocate(Math.max(slots * this.#controlSize, 1));
    this.#reader = new ControlReader(libc.abi);
    this.#headerWords = new Uint32Array(this.#headers.buffer);
    this.#iovecWords = new Uint32Array(this.#iovecs.buffer);
    this.#wordsPerHeader = mmsghdr.size / 4;
    this.#namelen = msghdr.msg_namelen / 4;
    this.#controllen = msghdr.msg_controllen / 4;
    this.#flags = msghdr.msg_flags / 4;
    this.#len = mmsghdr.msg_len / 4;
    this.#iovlen = msghdr.msg_iovlen / 4;
    this.#IPPROTO_UDP = libc.abi.levels.IPPROTO_UDP;
    this.#UDP_GRO = libc.abi.options.UDP_GRO;
    this.#UDP_SEGMENT = libc.abi.options.UDP_SEGMENT;
    this.#needsNull = libc.abi.platform === "darwin";
  }

  /** A pointer to the header of a slot. */
  at(slot: number): Pointer {
    return this.#pointers[slot] ??= this.#libc.pointer(this.#headers, slot * this.#abi.layouts.mmsghdr.size);
  }

  /** The offset of a slot's address in {@linkcode names}. */
  nameOffset(slot: number): number {
    return slot * this.#nameSize;
  }

  /**
   * Fills a slot for sending.
   *
   * @param offset Where in {@linkcode data} the payload starts.
   * @param address The destination, or undefined on a connected socket.
   * @param segmentSize For a payload of several datagrams, the size of each but the last (UDP_SEGMENT). 0 if it is one.
   * @param controls Other control data.
   */
  setOutgoing(
    slot: number,
    offset: number,
    length: number,
    address: EncodedAddress | undefined,
    segmentSize = 0,
    controls?: EncodedControls,
  ): void {
    this.setPayload(slot, offset, length);
    const words = this.#headerWords;
    const header = slot * this.#wordsPerHeader;
    // A connected socket must not be given a name.
    words[header + this.#namelen] = 0;
    if (address) {
      this.names.bytes.set(address, slot * this.#nameSize);
      words[header + this.#namelen] = address.length;
    }
    const hasControl = segmentSize > 0 || controls !== undefined;
    words[header + this.#controllen] = hasControl ? this.#writeControl(slot, segmentSize, controls) : 0;
    words[header + this.#flags] = 0;
    words[header + this.#len] = UNSENT;
    if (this.#needsNull) this.#pointToNonempty(slot);
  }

  /** Whether the kernel has taken a slot's message. The kernel writes that to memory, even if the call's result was lost to an exception. */
  wasSent(slot: number): boolean {
    return this.#headerWords[slot * this.#wordsPerHeader + this.#len] !== UNSENT;
  }

  /** Prepares the slots from `start` to before `end` for receiving: sets all fields that the kernel changes. */
  setIncoming(start: number, end: number): void {
    const words = this.#headerWords;
    for (let slot = start; slot < end; slot++) {
      const header = slot * this.#wordsPerHeader;
      words[header + this.#namelen] = this.#nameSize;
      words[header + this.#controllen] = this.#controlSize;
      words[header + this.#flags] = 0;
      words[header + this.#len] = 0;
      if (this.#needsNull) this.#pointToNonempty(slot);
    }
  }

  /** Sets the position of a slot's payload in {@linkcode data}. */
  setPayload(slot: number, offset: number, length: number): void {
    if (offset < 0 || length < 0 || offset + length > this.data.size) {
      throw new RangeError(`A payload of ${length} bytes does not fit at ${offset} of ${this.data.size}`);
    }
    while (this.#connected <= slot) this.#connect(this.#connected++);
    this.#setIovec(slot * IOVECS, this.#dataAddress + offset, length);
  }

  /**
   * Makes the kernel write a slot's message to memory of its own. What that has no room for goes where it would be
   * without: so far behind the slot's offset.
   *
   * @param offset Where in {@linkcode data} the slot's payload starts.
   * @param room The room there, more than the memory has.
   */
  setOwnMemory(slot: number, memory: Memory, offset: number, room: number): void {
    if (memory.size >= room || offset + room > this.data.size) {
      throw new RangeError(`${memory.size} bytes are too many for a slot of ${room} at ${offset}`);
    }
    this.#setIovec(slot * IOVECS + 1, this.#dataAddress + offset + memory.size, room - memory.size);
    this.#setIovec(slot * IOVECS, Number(memory.address), memory.size);
    // Nothing can throw here: the slot refers to the memory, and so it is kept.
    this.#headerWords[slot * this.#wordsPerHeader + this.#iovlen] = 2;
    this.#own[slot] = memory;
  }

  /** The memory of its own that a slot has. */
  ownMemoryAt(slot: number): Memory | undefined {
    return this.#own[slot];
  }

  /** Makes the kernel write to {@linkcode data} again. Nothing refers to the slot's own memory then. */
  releaseOwnMemory(slot: number, offset: number, room: number): void {
    this.setPayload(slot, offset, room);
    this.#headerWords[slot * this.#wordsPerHeader + this.#iovlen] = 1;
    this.#own[slot] = undefined;
  }

  #setIovec(index: number, address: number, length: number): void {
    const { iovec } = this.#abi.layouts;
    const words = this.#iovecWords;
    const at = index * iovec.size / 4;
    words[at + iovec.iov_base / 4] = address % 2 ** 32;
    words[at + iovec.iov_base / 4 + 1] = address / 2 ** 32;
    words[at + iovec.iov_len / 4] = length;
  }

  /** How many bytes were received or sent in a slot. */
  lengthAt(slot: number): number {
    return this.#headerWords[slot * this.#wordsPerHeader + this.#len]!;
  }

  /** The length of the sender's address in a slot, 0 if the kernel gave none. */
  nameLengthAt(slot: number): number {
    return this.#headerWords[slot * this.#wordsPerHeader + this.#namelen]!;
  }

  /** The flags of a received message: MSG_TRUNC if the payload was truncated, MSG_CTRUNC if control data was. */
  flagsAt(slot: number): number {
    return this.#headerWords[slot * this.#wordsPerHeader + this.#flags]!;
  }

  /** The control messages of a slot. The reader is the same each time and must not be kept. */
  controlsAt(slot: number): ControlReader {
    const length = this.#headerWords[slot * this.#wordsPerHeader + this.#controllen]!;
    this.#reader.open(this.#controls.view, slot * this.#controlSize, Math.min(length, this.#controlSize));
    return this.#reader;
  }

  /** For a payload of several received datagrams, the size of each but the last (UDP_GRO). 0 if it is one. */
  segmentSizeAt(slot: number): number {
    const UDP_GRO = this.#UDP_GRO;
    if (this.#headerWords[slot * this.#wordsPerHeader + this.#controllen] === 0 || UDP_GRO === undefined) return 0;
    const reader = this.controlsAt(slot);
    while (reader.next()) {
      const isWanted = reader.level === this.#IPPROTO_UDP && reader.type === UDP_GRO;
      if (isWanted && reader.size >= 4) return Math.max(reader.view.getInt32(reader.at, true), 0);
    }
    return 0;
  }

  /**
   * Makes room for control data of that many bytes in every slot. The current data is kept.
   *
   * @returns Whether there is more room than before. Then all slots must be prepared again before they receive.
   */
  reserveControl(size: number): boolean {
    if (size <= this.#controlSize) return false;
    const [old, oldSize] = [this.#controls, this.#controlSize];
    this.#controlSize = roundUpToPowerOfTwo(size);
    this.#controls = this.#libc.allocate(this.slots * this.#controlSize);
    for (let slot = 0; slot < this.#connected; slot++) {
      const start = slot * oldSize;
      this.#controls.bytes.set(old.bytes.subarray(start, start + oldSize), slot * this.#controlSize);
      if (this.#needsNull) this.#pointToNonempty(slot);
      else this.#connectControl(slot);
    }
    return true;
  }

  /** @returns The length of the control data. */
  #writeControl(slot: number, segmentSize: number, controls: EncodedControls | undefined): number {
    const given = controls?.length ?? 0;
    const length = given + (segmentSize > 0 ? controlSpace(this.#abi, 2) : 0);
    this.reserveControl(length);
    const start = slot * this.#controlSize;
    if (controls) this.#controls.bytes.set(controls, start);
    if (segmentSize > 0) {
      const { view } = this.#controls;
      const at = writeControlHeader(this.#abi, view, start + given, this.#IPPROTO_UDP, this.#UDP_SEGMENT!, 2);
      view.setUint16(at, segmentSize, true);
    }
    return length;
  }

  /** Sets the fields that never change. */
  #connect(slot: number): void {
    const { mmsghdr, msghdr, iovec } = this.#abi.layouts;
    const header = slot * mmsghdr.size;
    this.#headers.setAddress(header + msghdr.msg_name, this.names, slot * this.#nameSize);
    this.#headers.setAddress(header + msghdr.msg_iov, this.#iovecs, slot * IOVECS * iovec.size);
    this.#headers.view.setUint32(header + msghdr.msg_iovlen, 1, true);
    this.#connectControl(slot);
  }

  /** Sets the address and control data of a slot to NULL if they are empty. */
  #pointToNonempty(slot: number): void {
    const { mmsghdr, msghdr } = this.#abi.layouts;
    const at = slot * mmsghdr.size;
    const words = this.#headerWords;
    const header = slot * this.#wordsPerHeader;
    if (words[header + this.#namelen]! > 0) {
      this.#headers.setAddress(at + msghdr.msg_name, this.names, slot * this.#nameSize);
    } else {
      this.#headers.view.setBigUint64(at + msghdr.msg_name, 0n, true);
    }
    if (words[header + this.#controllen]! > 0) this.#connectControl(slot);
    else this.#headers.view.setBigUint64(at + msghdr.msg_control, 0n, true);
  }

  #connectControl(slot: number): void {
    if (this.#controlSize === 0) return;
    const { mmsghdr, msghdr } = this.#abi.layouts;
    const at = slot * mmsghdr.size + msghdr.msg_control;
    this.#headers.setAddress(at, this.#controls, slot * this.#controlSize);
  }
}

function roundUpToPowerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}
