/**
 * The beginning of all socket addresses: the family; on BSD systems a byte with the length before it (layouts in abi/).
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";

/** A socket address as the kernel takes it. */
export type EncodedAddress = Uint8Array<ArrayBuffer>;

/** An address of `size` bytes: its family, followed by zeros. The bytes are written one by one, as a DataView costs more. */
export function newSockaddr(abi: Abi, family: number, size: number): EncodedAddress {
  const bytes = new Uint8Array(size);
  const { sa_len, sa_family } = abi.layouts.sockaddr;
  if (sa_len >= 0) bytes[sa_len] = size;
  // One byte, or the lower of two: no family's number is larger.
  bytes[sa_family] = family;
  return bytes;
}

/** The family's number. */
export function readFamily(abi: Abi, view: DataView, offset: number): number {
  const { sa_family, sizeof_sa_family } = abi.layouts.sockaddr;
  return sizeof_sa_family === 1 ? view.getUint8(offset + sa_family) : view.getUint16(offset + sa_family, true);
}
