/**
 * `struct pollfd` for waiting until one descriptor is readable.
 *
 * @module
 */
import type { Libc } from "../libc/libc.ts";
import type { Memory, Pointer } from "../libc/memory.ts";

/** A pollfd that waits for POLLIN of `fd`, in new memory or in the given memory. */
export function readablePollfd(libc: Libc, fd: number, memory: Memory = libc.allocate(pollfdSize(libc))): Pointer {
  const { pollfd } = libc.abi.layouts;
  memory.view.setInt32(pollfd.fd, fd, true);
  memory.view.setInt16(pollfd.events, libc.abi.constants.POLLIN, true);
  return libc.pointer(memory);
}

/** Its size in bytes. */
export function pollfdSize(libc: Libc): number {
  return libc.abi.layouts.pollfd.size;
}
