/**
 * The table of socket options of Linux and macOS, and the levels of getsockopt(2). Numbers, errors and documentation are taken from
 * it.
 *
 * @module
 */

/** A socket option. */
export interface SocketOption {
  /** Its number on Linux. Missing if Linux has no option of that name. */
  readonly linux?: number;
  /** Its number on macOS. */
  readonly darwin?: number;
  /** The size of its value on macOS if that is not an int: BSD requires a `u_char` for some. Linux accepts either. */
  readonly darwinSize?: 1;
  /** The first version of Linux that has it, if one is known. */
  readonly since?: string;
  /** The capability that it requires (EPERM, EACCES). */
  readonly privilege?: string;
  /** The use that requires the capability. Missing if any use does. */
  readonly privileged?: string;
  /** Another meaning of EPERM. */
  readonly refusal?: string;
}

/** All options by their header names. The prefix of a name determines its level. */
export const SOCKET_OPTIONS = {
  // <sys/socket.h>, <asm/socket.h>
  SO_DEBUG: { linux: 1, darwin: 0x1, privilege: "CAP_NET_ADMIN" },
  SO_REUSEADDR: { linux: 2, darwin: 0x4 },
  SO_TYPE: { linux: 3, darwin: 0x1008 },
  SO_ERROR: { linux: 4, darwin: 0x1007 },
  SO_DONTROUTE: { linux: 5, darwin: 0x10 },
  SO_BROADCAST: { linux: 6, darwin: 0x20 },
  SO_SNDBUF: { linux: 7, darwin: 0x1001 },
  SO_RCVBUF: { linux: 8, darwin: 0x1002 },
  SO_SNDBUFFORCE: { linux: 32, since: "2.6.14", privilege: "CAP_NET_ADMIN" },
  SO_RCVBUFFORCE: { linux: 33, since: "2.6.14", privilege: "CAP_NET_ADMIN" },
  SO_KEEPALIVE: { linux: 9, darwin: 0x8 },
  SO_OOBINLINE: { linux: 10, darwin: 0x100 },
  SO_NO_CHECK: { linux: 11 },
  SO_PRIORITY: {
    linux: 12,
    privilege: "CAP_NET_ADMIN, or CAP_NET_RAW since Linux 5.17",
    privileged: "a priority above 6",
  },
  SO_LINGER: { linux: 13, darwin: 0x80 },
  SO_BSDCOMPAT: { linux: 14 },
  SO_REUSEPORT: { linux: 15, darwin: 0x200 },
  SO_PASSCRED: { linux: 16 },
  SO_PEERCRED: { linux: 17 },
  SO_RCVLOWAT: { linux: 18, darwin: 0x1004 },
  SO_SNDLOWAT: { linux: 19, darwin: 0x1003 },
  SO_RCVTIMEO: { linux: 20, darwin: 0x1006 },
  SO_SNDTIMEO: { linux: 21, darwin: 0x1005 },
  SO_BINDTODEVICE: { linux: 25, privilege: "CAP_NET_RAW", privileged: "changing an interface that is set" },
  SO_ATTACH_FILTER: { linux: 26, refusal: "the filter is locked (SO_LOCK_FILTER)" },
  SO_GET_FILTER: { linux: 26 },
  SO_DETACH_FILTER: { linux: 27, refusal: "the filter is locked (SO_LOCK_FILTER)" },
  SO_PEERNAME: { linux: 28 },
  SO_ACCEPTCONN: { linux: 30, darwin: 0x2 },
  SO_PEERSEC: { linux: 31 },
  SO_PASSSEC: { linux: 34 },
  SO_MARK: { linux: 36, since: "2.6.25", privilege: "CAP_NET_ADMIN, or CAP_NET_RAW since Linux 5.17" },
  SO_PROTOCOL: { linux: 38 },
  SO_DOMAIN: { linux: 39 },
  SO_RXQ_OVFL: { linux: 40, since: "2.6.33" },
  SO_WIFI_STATUS: { linux: 41 },
  SO_PEEK_OFF: { linux: 42, since: "3.4" },
  SO_NOFCS: { linux: 43 },
  SO_LOCK_FILTER: { linux: 44, since: "3.9", refusal: "a lock cannot be taken away again" },
  SO_SELECT_ERR_QUEUE: { linux: 45 },
  SO_BUSY_POLL: {
    linux: 46,
    since: "3.11",
    privilege: "CAP_NET_ADMIN",
    privileged: "a longer time than the socket has",
  },
  SO_MAX_PACING_RATE: { linux: 47, since: "3.13" },
  SO_BPF_EXTENSIONS: { linux: 48 },
  SO_INCOMING_CPU: { linux: 49, since: "3.19" },
  SO_ATTACH_BPF: { linux: 50 },
  SO_DETACH_BPF: { linux: 27 },
  SO_ATTACH_REUSEPORT_CBPF: { linux: 51, since: "4.5" },
  SO_ATTACH_REUSEPORT_EBPF: { linux: 52, since: "4.5" },
  SO_CNX_ADVICE: { linux: 53 },
  SO_MEMINFO: { linux: 55, since: "4.12" },
  SO_INCOMING_NAPI_ID: { linux: 56 },
  SO_COOKIE: { linux: 57, since: "4.12" },
  SO_PEERGROUPS: { linux: 59 },
  SO_ZEROCOPY: { linux: 60 },
  SO_TXTIME: { linux: 61, since: "4.19", privilege: "CAP_NET_ADMIN" },
  SO_BINDTOIFINDEX: { linux: 62 },
  SO_DETACH_REUSEPORT_BPF: { linux: 68, since: "5.3" },
  SO_PREFER_BUSY_POLL: { linux: 69, since: "5.11", privilege: "CAP_NET_ADMIN" },
  SO_BUSY_POLL_BUDGET: { linux: 70, since: "5.11", privilege: "CAP_NET_ADMIN" },
  SO_NETNS_COOKIE: { linux: 71, since: "5.14" },
  SO_BUF_LOCK: { linux: 72, since: "5.15" },
  SO_RESERVE_MEM: { linux: 73, since: "5.16", privilege: "CAP_NET_ADMIN" },
  SO_TXREHASH: { linux: 74 },
  SO_RCVMARK: { linux: 75, since: "5.19", privilege: "CAP_NET_ADMIN or CAP_NET_RAW" },
  SO_TIMESTAMP: { linux: 29, darwin: 0x400 },
  SO_TIMESTAMPNS: { linux: 35 },
  SO_TIMESTAMPING: { linux: 37 },
  SO_TIMESTAMP_NEW: { linux: 63 },
  SO_TIMESTAMPNS_NEW: { linux: 64 },
  SO_TIMESTAMPING_NEW: { linux: 65 },
  SO_RCVTIMEO_NEW: { linux: 66 },
  SO_SNDTIMEO_NEW: { linux: 67 },
  SO_TIMESTAMP_OLD: { linux: 29 },
  SO_TIMESTAMPNS_OLD: { linux: 35 },
  SO_TIMESTAMPING_OLD: { linux: 37 },
  SO_RCVTIMEO_OLD: { linux: 20 },
  SO_SNDTIMEO_OLD: { linux: 21 },
  SO_SECURITY_AUTHENTICATION: { linux: 22 },
  SO_SECURITY_ENCRYPTION_TRANSPORT: { linux: 23 },
  SO_SECURITY_ENCRYPTION_NETWORK: { linux: 24 },
  SO_PASSPIDFD: { linux: 76 },
  SO_PEERPIDFD: { linux: 77 },
  SO_DEVMEM_DONTNEED: { linux: 80 },
  SO_RCVPRIORITY: { linux: 82 },
  SO_PASSRIGHTS: { linux: 83 },
  SO_USELOOPBACK: { darwin: 0x40 },
  SO_TIMESTAMP_MONOTONIC: { darwin: 0x800 },
  SO_NREAD: { darwin: 0x1020 },
  SO_NOSIGPIPE: { darwin: 0x1022 },
  SO_NOADDRERR: { darwin: 0x1023 },
  SO_NWRITE: { darwin: 0x1024 },
  SO_REUSESHAREUID: { darwin: 0x1025 },
  SO_RANDOMPORT: { darwin: 0x1082 },
  SO_NUMRCVPKT: { darwin: 0x1112 },
  SO_NET_SERVICE_TYPE: { darwin: 0x1116 },
  // <netinet/in.h>, <linux/in.h>
  IP_TOS: { linux: 1, darwin: 3 },
  IP_TTL: { linux: 2, darwin: 4 },
  IP_HDRINCL: { linux: 3, darwin: 2 },
  IP_OPTIONS: { linux: 4, darwin: 1 },
  IP_ROUTER_ALERT: { linux: 5 },
  IP_RECVOPTS: { linux: 6, darwin: 5 },
  IP_RETOPTS: { linux: 7, darwin: 8 },
  IP_PKTINFO: { linux: 8, darwin: 26 },
  IP_PKTOPTIONS: { linux: 9 },
  IP_MTU_DISCOVER: { linux: 10 },
  IP_RECVERR: { linux: 11 },
  IP_RECVTTL: { linux: 12, darwin: 24 },
  IP_RECVTOS: { linux: 13, darwin: 27 },
  IP_MTU: { linux: 14 },
  IP_FREEBIND: { linux: 15 },
  IP_IPSEC_POLICY: { linux: 16 },
  IP_XFRM_POLICY: { linux: 17 },
  IP_PASSSEC: { linux: 18 },
  IP_TRANSPARENT: { linux: 19, since: "2.6.24", privilege: "CAP_NET_ADMIN or CAP_NET_RAW" },
  IP_RECVORIGDSTADDR: { linux: 20, since: "2.6.29" },
  IP_MINTTL: { linux: 21, since: "2.6.34" },
  IP_NODEFRAG: { linux: 22 },
  IP_CHECKSUM: { linux: 23 },
  IP_BIND_ADDRESS_NO_PORT: { linux: 24, since: "4.2" },
  IP_RECVFRAGSIZE: { linux: 25 },
  IP_RECVERR_RFC4884: { linux: 26, since: "5.9" },
  IP_MULTICAST_IF: { linux: 32, darwin: 9 },
  IP_MULTICAST_TTL: { linux: 33, darwin: 10, darwinSize: 1 },
  IP_MULTICAST_LOOP: { linux: 34, darwin: 11, darwinSize: 1 },
  IP_ADD_MEMBERSHIP: { linux: 35, darwin: 12 },
  IP_DROP_MEMBERSHIP: { linux: 36, darwin: 13 },
  IP_UNBLOCK_SOURCE: { linux: 37, darwin: 73 },
  IP_BLOCK_SOURCE: { linux: 38, darwin: 72 },
  IP_ADD_SOURCE_MEMBERSHIP: { linux: 39, darwin: 70 },
  IP_DROP_SOURCE_MEMBERSHIP: { linux: 40, darwin: 71 },
  IP_MSFILTER: { linux: 41, darwin: 74 },
  IP_MULTICAST_ALL: { linux: 49, since: "2.6.31" },
  IP_UNICAST_IF: { linux: 50, since: "3.4" },
  IP_LOCAL_PORT_RANGE: { linux: 51, since: "6.3" },
  IP_PROTOCOL: { linux: 52 },
  IP_RECVRETOPTS: { linux: 7, darwin: 6 },
  IP_ORIGDSTADDR: { linux: 20, since: "2.6.29" },
  IP_RECVDSTADDR: { darwin: 7 },
  IP_PORTRANGE: { darwin: 19 },
  IP_RECVIF: { darwin: 20 },
  IP_BOUND_IF: { darwin: 25 },
  IP_DONTFRAG: { darwin: 28 },
  // <netinet/in.h>, of both protocols
  MCAST_JOIN_GROUP: { linux: 42, darwin: 80 },
  MCAST_BLOCK_SOURCE: { linux: 43, darwin: 84 },
  MCAST_UNBLOCK_SOURCE: { linux: 44, darwin: 85 },
  MCAST_LEAVE_GROUP: { linux: 45, darwin: 81 },
  MCAST_JOIN_SOURCE_GROUP: { linux: 46, darwin: 82 },
  MCAST_LEAVE_SOURCE_GROUP: { linux: 47, darwin: 83 },
  MCAST_MSFILTER: { linux: 48 },
  // <netinet/in.h>, <linux/in6.h>. macOS has those of RFC 3542 if __APPLE_USE_RFC_3542 is defined.
  IPV6_ADDRFORM: { linux: 1 },
  IPV6_2292PKTINFO: { linux: 2 },
  IPV6_2292HOPOPTS: { linux: 3 },
  IPV6_2292DSTOPTS: { linux: 4 },
  IPV6_2292RTHDR: { linux: 5 },
  IPV6_2292PKTOPTIONS: { linux: 6 },
  IPV6_2292HOPLIMIT: { linux: 8 },
  IPV6_FLOWINFO: { linux: 11 },
  IPV6_FLOWLABEL_MGR: { linux: 32 },
  IPV6_FLOWINFO_SEND: { linux: 33 },
  IPV6_ORIGDSTADDR: { linux: 74, since: "2.6.37" },
  IPV6_CHECKSUM: { linux: 7, darwin: 26 },
  IPV6_NEXTHOP: { linux: 9, darwin: 48 },
  IPV6_AUTHHDR: { linux: 10 },
  IPV6_UNICAST_HOPS: { linux: 16, darwin: 4 },
  IPV6_MULTICAST_IF: { linux: 17, darwin: 9 },
  IPV6_MULTICAST_HOPS: { linux: 18, darwin: 10 },
  IPV6_MULTICAST_LOOP: { linux: 19, darwin: 11 },
  IPV6_JOIN_GROUP: { linux: 20, darwin: 12 },
  IPV6_LEAVE_GROUP: { linux: 21, darwin: 13 },
  IPV6_ADD_MEMBERSHIP: { linux: 20 },
  IPV6_DROP_MEMBERSHIP: { linux: 21 },
  IPV6_ROUTER_ALERT: { linux: 22 },
  IPV6_MTU_DISCOVER: { linux: 23 },
  IPV6_MTU: { linux: 24 },
  IPV6_RECVERR: { linux: 25 },
  IPV6_V6ONLY: { linux: 26, darwin: 27 },
  IPV6_JOIN_ANYCAST: { linux: 27 },
  IPV6_LEAVE_ANYCAST: { linux: 28 },
  IPV6_MULTICAST_ALL: { linux: 29, since: "4.20" },
  IPV6_ROUTER_ALERT_ISOLATE: { linux: 30 },
  IPV6_RECVERR_RFC4884: { linux: 31, since: "5.9" },
  IPV6_IPSEC_POLICY: { linux: 34 },
  IPV6_XFRM_POLICY: { linux: 35 },
  IPV6_HDRINCL: { linux: 36 },
  IPV6_RECVPKTINFO: { linux: 49, darwin: 61 },
  IPV6_PKTINFO: { linux: 50, darwin: 46 },
  IPV6_RECVHOPLIMIT: { linux: 51, darwin: 37 },
  IPV6_HOPLIMIT: { linux: 52, darwin: 47 },
  IPV6_RECVHOPOPTS: { linux: 53, darwin: 39 },
  IPV6_HOPOPTS: { linux: 54, darwin: 49 },
  IPV6_RTHDRDSTOPTS: { linux: 55, darwin: 57 },
  IPV6_RECVRTHDR: { linux: 56, darwin: 38 },
  IPV6_RTHDR: { linux: 57, darwin: 51 },
  IPV6_RECVDSTOPTS: { linux: 58, darwin: 40 },
  IPV6_DSTOPTS: { linux: 59, darwin: 50 },
  IPV6_RECVPATHMTU: { linux: 60, darwin: 43 },
  IPV6_PATHMTU: { linux: 61, darwin: 44 },
  IPV6_DONTFRAG: { linux: 62, darwin: 62 },
  IPV6_RECVTCLASS: { linux: 66, darwin: 35 },
  IPV6_TCLASS: { linux: 67, darwin: 36 },
  IPV6_AUTOFLOWLABEL: { linux: 70, darwin: 59 },
  IPV6_ADDR_PREFERENCES: { linux: 72 },
  IPV6_MINHOPCOUNT: { linux: 73 },
  IPV6_RECVORIGDSTADDR: { linux: 74, since: "2.6.37" },
  IPV6_TRANSPARENT: { linux: 75, since: "2.6.37", privilege: "CAP_NET_ADMIN or CAP_NET_RAW" },
  IPV6_UNICAST_IF: { linux: 76, since: "3.4" },
  IPV6_RECVFRAGSIZE: { linux: 77 },
  IPV6_FREEBIND: { linux: 78, since: "4.15" },
  IPV6_PORTRANGE: { darwin: 14 },
  IPV6_USE_MIN_MTU: { darwin: 42 },
  IPV6_PREFER_TEMPADDR: { darwin: 63 },
  IPV6_BOUND_IF: { darwin: 125 },
  // <linux/udp.h>
  UDP_CORK: { linux: 1 },
  UDP_ENCAP: { linux: 100 },
  UDP_NO_CHECK6_TX: { linux: 101 },
  UDP_NO_CHECK6_RX: { linux: 102 },
  UDP_SEGMENT: { linux: 103, since: "4.18" },
  UDP_GRO: { linux: 104, since: "5.0" },
} as const;

