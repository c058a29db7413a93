/**
 * The memory of a socket's buffers in the kernel.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";

/**
 * The memory of a socket in the kernel, in bytes (SO_MEMINFO; `SK_MEMINFO_*` of `<linux/sock_diag.h>`).
 *
 * @example
 * ```ts
 * import type { MemoryInfo } from "@dgram/ffi";
 *
 * socket.bindSync();
 * const { receiveAllocated, receiveBuffer }: MemoryInfo = socket.getMemoryInfo();
 * console.log(`${Math.round((100 * receiveAllocated) / receiveBuffer)} % full`); // 0 % full
 * ```
 */
export interface MemoryInfo {
  /** Used by datagrams that wait to be received, with the kernel's overhead (RMEM_ALLOC). */
  receiveAllocated: number;
  /** The limit of the receive buffer (RCVBUF). */
  receiveBuffer: number;
  /** Used by datagrams that wait to be sent by the device, with the kernel's overhead (WMEM_ALLOC). */
  sendAllocated: number;
  /** The limit of the send buffer (SNDBUF). */
  sendBuffer: number;
  /** Memory that is allocated in advance (FWD_ALLOC). */
  forwardAllocated: number;
  /** Used by what waits in the socket's own send queue (WMEM_QUEUED). */
  sendQueued: number;
  /** Used by options and filters (OPTMEM). */
  optionMemory: number;
  /** Used by what arrived while the socket was locked, and is not in a queue yet (BACKLOG). */
  backlog: number;
  /** The number of datagrams dropped so far; not in bytes (DROPS). */
  drops: number;
}

/** Room for all of it and for what later kernels add, in bytes. */
export const MEMORY_INFO_SIZE = 64;

/** Decodes the array of `uint32_t`. What an older kernel does not have is 0. */
export function decodeMemoryInfo({ linux }: Abi, bytes: Uint8Array): MemoryInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (index: number): number => 4 * index + 4 <= bytes.length ? view.getUint32(4 * index, true) : 0;
  return {
    receiveAllocated: at(linux!.SK_MEMINFO_RMEM_ALLOC),
    receiveBuffer: at(linux!.SK_MEMINFO_RCVBUF),
    sendAllocated: at(linux!.SK_MEMINFO_WMEM_ALLOC),
    sendBuffer: at(linux!.SK_MEMINFO_SNDBUF),
    forwardAllocated: at(linux!.SK_MEMINFO_FWD_ALLOC),
    sendQueued: at(linux!.SK_MEMINFO_WMEM_QUEUED),
    optionMemory: at(linux!.SK_MEMINFO_OPTMEM),
    backlog: at(linux!.SK_MEMINFO_BACKLOG),
    drops: at(linux!.SK_MEMINFO_DROPS),
  };
}
