/**
 * Multicast memberships: which option with which struct (layouts in abi/) joins or leaves.
 *
 * The addresses determine the protocol of the option, as in libuv: a dual-stack IPv6 socket can be a member of IPv4 groups. The
 * kernel refuses what does not fit the socket.
 *
 * @module
 */
import type { Libc } from "../libc/libc.ts";
import { type IpVersion, parseIp } from "./inet.ts";
import { interfaceIndex, interfaceNamed } from "./interfaces.ts";
import { encodeAddress } from "./sockaddr.ts";
import { type OptionName, optionOf } from "./sockopt.ts";

/** A socket option with its encoded value, ready for setsockopt. */
export interface EncodedOption {
  readonly level: number;
  readonly name: number;
  readonly value: Uint8Array<ArrayBuffer>;
}

/** The interface of a membership, by one of its addresses or by its index. With 0 the kernel chooses. */
interface Interface {
  readonly address?: Uint8Array;
  readonly index: number;
}

/**
 * Encodes joining or leaving a group (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP and their counterparts).
 *
 * @param iface An address of the interface, an IPv6 address followed by `%` and its name or number, or its name; or its index.
 * @returns The option, or a negative errno.
 */
export function encodeMembership(
  libc: Libc,
  operation: "join" | "leave",
  group: string,
  iface: string | number | undefined,
): EncodedOption | number {
  const { levels, options, layouts, errno } = libc.abi;
  const ip = parseIp(group);
  if (!ip) return -errno.EINVAL;
  const where = findInterface(libc, ip.version, iface);
  if (typeof where === "number") return where;
  if (ip.version === 4) {
    if (libc.abi.darwin && where.index > 0) return encodeGroupRequest(libc, operation, group, where.index);
    const { size, imr_multiaddr, imr_address, imr_ifindex } = layouts.ip_mreqn;
    const value = new Uint8Array(size);
    value.set(ip.bytes, imr_multiaddr);
    if (where.address) value.set(where.address, imr_address);
    new DataView(value.buffer).setInt32(imr_ifindex, where.index, true);
    const name = operation === "join" ? options.IP_ADD_MEMBERSHIP : options.IP_DROP_MEMBERSHIP;
    return { level: levels.IPPROTO_IP, name, value };
  }
  const { size, ipv6mr_multiaddr, ipv6mr_interface } = layouts.ipv6_mreq;
  const value = new Uint8Array(size);
  value.set(ip.bytes, ipv6mr_multiaddr);
  const index = where.index || Math.max(ip.zone ? interfaceIndex(libc, ip.zone) : 0, 0);
  new DataView(value.buffer).setUint32(ipv6mr_interface, index, true);
  const name = operation === "join" ? options.IPV6_JOIN_GROUP : options.IPV6_LEAVE_GROUP;
  return { level: levels.IPPROTO_IPV6, name, value };
}

/** MCAST_JOIN_GROUP and its counterpart (RFC 3678), as macOS reads no index with IP_ADD_MEMBERSHIP. */
function encodeGroupRequest(libc: Libc, operation: "join" | "leave", group: string, index: number): EncodedOption {
  const { size, gr_interface, gr_group } = libc.abi.layouts.group_req;
  const value = new Uint8Array(size);
  new DataView(value.buffer).setUint32(gr_interface, index, true);
  value.set(encodeAddress(libc, 4, group, 0)!, gr_group);
  const { name } = optionOf(libc.abi, operation === "join" ? "MCAST_JOIN_GROUP" : "MCAST_LEAVE_GROUP")!;
  return { level: libc.abi.levels.IPPROTO_IP, name, value };
}

/** For each operation the option with an ip_mreq_source, and that with a group_source_req. */
const SOURCE_OPTIONS = {
  join: ["IP_ADD_SOURCE_MEMBERSHIP", "MCAST_JOIN_SOURCE_GROUP"],
  leave: ["IP_DROP_SOURCE_MEMBERSHIP", "MCAST_LEAVE_SOURCE_GROUP"],
  block: ["IP_BLOCK_SOURCE", "MCAST_BLOCK_SOURCE"],
  unblock: ["IP_UNBLOCK_SOURCE", "MCAST_UNBLOCK_SOURCE"],
} as const;

/** An operation on one source of a group. */
export type SourceOperation = keyof typeof SOURCE_OPTIONS;

