/**
 * Socket addresses: `struct sockaddr_in` and `struct sockaddr_in6` (layouts in abi/).
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";
import { formatIPv4, formatIPv6, parseIp } from "./inet.ts";
import { interfaceIndex, interfaceName } from "./interfaces.ts";
import type { Libc } from "./libc.ts";
import type { Memory } from "./memory.ts";

/** The protocol versions, as a socket's `type` tells them. */
export type IpVersion = 4 | 6;

/** A socket address in JavaScript. */
export interface SocketAddress {
  address: string;
  family: "IPv4" | "IPv6";
  port: number;
}

/** A socket address as the kernel takes it. */
export type EncodedAddress = Uint8Array<ArrayBuffer>;

/** Room for any socket address. */
export function maxAddressSize(abi: Abi): number {
  return abi.layouts.sockaddr_storage.size;
}

/** The number of the family: AF_INET or AF_INET6. */
export function familyNumber(abi: Abi, version: IpVersion): number {
  return version === 4 ? abi.constants.AF_INET : abi.constants.AF_INET6;
}

/**
 * Encodes an address for a socket of the given version.
 *
 * @returns The bytes, or undefined where the text is not an address of that version. A zone that names no interface is
 * encoded as 0, as libuv does; the kernel refuses it where a zone is needed.
 */
export function encodeAddress(
  libc: Libc,
  version: IpVersion,
  address: string,
  port: number,
): EncodedAddress | undefined {
  const ip = parseIp(address);
  if (ip?.version !== version) return undefined;
  const { layouts } = libc.abi;
  if (version === 4) {
    const { size, sin_port, sin_addr } = layouts.sockaddr_in;
    const bytes = newSockaddr(libc.abi, familyNumber(libc.abi, version), size);
    writePort(bytes, sin_port, port);
    bytes.set(ip.bytes, sin_addr);
    return bytes;
  }
  const { size, sin6_port, sin6_addr, sin6_scope_id } = layouts.sockaddr_in6;
  const bytes = newSockaddr(libc.abi, familyNumber(libc.abi, version), size);
  writePort(bytes, sin6_port, port);
  bytes.set(ip.bytes, sin6_addr);
  const scope = ip.zone ? Math.max(interfaceIndex(libc, ip.zone), 0) : 0;
  if (scope > 0) new DataView(bytes.buffer).setUint32(sin6_scope_id, scope, true);
  return bytes;
}

/** The address with which `connect` dissolves an association: AF_UNSPEC. */
export function encodeUnspecified(abi: Abi): EncodedAddress {
  return newSockaddr(abi, abi.constants.AF_UNSPEC, abi.layouts.sockaddr_in.size);
}

/** Decodes the address at `offset`; undefined where its family is neither of IP's. */
export function decodeAddress(libc: Libc, memory: Memory, offset: number): SocketAddress | undefined {
  const { constants, layouts } = libc.abi;
  const { bytes, view } = memory;
  switch (readFamily(libc.abi, view, offset)) {
    case constants.AF_INET: {
      const { sin_port, sin_addr } = layouts.sockaddr_in;
      return {
        address: formatIPv4(bytes, offset + sin_addr),
        family: "IPv4",
        port: view.getUint16(offset + sin_port),
      };
    }
    case constants.AF_INET6: {
      const { sin6_port, sin6_addr, sin6_scope_id } = layouts.sockaddr_in6;
      const scope = view.getUint32(offset + sin6_scope_id, true);
      const text = formatIPv6(bytes, offset + sin6_addr);
      // fe80::/10
      const linkLocal = bytes[offset + sin6_addr] === 0xfe && (bytes[offset + sin6_addr + 1] & 0xc0) === 0x80;
      return {
        address: linkLocal && scope > 0 ? `${text}%${interfaceName(libc, scope)}` : text,
        family: "IPv6",
        port: view.getUint16(offset + sin6_port),
      };
    }
  }
  return undefined;
}

/** Views on one buffer cost much for so few bytes, so these are written singly. */
function newSockaddr(abi: Abi, family: number, size: number): EncodedAddress {
  const bytes = new Uint8Array(size);
  const { sa_len, sa_family } = abi.layouts.sockaddr;
  if (sa_len >= 0) bytes[sa_len] = size;
  // One byte, or the lower of two: no family's number is larger.
  bytes[sa_family] = family;
  return bytes;
}

function writePort(bytes: Uint8Array, offset: number, port: number): void {
  bytes[offset] = port >> 8;
  bytes[offset + 1] = port;
}

function readFamily(abi: Abi, view: DataView, offset: number): number {
  const { sa_family, sizeof_sa_family } = abi.layouts.sockaddr;
  return sizeof_sa_family === 1 ? view.getUint8(offset + sa_family) : view.getUint16(offset + sa_family, true);
}
