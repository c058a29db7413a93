/**
 * The receive buffer of a socket, which holds datagrams and the messages of the error queue. If it is full, the kernel counts the
 * datagrams that it drops, but not the messages of the error queue.
 *
 * @module
 */
import type { MemoryInfo } from "../../ffi/wire/memory_info.ts";

/** A small packet takes less memory than this in the kernel. */
const SMALL_PACKET = 4608;

/** Watches one socket's buffer. */
export class ReceiveBuffer {
  /** The number of datagrams dropped before. */
  #drops = 0;

  /**
   * Whether a small packet may have found no room since the last call: there is no room now, or datagrams were dropped since.
   *
   * @param memory The socket's memory (SO_MEMINFO).
   * @param countsDrops Whether datagrams are dropped only if there is no room.
   */
  wasFull({ receiveAllocated, receiveBuffer, drops }: MemoryInfo, countsDrops: boolean): boolean {
    const before = this.#drops;
    this.#drops = drops;
    return receiveAllocated + SMALL_PACKET > receiveBuffer || (countsDrops && drops !== before);
  }
}
