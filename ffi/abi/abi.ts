/**
 * What differs between the headers of operating systems: constants under their header names, and the offsets
 * of every struct field this module reads or writes. All values are in bytes and hold for 64-bit little-endian systems.
 *
 * @module
 */

import type { Levels, LinuxOptions, Options } from "./socket_options.ts";

/** Numbers from the headers, under the names the headers give them. */
export interface Constants {
  // <sys/socket.h>
  readonly AF_UNSPEC: number;
  readonly AF_UNIX: number;
  readonly AF_INET: number;
  readonly AF_INET6: number;
  readonly SOCK_DGRAM: number;
  readonly MSG_TRUNC: number;
  readonly MSG_CTRUNC: number;
  readonly SCM_RIGHTS: number;
  // <netinet/in.h>
  // <netinet/in.h>: control messages and the options that ask for them (RFC 3542 for IPv6)
  // <fcntl.h>
  readonly F_GETFL: number;
  readonly F_SETFL: number;
  readonly F_GETFD: number;
  readonly F_SETFD: number;
  readonly F_DUPFD_CLOEXEC: number;
  readonly FD_CLOEXEC: number;
  readonly O_NONBLOCK: number;
  // <time.h>
  readonly CLOCK_REALTIME: number;
  readonly CLOCK_MONOTONIC: number;
  // <poll.h>
  readonly POLLIN: number;
  // <net/if.h>
  readonly IF_NAMESIZE: number;
}

/** The first fields of a sockaddr: `sa_family_t` alone, or a length byte before it (BSD). */
export interface FamilyField {
  /** Offset of `sa_len`, or -1 if the system has none. */
  readonly sa_len: number;
  /** Offset of `sa_family`. */
  readonly sa_family: number;
  /** Size of `sa_family` in bytes. */
  readonly sizeof_sa_family: number;
}

/** Offsets and sizes of the structs that cross the border. */
export interface Layouts {
  readonly sockaddr: FamilyField;
  readonly sockaddr_in: { readonly size: number; readonly sin_port: number; readonly sin_addr: number };
  readonly sockaddr_in6: {
    readonly size: number;
    readonly sin6_port: number;
    readonly sin6_flowinfo: number;
    readonly sin6_addr: number;
    readonly sin6_scope_id: number;
  };
  readonly sockaddr_un: { readonly size: number; readonly sun_path: number };
  readonly sockaddr_storage: { readonly size: number };
  readonly iovec: { readonly size: number; readonly iov_base: number; readonly iov_len: number };
  readonly msghdr: {
    readonly size: number;
    readonly msg_name: number;
    readonly msg_namelen: number;
    readonly msg_iov: number;
    readonly msg_iovlen: number;
    readonly msg_control: number;
    readonly msg_controllen: number;
    readonly msg_flags: number;
  };
  readonly cmsghdr: {
    readonly size: number;
    readonly cmsg_len: number;
    readonly cmsg_level: number;
    readonly cmsg_type: number;
    /** The multiple that CMSG_ALIGN rounds up to. */
    readonly align: number;
  };
  readonly in_pktinfo: {
    readonly size: number;
    readonly ipi_ifindex: number;
    readonly ipi_spec_dst: number;
    readonly ipi_addr: number;
  };
  readonly in6_pktinfo: { readonly size: number; readonly ipi6_addr: number; readonly ipi6_ifindex: number };
  readonly timespec: { readonly size: number; readonly tv_sec: number; readonly tv_nsec: number };
  readonly timeval: { readonly size: number; readonly tv_sec: number; readonly tv_usec: number };
  readonly mmsghdr: { readonly size: number; readonly msg_len: number };
  readonly pollfd: { readonly size: number; readonly fd: number; readonly events: number; readonly revents: number };
  readonly ip_mreqn: {
    readonly size: number;
    readonly imr_multiaddr: number;
    readonly imr_address: number;
    readonly imr_ifindex: number;
  };
  readonly ip_mreq_source: {
    readonly size: number;
    readonly imr_multiaddr: number;
    readonly imr_interface: number;
    readonly imr_sourceaddr: number;
  };
  readonly ipv6_mreq: {
    readonly size: number;
    readonly ipv6mr_multiaddr: number;
    readonly ipv6mr_interface: number;
  };
  readonly group_req: { readonly size: number; readonly gr_interface: number; readonly gr_group: number };
  readonly group_source_req: {
    readonly size: number;
    readonly gsr_interface: number;
    readonly gsr_group: number;
    readonly gsr_source: number;
  };
}

