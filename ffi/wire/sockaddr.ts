/**
 * Socket addresses: `struct sockaddr_in` and `struct sockaddr_in6` (layouts in abi/), and those of Unix sockets (sockaddr_un.ts).
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Libc } from "../libc/libc.ts";
import type { Memory } from "../libc/memory.ts";
import { formatIPv4, formatIPv6, type IpVersion, parseIp, readIPv4 } from "./inet.ts";
import { interfaceIndex, interfaceName } from "./interfaces.ts";
import { type EncodedAddress, newSockaddr, readFamily } from "./sockaddr_header.ts";
import { decodePath, encodePath } from "./sockaddr_un.ts";

export type { EncodedAddress };

/** The address families of datagram sockets. */
export type AddressFamily = IpVersion | "unix";

/** A socket address in JavaScript. */
export interface SocketAddress {
  /** An IP address, or the path of a Unix socket. */
  address: string;
  family: "IPv4" | "IPv6" | "unix";
  /** 0 for a Unix socket. */
  port: number;
}

/** Room for any socket address. */
export function maxAddressSize(abi: Abi): number {
  return abi.layouts.sockaddr_storage.size;
}

/** The number of the family: AF_INET, AF_INET6 or AF_UNIX. */
export function familyNumber(abi: Abi, family: AddressFamily): number {
  const { AF_INET, AF_INET6, AF_UNIX } = abi.constants;
  return family === 4 ? AF_INET : family === 6 ? AF_INET6 : AF_UNIX;
}

/**
 * Encodes an address for a socket of the given family.
 *
 * @param port Ignored for a Unix socket.
 * @returns The bytes, or undefined if the text is not an address of that family. A zone that names no interface is encoded as 0,
 * as in libuv; the kernel refuses that if a zone is needed.
 */
export function encodeAddress(
  libc: Libc,
  version: AddressFamily,
  address: string,
  port: number,
): EncodedAddress | undefined {
  if (version === "unix") return encodePath(libc.abi, address);
  const { layouts } = libc.abi;
  if (version === 4) {
    const number = readIPv4(address);
    if (number < 0) return undefined;
    const { size, sin_port, sin_addr } = layouts.sockaddr_in;
    const bytes = newSockaddr(libc.abi, familyNumber(libc.abi, version), size);
    writePort(bytes, sin_port, port);
    for (let i = 0; i < 4; i++) bytes[sin_addr + i] = number >>> (24 - 8 * i);
    return bytes;
  }
  const ip = parseIp(address);
  if (ip?.version !== version) return undefined;
  const { size, sin6_port, sin6_addr, sin6_scope_id } = layouts.sockaddr_in6;
  const bytes = newSockaddr(libc.abi, familyNumber(libc.abi, version), size);
  writePort(bytes, sin6_port, port);
  bytes.set(ip.bytes, sin6_addr);
  const scope = ip.zone ? Math.max(interfaceIndex(libc, ip.zone), 0) : 0;
  if (scope > 0) new DataView(bytes.buffer).setUint32(sin6_scope_id, scope, true);
  return bytes;
}

/** The address with which connect(2) disconnects a socket: AF_UNSPEC. */
export function encodeUnspecified(abi: Abi): EncodedAddress {
  return newSockaddr(abi, abi.constants.AF_UNSPEC, abi.layouts.sockaddr_in.size);
}

/**
 * Decodes the address at `offset`; undefined if its family is neither AF_INET, AF_INET6 nor AF_UNIX.
 *
 * @param length Its length in bytes, which determines the end of a Unix socket's path.
 */
export function decodeAddress(
  libc: Libc,
  memory: Memory,
  offset: number,
  length: number = libc.abi.layouts.sockaddr_un.size,
): SocketAddress | undefined {
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
      const linkLocal = bytes[offset + sin6_addr] === 0xfe && (bytes[offset + sin6_addr + 1]! & 0xc0) === 0x80;
      return {
        address: linkLocal && scope > 0 ? `${text}%${interfaceName(libc, scope)}` : text,
        family: "IPv6",
        port: view.getUint16(offset + sin6_port),
      };
    }
    case constants.AF_UNIX:
      return { address: decodePath(libc.abi, bytes, offset, length), family: "unix", port: 0 };
  }
  return undefined;
}

function writePort(bytes: Uint8Array, offset: number, port: number): void {
  bytes[offset] = port >> 8;
  bytes[offset + 1] = port;
}
