/**
 * Multicast memberships: which option with which struct (layouts in abi/) joins or leaves.
 *
 * The addresses say which protocol's option it is, as with libuv: an IPv6 socket that hears IPv4, too, can be a member of IPv4
 * groups. What does not fit the socket, the kernel refuses.
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

/** Where a membership holds: by one of the interface's addresses, or by its index. 0 leaves the choice to the kernel. */
interface Interface {
  readonly address?: Uint8Array;
  readonly index: number;
}

/**
 * Encodes joining or leaving a group (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP and their counterparts).
 *
 * @param interface_ An address of the interface, `%` with its name or number behind an IPv6 address, or its name; or its index.
 * @returns The option, or a negative errno.
 */
export function encodeMembership(
  libc: Libc,
  join: boolean,
  group: string,
  interface_: string | number | undefined,
): EncodedOption | number {
  const { constants, layouts, errno } = libc.abi;
  const ip = parseIp(group);
  if (!ip) return -errno.EINVAL;
  const where = findInterface(libc, ip.version, interface_);
  if (typeof where === "number") return where;
  if (ip.version === 4) {
    if (libc.abi.darwin && where.index > 0) return encodeGroupRequest(libc, join, group, where.index);
    const { size, imr_multiaddr, imr_address, imr_ifindex } = layouts.ip_mreqn;
    const value = new Uint8Array(size);
    value.set(ip.bytes, imr_multiaddr);
    if (where.address) value.set(where.address, imr_address);
    new DataView(value.buffer).setInt32(imr_ifindex, where.index, true);
    const name = join ? constants.IP_ADD_MEMBERSHIP : constants.IP_DROP_MEMBERSHIP;
    return { level: constants.IPPROTO_IP, name, value };
  }
  const { size, ipv6mr_multiaddr, ipv6mr_interface } = layouts.ipv6_mreq;
  const value = new Uint8Array(size);
  value.set(ip.bytes, ipv6mr_multiaddr);
  const index = where.index || Math.max(ip.zone ? interfaceIndex(libc, ip.zone) : 0, 0);
  new DataView(value.buffer).setUint32(ipv6mr_interface, index, true);
  const name = join ? constants.IPV6_JOIN_GROUP : constants.IPV6_LEAVE_GROUP;
  return { level: constants.IPPROTO_IPV6, name, value };
}

/** MCAST_JOIN_GROUP and its counterpart (RFC 3678): macOS reads no index with IP_ADD_MEMBERSHIP. */
function encodeGroupRequest(libc: Libc, join: boolean, group: string, index: number): EncodedOption {
  const { size, gr_interface, gr_group } = libc.abi.layouts.group_req;
  const value = new Uint8Array(size);
  new DataView(value.buffer).setUint32(gr_interface, index, true);
  value.set(encodeAddress(libc, 4, group, 0)!, gr_group);
  const { name } = optionOf(libc.abi, join ? "MCAST_JOIN_GROUP" : "MCAST_LEAVE_GROUP")!;
  return { level: libc.abi.constants.IPPROTO_IP, name, value };
}

/** What can be done about one source of a group: the option with an ip_mreq_source, and that with a group_source_req. */
const SOURCE_OPTIONS = {
  join: ["IP_ADD_SOURCE_MEMBERSHIP", "MCAST_JOIN_SOURCE_GROUP"],
  leave: ["IP_DROP_SOURCE_MEMBERSHIP", "MCAST_LEAVE_SOURCE_GROUP"],
  block: ["IP_BLOCK_SOURCE", "MCAST_BLOCK_SOURCE"],
  unblock: ["IP_UNBLOCK_SOURCE", "MCAST_UNBLOCK_SOURCE"],
} as const;

/** What can be done with one source of a group. */
export type SourceOperation = keyof typeof SOURCE_OPTIONS;

/**
 * Encodes joining or leaving a source-specific channel (RFC 4607), or blocking a source of a group that was joined as a whole:
 * IP_ADD_SOURCE_MEMBERSHIP where an IPv4 interface is given by address, MCAST_JOIN_SOURCE_GROUP (RFC 3678) otherwise.
 *
 * @returns The option, or a negative errno.
 */
