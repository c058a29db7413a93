/**
 * One datagram at a time by sendmsg(2) and recvmsg(2): for tests that stay clear of this module's batches.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import type { Memory, Pointer } from "../../ffi/libc/memory.ts";

/** What a message's header points to: it stays reachable as long as the header. */
const blocksOf = new WeakMap<Memory, readonly Memory[]>();

/** Where a pointer points to in its memory. */
const offsetOf = ({ memory, room }: Pointer): number => memory.size - room;

/** A `struct msghdr` with one iovec, and perhaps an address. */
function messageOf(libc: Libc, payload: Pointer, length: number, name?: Pointer, nameLength = 0): Pointer {
  const { msghdr, iovec } = libc.abi.layouts;
  const [header, vector] = [libc.allocate(msghdr.size), libc.allocate(iovec.size)];
  vector.setAddress(iovec.iov_base, payload.memory, offsetOf(payload));
  vector.view.setBigUint64(iovec.iov_len, BigInt(length), true);
  header.setAddress(msghdr.msg_iov, vector);
  header.view.setUint32(msghdr.msg_iovlen, 1, true);
  if (name) header.setAddress(msghdr.msg_name, name.memory, offsetOf(name));
  header.view.setUint32(msghdr.msg_namelen, nameLength, true);
  blocksOf.set(header, [vector, payload.memory, ...(name ? [name.memory] : [])]);
  return libc.pointer(header);
}

/** Sends a datagram to an address, or to the peer. Returns its length, or a negative errno. */
export function sendOne(
  libc: Libc,
  fd: number,
  payload: Pointer,
  length: number,
  to?: { readonly address: Pointer; readonly length: number },
): number {
  return libc.sendmsg(fd, messageOf(libc, payload, length, to?.address, to?.length), 0);
}

/** Receives a datagram, and perhaps its sender's address. Returns its length, or a negative errno. */
export function receiveOne(libc: Libc, fd: number, room: Pointer, length: number, from?: Pointer): number {
  return libc.recvmsg(fd, messageOf(libc, room, length, from, from?.room), 0);
}
