/**
 * The receive buffer of a socket, which holds datagrams and the messages of the error queue. If it is full, the kernel counts the
 * datagrams that it drops, but not the messages of the error queue.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";

/** How many bytes of the array of `uint32_t` (SO_MEMINFO) are read. */
export const MEMINFO_SIZE = 36;

/** A small packet takes less memory than this in the kernel. */
const SMALL_PACKET = 4608;

/** Watches one socket's buffer. */
export class ReceiveBuffer {
  /** The number of datagrams dropped before. */
  #drops = 0;

  /**
   * Whether a small packet may have found no room since the last call: there is no room now, or datagrams were dropped since.
   *
   * @param memory The socket's SO_MEMINFO.
   * @param countsDrops Whether datagrams are dropped only if there is no room.
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
