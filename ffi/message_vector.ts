/**
 * An array of `struct mmsghdr` for sendmmsg and recvmmsg (layouts in abi/): every message with an iovec and an address of
 * its own, all with their data in one block. It holds everything that the kernel finds through it.
 *
 * @module
 */
import type { Layouts } from "./abi/abi.ts";
import type { Libc } from "./libc.ts";
import type { Memory, Pointer } from "./memory.ts";
import { decodeAddress, type EncodedAddress, maxAddressSize, type SocketAddress } from "./sockaddr.ts";

/** Message headers for batches of up to `slots` messages. */
export class MessageVector {
  /** How many messages it takes. */
  readonly slots: number;
  /** The payloads' memory. */
  readonly data: Memory;
  readonly #libc: Libc;
  readonly #layouts: Layouts;
  readonly #headers: Memory;
  readonly #iovecs: Memory;
  readonly #names: Memory;
  readonly #nameSize: number;
  readonly #pointers: Pointer[] = [];
  /** The data's address in two halves, to spare a bigint per message. */
  readonly #dataAddress: number;

  /** Allocates a vector, and `dataSize` bytes for payloads. Pages not yet touched cost nothing. */
  constructor(libc: Libc, slots: number, dataSize: number) {
    this.#libc = libc;
    this.#layouts = libc.abi.layouts;
    this.slots = slots;
    this.data = libc.allocate(dataSize);
    this.#dataAddress = Number(this.data.address);
    this.#nameSize = maxAddressSize(libc.abi);
    this.#headers = libc.allocate(slots * this.#layouts.mmsghdr.size);
    this.#iovecs = libc.allocate(slots * this.#layouts.iovec.size);
    this.#names = libc.allocate(slots * this.#nameSize);
    for (let slot = 0; slot < slots; slot++) this.#connect(slot);
  }

  /** An argument that points to the header of a slot. */
  at(slot: number): Pointer {
    return this.#pointers[slot] ??= this.#libc.pointer(this.#headers, slot * this.#layouts.mmsghdr.size);
  }

  /**
   * Fills a slot for sending.
   *
   * @param offset Where in {@linkcode data} the payload starts.
   * @param address The destination, or undefined on a connected socket.
   */
  setOutgoing(slot: number, offset: number, length: number, address: EncodedAddress | undefined): void {
    this.#setPayload(slot, offset, length);
    if (address) this.#names.bytes.set(address, slot * this.#nameSize);
    const { view } = this.#headers;
    const { mmsghdr, msghdr } = this.#layouts;
    const header = slot * mmsghdr.size;
    // With a length of 0 Linux does not look at the name, and a connected socket must not be given one.
    view.setUint32(header + msghdr.msg_namelen, address ? address.length : 0, true);
    view.setUint32(header + msghdr.msg_flags, 0, true);
  }

  /** Empties a slot for receiving: all fields that the kernel changed are set anew. */
  setIncoming(slot: number, offset: number, length: number): void {
    this.#setPayload(slot, offset, length);
    const { view } = this.#headers;
    const { mmsghdr, msghdr } = this.#layouts;
    const header = slot * mmsghdr.size;
    view.setUint32(header + msghdr.msg_namelen, this.#nameSize, true);
    view.setUint32(header + msghdr.msg_controllen, 0, true);
    view.setUint32(header + msghdr.msg_flags, 0, true);
    view.setUint32(header + mmsghdr.msg_len, 0, true);
  }

  /** How many bytes were received or sent in a slot. */
  lengthAt(slot: number): number {
    const { mmsghdr } = this.#layouts;
    return this.#headers.view.getUint32(slot * mmsghdr.size + mmsghdr.msg_len, true);
  }

  /** The sender of the message in a slot; undefined where the kernel named none. */
  addressAt(slot: number): SocketAddress | undefined {
    const { mmsghdr, msghdr } = this.#layouts;
    const length = this.#headers.view.getUint32(slot * mmsghdr.size + msghdr.msg_namelen, true);
    return length === 0 ? undefined : decodeAddress(this.#libc, this.#names, slot * this.#nameSize);
  }

  #setPayload(slot: number, offset: number, length: number): void {
    if (offset < 0 || length < 0 || offset + length > this.data.size) {
      throw new RangeError(`A payload of ${length} bytes does not fit at ${offset} of ${this.data.size}`);
    }
    const { iovec } = this.#layouts;
    const { view } = this.#iovecs;
    const at = slot * iovec.size;
    const address = this.#dataAddress + offset;
    view.setUint32(at + iovec.iov_base, address % 2 ** 32, true);
    view.setUint32(at + iovec.iov_base + 4, Math.floor(address / 2 ** 32), true);
    view.setUint32(at + iovec.iov_len, length, true);
  }

  /** The fields that stay the same for good. */
  #connect(slot: number): void {
    const { mmsghdr, msghdr, iovec } = this.#layouts;
    const header = slot * mmsghdr.size;
    this.#headers.setAddress(header + msghdr.msg_name, this.#names, slot * this.#nameSize);
    this.#headers.setAddress(header + msghdr.msg_iov, this.#iovecs, slot * iovec.size);
    this.#headers.view.setUint32(header + msghdr.msg_iovlen, 1, true);
  }
}
