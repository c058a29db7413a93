/**
 * Where datagrams arrive: one arena for all sockets of a thread, used by one of them at a time.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type Libc, uninterrupted } from "../ffi/libc.ts";
import { MessageVector } from "../ffi/message_vector.ts";
import type { RemoteInfo } from "./types.ts";

/** Datagrams taken in one system call. */
const SLOTS = 64;
/** More than the largest datagram (65,507 bytes over IPv4, 65,527 over IPv6). */
const SLOT_SIZE = 65_536;

/** A datagram, out of the arena. */
export interface Datagram {
  readonly message: Buffer<ArrayBuffer>;
  readonly info: RemoteInfo;
}

/** The arena. */
export class Inbox {
  readonly #libc: Libc;
  #vector: MessageVector | undefined;
  #bytes: Buffer<ArrayBuffer> | undefined;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /**
   * Takes what waits on a descriptor, as much as one call gives.
   *
   * @param into Gets the datagrams appended, each with memory of its own.
   * @returns How many, or a negative errno.
   */
  receive(fd: number, into: Datagram[]): number {
    const libc = this.#libc;
    const vector = this.#vector ??= new MessageVector(libc, SLOTS, SLOTS * SLOT_SIZE);
    for (let slot = 0; slot < SLOTS; slot++) vector.setIncoming(slot, slot * SLOT_SIZE, SLOT_SIZE);
    const count = uninterrupted(libc.abi, () => libc.recvmmsg(fd, vector.at(0), SLOTS, 0));
    for (let slot = 0; slot < count; slot++) into.push(this.#take(vector, slot));
    return count;
  }

  #take(vector: MessageVector, slot: number): Datagram {
    const arena = this.#bytes ??= Buffer.from(vector.data.buffer);
    const size = vector.lengthAt(slot);
    const message = Buffer.allocUnsafe(size) as Buffer<ArrayBuffer>;
    arena.copy(message, 0, slot * SLOT_SIZE, slot * SLOT_SIZE + size);
    const { address, family, port } = vector.addressAt(slot) ?? { address: "", family: "IPv4", port: 0 };
    return { message, info: { address, family, port, size } };
  }
}
