/**
 * Linux, 64-bit, little-endian (x86-64 and arm64, glibc and musl), from the kernel's uapi headers.
 *
 * @module
 */
import type { Abi, Constants, Layouts, LinuxConstants } from "./abi.ts";
import { LINUX_LEVELS, optionNumbers } from "./socket_options.ts";

const options = optionNumbers("linux");

/** As many descriptors as one message takes; in the kernel's own <net/scm.h>. */
export const SCM_MAX_FD = 253;

const constants: Constants = {
  AF_UNSPEC: 0,
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_DGRAM: 2,
  MSG_TRUNC: 0x20,
  MSG_CTRUNC: 0x8,
  SCM_RIGHTS: 1,
  F_GETFL: 3,
  F_SETFL: 4,
  F_GETFD: 1,
  F_SETFD: 2,
  F_DUPFD_CLOEXEC: 1030,
  FD_CLOEXEC: 1,
  O_NONBLOCK: 0o4000,
  CLOCK_REALTIME: 0,
  CLOCK_MONOTONIC: 1,
  POLLIN: 0x1,
  IF_NAMESIZE: 16,
};

const layouts: Layouts = {
  // struct sockaddr { sa_family_t sa_family; char sa_data[14]; };
  sockaddr: { sa_len: -1, sa_family: 0, sizeof_sa_family: 2 },
  // struct sockaddr_in { sa_family_t sin_family; in_port_t sin_port; struct in_addr sin_addr; unsigned char pad[8]; };
  sockaddr_in: { size: 16, sin_port: 2, sin_addr: 4 },
  // struct sockaddr_in6 { sa_family_t sin6_family; in_port_t sin6_port; uint32_t sin6_flowinfo;
  //                       struct in6_addr sin6_addr; uint32_t sin6_scope_id; };
  sockaddr_in6: { size: 28, sin6_port: 2, sin6_flowinfo: 4, sin6_addr: 8, sin6_scope_id: 24 },
  // struct sockaddr_un { sa_family_t sun_family; char sun_path[108]; };
  sockaddr_un: { size: 110, sun_path: 2 },
  // struct sockaddr_storage { sa_family_t ss_family; char pad[118]; unsigned long align; };
  sockaddr_storage: { size: 128 },
  // struct iovec { void *iov_base; size_t iov_len; };
  iovec: { size: 16, iov_base: 0, iov_len: 8 },
  // struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
  //                 void *msg_control; size_t msg_controllen; int msg_flags; };
  // (musl splits each size_t into an int and zero padding: the same bytes on a little-endian system.)
  msghdr: {
    size: 56,
    msg_name: 0,
    msg_namelen: 8,
    msg_iov: 16,
    msg_iovlen: 24,
    msg_control: 32,
    msg_controllen: 40,
    msg_flags: 48,
  },
  // struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; };
  cmsghdr: { size: 16, cmsg_len: 0, cmsg_level: 8, cmsg_type: 12, align: 8 },
  // struct in_pktinfo { int ipi_ifindex; struct in_addr ipi_spec_dst; struct in_addr ipi_addr; };
  in_pktinfo: { size: 12, ipi_ifindex: 0, ipi_spec_dst: 4, ipi_addr: 8 },
  // struct in6_pktinfo { struct in6_addr ipi6_addr; unsigned int ipi6_ifindex; };
  in6_pktinfo: { size: 20, ipi6_addr: 0, ipi6_ifindex: 16 },
  // struct timespec { time_t tv_sec; long tv_nsec; };
  timespec: { size: 16, tv_sec: 0, tv_nsec: 8 },
  // struct timeval { time_t tv_sec; suseconds_t tv_usec; };
  timeval: { size: 16, tv_sec: 0, tv_usec: 8 },
  // struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
  mmsghdr: { size: 64, msg_len: 56 },
  // struct pollfd { int fd; short events; short revents; };
  pollfd: { size: 8, fd: 0, events: 4, revents: 6 },
  // struct ip_mreqn { struct in_addr imr_multiaddr; struct in_addr imr_address; int imr_ifindex; };
  ip_mreqn: { size: 12, imr_multiaddr: 0, imr_address: 4, imr_ifindex: 8 },
  // struct ip_mreq_source { struct in_addr imr_multiaddr; struct in_addr imr_interface; struct in_addr imr_sourceaddr; };
  ip_mreq_source: { size: 12, imr_multiaddr: 0, imr_interface: 4, imr_sourceaddr: 8 },
  // struct ipv6_mreq { struct in6_addr ipv6mr_multiaddr; int ipv6mr_interface; };
  ipv6_mreq: { size: 20, ipv6mr_multiaddr: 0, ipv6mr_interface: 16 },
  // struct group_req { uint32_t gr_interface; struct sockaddr_storage gr_group; };
  group_req: { size: 136, gr_interface: 0, gr_group: 8 },
  // struct group_source_req { uint32_t gsr_interface; struct sockaddr_storage gsr_group, gsr_source; };
  group_source_req: { size: 264, gsr_interface: 0, gsr_group: 8, gsr_source: 136 },
};