/**
 * Encodes joining or leaving a source-specific channel (RFC 4607), or blocking a source of a group that was joined as a whole:
 * IP_ADD_SOURCE_MEMBERSHIP if an IPv4 interface is given by address, MCAST_JOIN_SOURCE_GROUP (RFC 3678) otherwise.
 *
 * @returns The option, or a negative errno.
 */
export function encodeSourceMembership(
  libc: Libc,
  operation: SourceOperation,
  source: string,
  group: string,
  iface: string | undefined,
): EncodedOption | number {
  const { levels, layouts, errno } = libc.abi;
  const numberOf = (name: OptionName): number => optionOf(libc.abi, name)!.name;
  const version = parseIp(group)?.version ?? 4;
  const sourceAddress = encodeAddress(libc, version, source, 0);
  const groupAddress = encodeAddress(libc, version, group, 0);
  if (!sourceAddress || !groupAddress) return -errno.EINVAL;
  const where = findInterface(libc, version, iface);
  if (typeof where === "number") return where;
  if (version === 4 && where.index === 0) {
    const { sin_addr } = layouts.sockaddr_in;
    const { size, imr_multiaddr, imr_interface, imr_sourceaddr } = layouts.ip_mreq_source;
    const value = new Uint8Array(size);
    value.set(groupAddress.subarray(sin_addr, sin_addr + 4), imr_multiaddr);
    value.set(sourceAddress.subarray(sin_addr, sin_addr + 4), imr_sourceaddr);
    if (where.address) value.set(where.address, imr_interface);
    return { level: levels.IPPROTO_IP, name: numberOf(SOURCE_OPTIONS[operation][0]), value };
  }
  const { size, gsr_interface, gsr_group, gsr_source } = layouts.group_source_req;
  const value = new Uint8Array(size);
  new DataView(value.buffer).setUint32(gsr_interface, where.index, true);
  value.set(groupAddress, gsr_group);
  value.set(sourceAddress, gsr_source);
  return {
    level: version === 4 ? levels.IPPROTO_IP : levels.IPPROTO_IPV6,
    name: numberOf(SOURCE_OPTIONS[operation][1]),
    value,
  };
}

/**
 * Encodes the outgoing interface of multicast (IP_MULTICAST_IF with an ip_mreqn, IPV6_MULTICAST_IF with an index). macOS reads only
 * the index of an ip_mreqn, so there an address is given as in_addr.
 *
 * @param socketVersion The protocol if the interface is given by name.
 * @returns The option, or a negative errno.
 */
export function encodeMulticastInterface(
  libc: Libc,
  socketVersion: IpVersion,
  iface: string,
): EncodedOption | number {
  const { levels, options, layouts } = libc.abi;
  const version = parseIp(iface)?.version ?? socketVersion;
  const where = findInterface(libc, version, iface);
  if (typeof where === "number") return where;
  if (version === 4) {
    const name = options.IP_MULTICAST_IF;
    if (libc.abi.darwin && where.address) return { level: levels.IPPROTO_IP, name, value: where.address.slice() };
    const { size, imr_address, imr_ifindex } = layouts.ip_mreqn;
    const value = new Uint8Array(size);
    if (where.address) value.set(where.address, imr_address);
    new DataView(value.buffer).setInt32(imr_ifindex, where.index, true);
    return { level: levels.IPPROTO_IP, name, value };
  }
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, where.index, true);
  return { level: levels.IPPROTO_IPV6, name: options.IPV6_MULTICAST_IF, value };
}

/** An IPv6 address without a zone does not identify an interface: the kernel chooses, as in libuv. */
function findInterface(libc: Libc, version: IpVersion, iface: string | number | undefined): Interface | number {
  if (iface === undefined) return { index: 0 };
  if (typeof iface === "number") return { index: iface };
  const ip = parseIp(iface);
  if (ip) {
    if (ip.version !== version) return -libc.abi.errno.EINVAL;
    if (version === 4) return { address: ip.bytes, index: 0 };
    return { index: ip.zone ? Math.max(interfaceIndex(libc, ip.zone), 0) : 0 };
  }
  // Other text is the name of an interface. If there is no such interface, it is an invalid address, as in Node.
  const index = interfaceNamed(libc, iface);
  return index < 0 ? -libc.abi.errno.EINVAL : { index };
}
