/**
 * What the kernel's routing says of an IPv4 destination (rtnetlink(7), RTM_GETROUTE), as it finds a datagram's route.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Libc } from "../libc/libc.ts";
import type { Memory } from "../libc/memory.ts";
import { ControlReader, type EncodedControls } from "./control.ts";

/** All that the route of a datagram depends on. */
export interface RouteKey {
  /** Four bytes. */
  readonly destination: Uint8Array;
  /** Four bytes; undefined: the kernel chooses the source address. */
  readonly source: Uint8Array | undefined;
  /** The outgoing interface; 0: the kernel chooses. */
  readonly interfaceIndex: number;
  /** The type of service; the kernel ignores the bits of ECN. */
  readonly tos: number;
  /** The mark (SO_MARK). */
  readonly mark: number;
}

/** A reply has about 200 bytes. */
const ROOM = 4096;

const rooms = new WeakMap<Libc, Memory>();

/** What the kernel says of a route. */
export interface Route {
  /**
   * Whether its MTU is locked: by `ip route ... mtu lock`, or as a router takes less than the kernel believes
   * (net.ipv4.route.min_pmtu). The kernel does not discover the path MTU then.
   */
  readonly isMTULocked: boolean;
  /** The outgoing interface. */
  readonly interfaceIndex: number;
}

/** Asks for a route. @returns A negative errno if the kernel does not tell. */
export function routeOf(libc: Libc, key: RouteKey): Route | number {
  const { abi } = libc;
  const { AF_NETLINK, NETLINK_ROUTE, SOCK_CLOEXEC, SOCK_NONBLOCK } = abi.linux!;
  const fd = libc.socket(AF_NETLINK, abi.constants.SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return fd;
  try {
    const room = roomOf(libc);
    const sent = libc.write(fd, libc.pointer(room), encodeQuestion(abi, room, key));
    // The kernel has answered when the call returns.
    const received = sent < 0 ? sent : libc.read(fd, libc.pointer(room), ROOM);
    return received < 0 ? received : decodeRoute(abi, room.view, received);
  } finally {
    libc.close(fd);
  }
}

/** What a message's own control data says of its route, for {@linkcode RouteKey}. Undefined properties are the socket's. */
export function routeIn(abi: Abi, controls: EncodedControls): Partial<Omit<RouteKey, "destination" | "mark">> {
  const { levels, options, layouts } = abi;
  const { ipi_ifindex, ipi_spec_dst } = layouts.in_pktinfo;
  const found: { -readonly [Name in "source" | "interfaceIndex" | "tos"]?: RouteKey[Name] } = {};
  const reader = new ControlReader(abi);
  const { buffer, byteOffset, byteLength } = controls;
  for (reader.open(new DataView(buffer, byteOffset, byteLength), 0, byteLength); reader.next();) {
    const { level, type, view, at } = reader;
    if (level !== levels.IPPROTO_IP) continue;
    if (type === options.IP_TOS) found.tos = view.getInt32(at, true);
    if (type !== options.IP_PKTINFO) continue;
    const index = view.getInt32(at + ipi_ifindex, true);
    const source = controls.subarray(at + ipi_spec_dst, at + ipi_spec_dst + 4);
    if (index > 0) found.interfaceIndex = index;
    if (source.some((byte) => byte !== 0)) found.source = source;
  }
  return found;
}

function roomOf(libc: Libc): Memory {
  let room = rooms.get(libc);
  if (!room) rooms.set(libc, room = libc.allocate(ROOM));
  return room;
}

/** `struct nlmsghdr`, `struct rtmsg`, and attributes. @returns The length. */
function encodeQuestion(abi: Abi, { bytes, view }: Memory, key: RouteKey): number {
  const { linux } = abi;
  const { nlmsghdr, rtmsg } = linux!;
  const { source, destination, interfaceIndex, mark } = key;
  bytes.fill(0, 0, 128);
  view.setUint16(nlmsghdr.nlmsg_type, linux!.RTM_GETROUTE, true);
  view.setUint16(nlmsghdr.nlmsg_flags, linux!.NLM_F_REQUEST, true);
  const route = nlmsghdr.size;
  bytes[route + rtmsg.rtm_family] = abi.constants.AF_INET;
  bytes[route + rtmsg.rtm_dst_len] = 32;
  bytes[route + rtmsg.rtm_src_len] = source ? 32 : 0;
  bytes[route + rtmsg.rtm_tos] = key.tos & ~3;
  let end = route + rtmsg.size;
  const add = (type: number): number => {
    const { size, rta_len, rta_type } = linux!.rtattr;
    view.setUint16(end + rta_len, size + 4, true);
    view.setUint16(end + rta_type, type, true);
    end += size + 4;
    return end - 4;
  };
  bytes.set(destination, add(linux!.RTA_DST));
  if (source) bytes.set(source, add(linux!.RTA_SRC));
  if (interfaceIndex > 0) view.setInt32(add(linux!.RTA_OIF), interfaceIndex, true);
  if (mark !== 0) view.setUint32(add(linux!.RTA_MARK), mark, true);
  view.setUint32(nlmsghdr.nlmsg_len, end, true);
  return end;
}

/** Reads a reply. Anything but a route is the kernel's refusal: `struct nlmsgerr`, which begins with a negative errno. */
function decodeRoute({ errno, linux }: Abi, view: DataView, length: number): Route | number {
  const { nlmsghdr, rtmsg, RTM_NEWROUTE, RTA_OIF, RTA_METRICS, RTAX_LOCK, RTAX_MTU } = linux!;
  if (length < nlmsghdr.size + 4) return -errno.EPROTO;
  if (view.getUint16(nlmsghdr.nlmsg_type, true) !== RTM_NEWROUTE) {
    return Math.min(view.getInt32(nlmsghdr.size, true), -1);
  }
  const start = nlmsghdr.size + rtmsg.size;
  const metrics = attribute(linux!, view, start, length, RTA_METRICS);
  const lock = metrics && attribute(linux!, view, ...metrics, RTAX_LOCK);
  return {
    isMTULocked: (numberAt(view, lock) & (1 << RTAX_MTU)) !== 0,
    interfaceIndex: numberAt(view, attribute(linux!, view, start, length, RTA_OIF)),
  };
}

/** The int of an attribute; 0 if there is none. */
function numberAt(view: DataView, range: [start: number, end: number] | undefined): number {
  return range !== undefined && range[1] - range[0] >= 4 ? view.getInt32(range[0], true) : 0;
}

/** Where the data of the first attribute of a type is, in a range of them. */
function attribute(
  { rtattr }: NonNullable<Abi["linux"]>,
  view: DataView,
  start: number,
  end: number,
  type: number,
): [start: number, end: number] | undefined {
  for (let at = start; at + rtattr.size <= end;) {
    const length = view.getUint16(at + rtattr.rta_len, true);
    if (length < rtattr.size || at + length > end) return undefined;
    if (view.getUint16(at + rtattr.rta_type, true) === type) return [at + rtattr.size, at + length];
    // Each is padded to four bytes (NLMSG_ALIGN).
    at += (length + 3) & ~3;
  }
  return undefined;
}
