/**
 * `struct pollfd` for waiting until one descriptor is readable.
 *
 * @module
 */
import type { Libc } from "../libc.ts";
import type { Pointer } from "../memory.ts";

/** A pollfd that asks for POLLIN on `fd`. */
export function readablePollfd(libc: Libc, fd: number): Pointer {
  const { pollfd } = libc.abi.layouts;
  const memory = libc.allocate(pollfd.size);
  memory.view.setInt32(pollfd.fd, fd, true);
  memory.view.setInt16(pollfd.events, libc.abi.constants.POLLIN, true);
  return libc.pointer(memory);
}