const linux: Omit<LinuxConstants, "epoll_event" | keyof typeof systemCalls.x64> = {
  options,
  SOCK_STREAM: 1,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  MSG_CMSG_CLOEXEC: 0x40000000,
  SCM_CREDENTIALS: 2,
  // struct ucred { pid_t pid; uid_t uid; gid_t gid; };
  ucred: { size: 12, pid: 0, uid: 4, gid: 8 },
  MSG_ERRQUEUE: 0x2000,
  IP_PMTUDISC_DONT: 0,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_DO: 2,
  IP_PMTUDISC_PROBE: 3,
  IP_PMTUDISC_INTERFACE: 4,
  IP_PMTUDISC_OMIT: 5,
  // struct ip6_mtuinfo { struct sockaddr_in6 ip6m_addr; uint32_t ip6m_mtu; };
  ip6_mtuinfo: { size: 32, ip6m_mtu: 28 },
  SIOCINQ: 0x541b,
  SIOCOUTQ: 0x5411,
  SK_MEMINFO_RMEM_ALLOC: 0,
  SK_MEMINFO_RCVBUF: 1,
  SK_MEMINFO_WMEM_ALLOC: 2,
  SK_MEMINFO_SNDBUF: 3,
  SK_MEMINFO_FWD_ALLOC: 4,
  SK_MEMINFO_WMEM_QUEUED: 5,
  SK_MEMINFO_OPTMEM: 6,
  SK_MEMINFO_BACKLOG: 7,
  SK_MEMINFO_DROPS: 8,
  IPT_BASE_CTL: 64,
  BPF_MAXINSNS: 4096,
  BPF_JMP: 0x05,
  BPF_JA: 0x00,
  BPF_RET: 0x06,
  // struct sock_filter { __u16 code; __u8 jt; __u8 jf; __u32 k; };
  sock_filter: { size: 8, code: 0, jt: 2, jf: 3, k: 4 },
  // struct sock_fprog { unsigned short len; struct sock_filter *filter; };
  sock_fprog: { size: 16, len: 0, filter: 8 },
  SO_EE_ORIGIN_LOCAL: 1,
  SO_EE_ORIGIN_ICMP: 2,
  SO_EE_ORIGIN_ICMP6: 3,
  SO_EE_ORIGIN_TIMESTAMPING: 4,
  // struct sock_extended_err { __u32 ee_errno; __u8 ee_origin; __u8 ee_type; __u8 ee_code; __u8 ee_pad; __u32 ee_info;
  //                            union { __u32 ee_data; struct sock_ee_data_rfc4884 ee_rfc4884; }; };
  sock_extended_err: { size: 16, ee_errno: 0, ee_origin: 4, ee_type: 5, ee_code: 6, ee_info: 8, ee_data: 12 },
  CLOCK_TAI: 11,
  SOF_TIMESTAMPING_TX_HARDWARE: 0x1,
  SOF_TIMESTAMPING_TX_SOFTWARE: 0x2,
  SOF_TIMESTAMPING_RX_HARDWARE: 0x4,
  SOF_TIMESTAMPING_RX_SOFTWARE: 0x8,
  SOF_TIMESTAMPING_SOFTWARE: 0x10,
  SOF_TIMESTAMPING_RAW_HARDWARE: 0x40,
  SOF_TIMESTAMPING_OPT_ID: 0x80,
  SOF_TIMESTAMPING_OPT_TSONLY: 0x800,
  // struct scm_timestamping { struct timespec ts[3]; };
  scm_timestamping: { size: 48, ts: 0 },
  // struct sock_txtime { __kernel_clockid_t clockid; __u32 flags; };
  sock_txtime: { size: 8, clockid: 0, flags: 4 },
  AF_NETLINK: 16,
  NETLINK_ROUTE: 0,
  NLM_F_REQUEST: 1,
  RTM_NEWROUTE: 24,
  RTM_GETROUTE: 26,
  RTA_DST: 1,
  RTA_SRC: 2,
  RTA_OIF: 4,
  RTA_METRICS: 8,
  RTA_MARK: 16,
  RTAX_LOCK: 1,
  RTAX_MTU: 2,
  // struct nlmsghdr { __u32 nlmsg_len; __u16 nlmsg_type; __u16 nlmsg_flags; __u32 nlmsg_seq; __u32 nlmsg_pid; };
  nlmsghdr: { size: 16, nlmsg_len: 0, nlmsg_type: 4, nlmsg_flags: 6 },
  // struct rtmsg { unsigned char rtm_family, rtm_dst_len, rtm_src_len, rtm_tos, rtm_table, rtm_protocol, rtm_scope,
  //                rtm_type; unsigned rtm_flags; };
  rtmsg: { size: 12, rtm_family: 0, rtm_dst_len: 1, rtm_src_len: 2, rtm_tos: 3 },
  // struct rtattr { unsigned short rta_len; unsigned short rta_type; };
  rtattr: { size: 4, rta_len: 0, rta_type: 2 },
  // Of the kernel's own <linux/udp.h>.
  UDP_MAX_SEGMENTS: 128,
  UDP_MAX_SEGMENTS_AT_FIRST: 64,
  EPOLL_CLOEXEC: 0o2000000,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  EPOLL_CTL_MOD: 3,
  EPOLLIN: 0x1,
  EPOLLOUT: 0x4,
  EPOLLERR: 0x8,
  EPOLLHUP: 0x10,
  EFD_CLOEXEC: 0o2000000,
  EFD_NONBLOCK: 0o4000,
};