export function encodeSourceMembership(
  libc: Libc,
  operation: SourceOperation,
  source: string,
  group: string,
  interface_: string | undefined,
): EncodedOption | number {
  const { constants, layouts, errno } = libc.abi;
  const numberOf = (name: OptionName): number => optionOf(libc.abi, name)!.name;
  const version = parseIp(group)?.version ?? 4;
  const sourceAddress = encodeAddress(libc, version, source, 0);
  const groupAddress = encodeAddress(libc, version, group, 0);
  if (!sourceAddress || !groupAddress) return -errno.EINVAL;
  const where = findInterface(libc, version, interface_);
  if (typeof where === "number") return where;
  if (version === 4 && where.index === 0) {
    const { sin_addr } = layouts.sockaddr_in;
    const { size, imr_multiaddr, imr_interface, imr_sourceaddr } = layouts.ip_mreq_source;
    const value = new Uint8Array(size);
    value.set(groupAddress.subarray(sin_addr, sin_addr + 4), imr_multiaddr);
    value.set(sourceAddress.subarray(sin_addr, sin_addr + 4), imr_sourceaddr);
    if (where.address) value.set(where.address, imr_interface);
    return { level: constants.IPPROTO_IP, name: numberOf(SOURCE_OPTIONS[operation][0]), value };
  }
  const { size, gsr_interface, gsr_group, gsr_source } = layouts.group_source_req;
  const value = new Uint8Array(size);
  new DataView(value.buffer).setUint32(gsr_interface, where.index, true);
  value.set(groupAddress, gsr_group);
  value.set(sourceAddress, gsr_source);
  return {
    level: version === 4 ? constants.IPPROTO_IP : constants.IPPROTO_IPV6,
    name: numberOf(SOURCE_OPTIONS[operation][1]),
    value,
  };
}

/**
 * Encodes the interface that multicast leaves by (IP_MULTICAST_IF with an ip_mreqn, IPV6_MULTICAST_IF with an index). Of an ip_mreqn
 * macOS reads the index only: there an address is given as in_addr.
 *
 * @param socketVersion Says it where the interface is given by name.
 * @returns The option, or a negative errno.
 */
export function encodeMulticastInterface(
  libc: Libc,
  socketVersion: IpVersion,
  interface_: string,
): EncodedOption | number {
  const { constants, layouts } = libc.abi;
  const version = parseIp(interface_)?.version ?? socketVersion;
  const where = findInterface(libc, version, interface_);
  if (typeof where === "number") return where;
  if (version === 4) {
    const name = constants.IP_MULTICAST_IF;
    if (libc.abi.darwin && where.address) return { level: constants.IPPROTO_IP, name, value: where.address.slice() };
    const { size, imr_address, imr_ifindex } = layouts.ip_mreqn;
    const value = new Uint8Array(size);
    if (where.address) value.set(where.address, imr_address);
    new DataView(value.buffer).setInt32(imr_ifindex, where.index, true);
    return { level: constants.IPPROTO_IP, name, value };
  }
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, where.index, true);
  return { level: constants.IPPROTO_IPV6, name: constants.IPV6_MULTICAST_IF, value };
}

/** An address without a zone says nothing of an IPv6 interface: the kernel chooses, as with libuv. */
function findInterface(libc: Libc, version: IpVersion, interface_: string | number | undefined): Interface | number {
  if (interface_ === undefined) return { index: 0 };
  if (typeof interface_ === "number") return { index: interface_ };
  const ip = parseIp(interface_);
  if (ip) {
    if (ip.version !== version) return -libc.abi.errno.EINVAL;
    if (version === 4) return { address: ip.bytes, index: 0 };
    return { index: ip.zone ? Math.max(interfaceIndex(libc, ip.zone), 0) : 0 };
  }
  // Text that is no address is the name of an interface; if there is none, it is a bad address, as in Node.
  const index = interfaceNamed(libc, interface_);
  return index < 0 ? -libc.abi.errno.EINVAL : { index };
}