/** Constants and layouts that only Linux has. */
export interface LinuxConstants {
  // <sys/syscall.h>
  readonly SYS_sendmsg: number;
  readonly SYS_sendmmsg: number;
  readonly SYS_recvmmsg: number;
  /** Its socket options; the same as those of the {@linkcode Abi}. */
  readonly options: LinuxOptions;
  readonly SOCK_STREAM: number;
  readonly SOCK_NONBLOCK: number;
  readonly SOCK_CLOEXEC: number;
  readonly MSG_ERRQUEUE: number;
  readonly MSG_CMSG_CLOEXEC: number;
  readonly SCM_CREDENTIALS: number;
  readonly ucred: { readonly size: number; readonly pid: number; readonly uid: number; readonly gid: number };
  // <linux/in.h>, and the same in <linux/in6.h>
  readonly IP_PMTUDISC_DONT: number;
  readonly IP_PMTUDISC_WANT: number;
  readonly IP_PMTUDISC_DO: number;
  readonly IP_PMTUDISC_PROBE: number;
  readonly IP_PMTUDISC_INTERFACE: number;
  readonly IP_PMTUDISC_OMIT: number;
  readonly ip6_mtuinfo: { readonly size: number; readonly ip6m_mtu: number };
  // <linux/sockios.h>
  readonly SIOCINQ: number;
  readonly SIOCOUTQ: number;
  // <linux/sock_diag.h>: indices of an array of uint32_t
  readonly SK_MEMINFO_RMEM_ALLOC: number;
  readonly SK_MEMINFO_RCVBUF: number;
  readonly SK_MEMINFO_WMEM_ALLOC: number;
  readonly SK_MEMINFO_SNDBUF: number;
  readonly SK_MEMINFO_FWD_ALLOC: number;
  readonly SK_MEMINFO_WMEM_QUEUED: number;
  readonly SK_MEMINFO_OPTMEM: number;
  readonly SK_MEMINFO_BACKLOG: number;
  readonly SK_MEMINFO_DROPS: number;
  // <linux/netfilter_ipv4/ip_tables.h>
  readonly IPT_BASE_CTL: number;
  // <linux/filter.h>
  readonly BPF_MAXINSNS: number;
  readonly BPF_JMP: number;
  readonly BPF_JA: number;
  readonly BPF_RET: number;
  readonly sock_filter: {
    readonly size: number;
    readonly code: number;
    readonly jt: number;
    readonly jf: number;
    readonly k: number;
  };
  readonly sock_fprog: { readonly size: number; readonly len: number; readonly filter: number };
  // <linux/errqueue.h>
  readonly SO_EE_ORIGIN_LOCAL: number;
  readonly SO_EE_ORIGIN_ICMP: number;
  readonly SO_EE_ORIGIN_ICMP6: number;
  readonly SO_EE_ORIGIN_TIMESTAMPING: number;
  readonly sock_extended_err: {
    readonly size: number;
    readonly ee_errno: number;
    readonly ee_origin: number;
    readonly ee_type: number;
    readonly ee_code: number;
    readonly ee_info: number;
    readonly ee_data: number;
  };
  // <time.h>
  readonly CLOCK_TAI: number;
  // <asm/socket.h>: as option and as type of the control message
  // <linux/net_tstamp.h>
  readonly SOF_TIMESTAMPING_TX_HARDWARE: number;
  readonly SOF_TIMESTAMPING_TX_SOFTWARE: number;
  readonly SOF_TIMESTAMPING_RX_HARDWARE: number;
  readonly SOF_TIMESTAMPING_RX_SOFTWARE: number;
  readonly SOF_TIMESTAMPING_SOFTWARE: number;
  readonly SOF_TIMESTAMPING_RAW_HARDWARE: number;
  readonly SOF_TIMESTAMPING_OPT_ID: number;
  readonly SOF_TIMESTAMPING_OPT_TSONLY: number;
  readonly scm_timestamping: { readonly size: number; readonly ts: number };
  readonly sock_txtime: { readonly size: number; readonly clockid: number; readonly flags: number };
  // <linux/netlink.h>, <linux/rtnetlink.h>
  readonly AF_NETLINK: number;
  readonly NETLINK_ROUTE: number;
  readonly NLM_F_REQUEST: number;
  readonly RTM_NEWROUTE: number;
  readonly RTM_GETROUTE: number;
  readonly RTA_DST: number;
  readonly RTA_SRC: number;
  readonly RTA_OIF: number;
  readonly RTA_METRICS: number;
  readonly RTA_MARK: number;
  readonly RTAX_LOCK: number;
  readonly RTAX_MTU: number;
  readonly nlmsghdr: {
    readonly size: number;
    readonly nlmsg_len: number;
    readonly nlmsg_type: number;
    readonly nlmsg_flags: number;
  };
  readonly rtmsg: {
    readonly size: number;
    readonly rtm_family: number;
    readonly rtm_dst_len: number;
    readonly rtm_src_len: number;
    readonly rtm_tos: number;
  };
  readonly rtattr: { readonly size: number; readonly rta_len: number; readonly rta_type: number };
  // <linux/udp.h>
  /** The most segments in a payload. */
  readonly UDP_MAX_SEGMENTS: number;
  /** The same in older kernels, from 4.18 on, the first with UDP_SEGMENT. */
  readonly UDP_MAX_SEGMENTS_AT_FIRST: number;
  // <sys/epoll.h>
  readonly EPOLL_CLOEXEC: number;
  readonly EPOLL_CTL_ADD: number;
  readonly EPOLL_CTL_DEL: number;
  readonly EPOLL_CTL_MOD: number;
  readonly EPOLLIN: number;
  readonly EPOLLOUT: number;
  readonly EPOLLERR: number;
  readonly EPOLLHUP: number;
  readonly epoll_event: { readonly size: number; readonly events: number; readonly data: number };
  // <sys/eventfd.h>
  readonly EFD_CLOEXEC: number;
  readonly EFD_NONBLOCK: number;
}