/** A system's column of the table. */
type NumbersOf<System extends "linux" | "darwin"> = {
  readonly [Name in OptionName as (typeof SOCKET_OPTIONS)[Name] extends Record<System, number> ? Name : never]: number;
};

/** The header name of an option, of either system. */
export type OptionName = keyof typeof SOCKET_OPTIONS;

/** The options of Linux. */
export type LinuxOptions = NumbersOf<"linux">;

/** The options of macOS. */
export type DarwinOptions = NumbersOf<"darwin">;

/** The options of a system: those that both have, and perhaps others. */
export type Options =
  & Pick<LinuxOptions, keyof LinuxOptions & keyof DarwinOptions>
  & Partial<Record<OptionName, number>>;

/** A level of getsockopt(2), by the name that both systems have for it. */
export type LevelName = "SOL_SOCKET" | "IPPROTO_IP" | "IPPROTO_IPV6" | "IPPROTO_UDP";

/** The numbers of the levels. Linux has other names for three of them, too. */
export type Levels = Readonly<Record<LevelName, number> & Partial<Record<"SOL_IP" | "SOL_IPV6" | "SOL_UDP", number>>>;

/** The levels of Linux. */
export const LINUX_LEVELS: Levels = {
  SOL_SOCKET: 1,
  IPPROTO_IP: 0,
  SOL_IP: 0,
  IPPROTO_IPV6: 41,
  SOL_IPV6: 41,
  IPPROTO_UDP: 17,
  SOL_UDP: 17,
};

/** The levels of macOS. */
export const DARWIN_LEVELS: Levels = { SOL_SOCKET: 0xffff, IPPROTO_IP: 0, IPPROTO_IPV6: 41, IPPROTO_UDP: 17 };

/** The numbers of a system's options. */
export function optionNumbers(system: "linux"): LinuxOptions;
export function optionNumbers(system: "darwin"): DarwinOptions;
export function optionNumbers(system: "linux" | "darwin"): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const [name, option] of Object.entries<SocketOption>(SOCKET_OPTIONS)) {
    const number = option[system];
    if (number !== undefined) numbers[name] = number;
  }
  return numbers;
}