const systemCalls = {
  x64: { SYS_sendmsg: 46, SYS_sendmmsg: 307, SYS_recvmmsg: 299 },
  arm64: { SYS_sendmsg: 211, SYS_sendmmsg: 269, SYS_recvmmsg: 243 },
};

// struct epoll_event { uint32_t events; epoll_data_t data; } EPOLL_PACKED;
// <linux/eventpoll.h> packs it on x86-64 alone, so that 32-bit programs see the same bytes.
const epoll_event = {
  x64: { size: 12, events: 0, data: 4 },
  arm64: { size: 16, events: 0, data: 8 },
};

// <asm-generic/errno-base.h> and <asm-generic/errno.h>; EOPNOTSUPP (95) goes by libuv's name for it, ENOTSUP.
// deno-fmt-ignore
const errno = {
  EPERM: 1, ENOENT: 2, ESRCH: 3, EINTR: 4, EIO: 5, ENXIO: 6, E2BIG: 7, ENOEXEC: 8, EBADF: 9, ECHILD: 10, EAGAIN: 11,
  ENOMEM: 12, EACCES: 13, EFAULT: 14, ENOTBLK: 15, EBUSY: 16, EEXIST: 17, EXDEV: 18, ENODEV: 19, ENOTDIR: 20,
  EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, ENOTTY: 25, ETXTBSY: 26, EFBIG: 27, ENOSPC: 28, ESPIPE: 29,
  EROFS: 30, EMLINK: 31, EPIPE: 32, EDOM: 33, ERANGE: 34, EDEADLK: 35, ENAMETOOLONG: 36, ENOLCK: 37, ENOSYS: 38,
  ENOTEMPTY: 39, ELOOP: 40, ENOMSG: 42, EIDRM: 43, ECHRNG: 44, EL2NSYNC: 45, EL3HLT: 46, EL3RST: 47, ELNRNG: 48,
  EUNATCH: 49, ENOCSI: 50, EL2HLT: 51, EBADE: 52, EBADR: 53, EXFULL: 54, ENOANO: 55, EBADRQC: 56, EBADSLT: 57,
  EBFONT: 59, ENOSTR: 60, ENODATA: 61, ETIME: 62, ENOSR: 63, ENONET: 64, ENOPKG: 65, EREMOTE: 66, ENOLINK: 67,
  EADV: 68, ESRMNT: 69, ECOMM: 70, EPROTO: 71, EMULTIHOP: 72, EDOTDOT: 73, EBADMSG: 74, EOVERFLOW: 75, ENOTUNIQ: 76,
  EBADFD: 77, EREMCHG: 78, ELIBACC: 79, ELIBBAD: 80, ELIBSCN: 81, ELIBMAX: 82, ELIBEXEC: 83, EILSEQ: 84,
  ERESTART: 85, ESTRPIPE: 86, EUSERS: 87, ENOTSOCK: 88, EDESTADDRREQ: 89, EMSGSIZE: 90, EPROTOTYPE: 91,
  ENOPROTOOPT: 92, EPROTONOSUPPORT: 93, ESOCKTNOSUPPORT: 94, ENOTSUP: 95, EPFNOSUPPORT: 96, EAFNOSUPPORT: 97,
  EADDRINUSE: 98, EADDRNOTAVAIL: 99, ENETDOWN: 100, ENETUNREACH: 101, ENETRESET: 102, ECONNABORTED: 103,
  ECONNRESET: 104, ENOBUFS: 105, EISCONN: 106, ENOTCONN: 107, ESHUTDOWN: 108, ETOOMANYREFS: 109, ETIMEDOUT: 110,
  ECONNREFUSED: 111, EHOSTDOWN: 112, EHOSTUNREACH: 113, EALREADY: 114, EINPROGRESS: 115, ESTALE: 116, EUCLEAN: 117,
  ENOTNAM: 118, ENAVAIL: 119, EISNAM: 120, EREMOTEIO: 121, EDQUOT: 122, ENOMEDIUM: 123, EMEDIUMTYPE: 124,
  ECANCELED: 125, ENOKEY: 126, EKEYEXPIRED: 127, EKEYREVOKED: 128, EKEYREJECTED: 129, EOWNERDEAD: 130,
  ENOTRECOVERABLE: 131, ERFKILL: 132,
};

/**
 * The Linux ABI of one CPU architecture.
 *
 * @param arch `x64` or `arm64`.
 */
export function linuxAbi(arch: "x64" | "arm64"): Abi {
  const musl = arch === "x64" ? "libc.musl-x86_64.so.1" : "libc.musl-aarch64.so.1";
  return {
    platform: "linux",
    libraries: ["libc.so.6", musl, "libc.so"],
    // <bits/types/struct_FILE.h>: struct _IO_FILE { int _flags; char *_IO_read_ptr, ... (11 pointers);
    //                             struct _IO_marker *_markers; struct _IO_FILE *_chain; int _fileno; ... };
    threadExit: { register: "__cxa_thread_atexit_impl", FILE: { fileno: 112, filenoSize: 4 } },
    errnoLocation: "__errno_location",
    constants,
    layouts,
    linux: { ...linux, ...systemCalls[arch], epoll_event: epoll_event[arch] },
    levels: LINUX_LEVELS,
    options,
    errno,
  };
}