/** Constants and layouts that only macOS has. */
export interface DarwinConstants {
  readonly SCM_TIMESTAMP: number;
  /** An upper limit for the descriptors in one message, from the kernel's own uipc_usrreq.c. */
  readonly UIPC_MAX_CMSG_FD: number;
  // <sys/event.h>
  readonly EVFILT_READ: number;
  readonly EVFILT_WRITE: number;
  readonly EVFILT_USER: number;
  readonly EV_ADD: number;
  readonly EV_DELETE: number;
  readonly EV_CLEAR: number;
  readonly NOTE_TRIGGER: number;
  readonly ip6_mtuinfo: { readonly size: number; readonly ip6m_mtu: number };
  readonly kevent: {
    readonly size: number;
    readonly ident: number;
    readonly filter: number;
    readonly flags: number;
    readonly fflags: number;
    readonly data: number;
    readonly udata: number;
  };
}

/** A function that registers another one to be called when the thread ends, and the layout of `FILE`, which fclose(3) closes. */
export interface ThreadExit {
  /**
   * The function's names, most likely first: `__cxa_thread_atexit_impl(dtor, obj, dso_symbol)` of glibc, macOS's `_tlv_atexit(dtor, obj)`.
   * musl has neither.
   */
  readonly register: "__cxa_thread_atexit_impl" | "_tlv_atexit";
  /** Offset and size of the descriptor in a `FILE`. */
  readonly FILE: { readonly fileno: number; readonly filenoSize: 2 | 4 };
}

/** The errnos that this module compares. All systems have them. */
export type ErrnoName =
  | "EACCES"
  | "EADDRINUSE"
  | "EADDRNOTAVAIL"
  | "EAFNOSUPPORT"
  | "EAGAIN"
  | "EBADF"
  | "ECANCELED"
  | "ECONNREFUSED"
  | "EDOM"
  | "EEXIST"
  | "EHOSTUNREACH"
  | "EINTR"
  | "EINVAL"
  | "EIO"
  | "EISCONN"
  | "EMSGSIZE"
  | "ENAMETOOLONG"
  | "ENETUNREACH"
  | "ENOBUFS"
  | "ENODEV"
  | "ENOENT"
  | "ENOMEM"
  | "ENOPROTOOPT"
  | "ENOSYS"
  | "ENOTCONN"
  | "ENOTSUP"
  | "ENXIO"
  | "EPERM"
  | "EPROTO"
  | "ETIMEDOUT";

/** One operating system, as its headers describe it. */
export interface Abi {
  readonly platform: "linux" | "darwin";
  /** File names under which the C library may be found, most likely first. */
  readonly libraries: readonly string[];
  /** How the C library can close a descriptor when the calling thread ends. */
  readonly threadExit: ThreadExit;
  /** The function that returns the address of the calling thread's `errno`. */
  readonly errnoLocation: "__errno_location" | "__error";
  readonly constants: Constants;
  readonly layouts: Layouts;
  /** Present on Linux only. */
  readonly linux?: LinuxConstants;
  /** Present on macOS only. */
  readonly darwin?: DarwinConstants;
  /** Levels of socket options by name, and options by name. */
  readonly levels: Levels;
  readonly options: Options;
  /** errno numbers by name, as in `<errno.h>`: those that this module compares, and the others that the system has. */
  readonly errno: Readonly<Record<ErrnoName, number> & Record<string, number>>;
}
