/**
 * The receive buffer of a socket, in which datagrams wait and what is on the error queue, too. Of a datagram that finds no room the
 * kernel counts that it is lost; of a message for the error queue it does not.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";

/** Bytes of the array of `uint32_t` (SO_MEMINFO) that are read. */
export const MEMINFO_SIZE = 36;

/** A packet's memory in the kernel is less than that, if there is not much in it. */
const SMALL_PACKET = 4608;

/** Watches one socket's buffer. */
export class ReceiveBuffer {
  /** Datagrams that were dropped before. */
  #drops = 0;

  /**
   * Whether a small packet may have found no room since this was called last: there is none, or datagrams were dropped meanwhile.
   *
   * @param memory The socket's SO_MEMINFO.
   * @param countsDrops Whether datagrams are dropped for want of room only.
   */
  wasFull({ linux }: Abi, memory: Uint8Array, countsDrops: boolean): boolean {
    const { SK_MEMINFO_RMEM_ALLOC, SK_MEMINFO_RCVBUF, SK_MEMINFO_DROPS } = linux!;
    const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    const at = (index: number): number => 4 * index + 4 <= memory.length ? view.getUint32(4 * index, true) : 0;
    const before = this.#drops;
    this.#drops = at(SK_MEMINFO_DROPS);
    return at(SK_MEMINFO_RMEM_ALLOC) + SMALL_PACKET > at(SK_MEMINFO_RCVBUF) || (countsDrops && this.#drops !== before);
  }
}
