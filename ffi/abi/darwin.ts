/**
 * macOS, x86-64 and arm64, written from the headers of its SDK. tests/abi_darwin_test.ts compares them with a table made from Apple's sources.
 *
 * @module
 */
import type { Abi, Constants, DarwinConstants, Layouts } from "./abi.ts";
import { DARWIN_LEVELS, optionNumbers } from "./socket_options.ts";

const options = optionNumbers("darwin");

const constants: Constants = {
  AF_UNSPEC: 0,
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 30,
  SOCK_DGRAM: 2,
  MSG_TRUNC: 0x10,
  MSG_CTRUNC: 0x20,
  SCM_RIGHTS: 0x1,
  F_GETFL: 3,
  F_SETFL: 4,
  F_GETFD: 1,
  F_SETFD: 2,
  F_DUPFD_CLOEXEC: 67,
  FD_CLOEXEC: 1,
  O_NONBLOCK: 0x4,
  CLOCK_REALTIME: 0,
  CLOCK_MONOTONIC: 6,
  POLLIN: 0x1,
  IF_NAMESIZE: 16,
};

const layouts: Layouts = {
  // struct sockaddr { __uint8_t sa_len; sa_family_t sa_family; char sa_data[14]; };
  sockaddr: { sa_len: 0, sa_family: 1, sizeof_sa_family: 1 },
  // struct sockaddr_in { __uint8_t sin_len; sa_family_t sin_family; in_port_t sin_port; struct in_addr sin_addr;
  //                      char sin_zero[8]; };
  sockaddr_in: { size: 16, sin_port: 2, sin_addr: 4 },
  // struct sockaddr_in6 { __uint8_t sin6_len; sa_family_t sin6_family; in_port_t sin6_port; __uint32_t sin6_flowinfo;
  //                       struct in6_addr sin6_addr; __uint32_t sin6_scope_id; };
  sockaddr_in6: { size: 28, sin6_port: 2, sin6_flowinfo: 4, sin6_addr: 8, sin6_scope_id: 24 },
  // struct sockaddr_un { unsigned char sun_len; sa_family_t sun_family; char sun_path[104]; };
  sockaddr_un: { size: 106, sun_path: 2 },
  // struct sockaddr_storage { __uint8_t ss_len; sa_family_t ss_family; char pad1[6]; __int64_t align; char pad2[112]; };
  sockaddr_storage: { size: 128 },
  // struct iovec { void *iov_base; size_t iov_len; };
  iovec: { size: 16, iov_base: 0, iov_len: 8 },
  // struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; int msg_iovlen;
  //                 void *msg_control; socklen_t msg_controllen; int msg_flags; };
  msghdr: {
    size: 48,
    msg_name: 0,
    msg_namelen: 8,
    msg_iov: 16,
    msg_iovlen: 24,
    msg_control: 32,
    msg_controllen: 40,
    msg_flags: 44,
  },
  // struct cmsghdr { socklen_t cmsg_len; int cmsg_level; int cmsg_type; };
  cmsghdr: { size: 12, cmsg_len: 0, cmsg_level: 4, cmsg_type: 8, align: 4 },
  // struct in_pktinfo { unsigned int ipi_ifindex; struct in_addr ipi_spec_dst; struct in_addr ipi_addr; };
  in_pktinfo: { size: 12, ipi_ifindex: 0, ipi_spec_dst: 4, ipi_addr: 8 },
  // struct in6_pktinfo { struct in6_addr ipi6_addr; unsigned int ipi6_ifindex; };
  in6_pktinfo: { size: 20, ipi6_addr: 0, ipi6_ifindex: 16 },
  // struct timespec { __darwin_time_t tv_sec; long tv_nsec; };
  timespec: { size: 16, tv_sec: 0, tv_nsec: 8 },
  // struct timeval { __darwin_time_t tv_sec; __darwin_suseconds_t tv_usec; };
  timeval: { size: 16, tv_sec: 0, tv_usec: 8 },
  // macOS has no mmsghdr. This is a msghdr followed by a length, which this module's own loop fills (see libc/native_libc.ts). It is laid out as
  // struct msghdr_x of the private <sys/socket_private.h>.
  mmsghdr: { size: 56, msg_len: 48 },
  // struct pollfd { int fd; short events; short revents; };
  pollfd: { size: 8, fd: 0, events: 4, revents: 6 },
  // struct ip_mreqn { struct in_addr imr_multiaddr; struct in_addr imr_address; int imr_ifindex; };
  ip_mreqn: { size: 12, imr_multiaddr: 0, imr_address: 4, imr_ifindex: 8 },
  // struct ip_mreq_source { struct in_addr imr_multiaddr; struct in_addr imr_sourceaddr; struct in_addr imr_interface; };
  ip_mreq_source: { size: 12, imr_multiaddr: 0, imr_interface: 8, imr_sourceaddr: 4 },
  // struct ipv6_mreq { struct in6_addr ipv6mr_multiaddr; unsigned int ipv6mr_interface; };
  ipv6_mreq: { size: 20, ipv6mr_multiaddr: 0, ipv6mr_interface: 16 },
  // #pragma pack(4)
  // struct group_req { uint32_t gr_interface; struct sockaddr_storage gr_group; };
  group_req: { size: 132, gr_interface: 0, gr_group: 4 },
  // struct group_source_req { uint32_t gsr_interface; struct sockaddr_storage gsr_group, gsr_source; };
  group_source_req: { size: 260, gsr_interface: 0, gsr_group: 4, gsr_source: 132 },
};

const darwin: DarwinConstants = {
  SCM_TIMESTAMP: 0x2,
  UIPC_MAX_CMSG_FD: 512,
  EVFILT_READ: -1,
  EVFILT_WRITE: -2,
  EVFILT_USER: -10,
  EV_ADD: 0x1,
  EV_DELETE: 0x2,
  EV_CLEAR: 0x20,
  NOTE_TRIGGER: 0x01000000,
  // struct ip6_mtuinfo { struct sockaddr_in6 ip6m_addr; uint32_t ip6m_mtu; };
  ip6_mtuinfo: { size: 32, ip6m_mtu: 28 },
  // struct kevent { uintptr_t ident; int16_t filter; uint16_t flags; uint32_t fflags; intptr_t data; void *udata; };
  kevent: { size: 32, ident: 0, filter: 8, flags: 10, fflags: 12, data: 16, udata: 24 },
};

// <sys/errno.h>
// deno-fmt-ignore
const errno = {
  EPERM: 1, ENOENT: 2, ESRCH: 3, EINTR: 4, EIO: 5, ENXIO: 6, E2BIG: 7, ENOEXEC: 8, EBADF: 9, ECHILD: 10, EDEADLK: 11,
  ENOMEM: 12, EACCES: 13, EFAULT: 14, ENOTBLK: 15, EBUSY: 16, EEXIST: 17, EXDEV: 18, ENODEV: 19, ENOTDIR: 20,
  EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, ENOTTY: 25, ETXTBSY: 26, EFBIG: 27, ENOSPC: 28, ESPIPE: 29,
  EROFS: 30, EMLINK: 31, EPIPE: 32, EDOM: 33, ERANGE: 34, EAGAIN: 35, EINPROGRESS: 36, EALREADY: 37, ENOTSOCK: 38,
  EDESTADDRREQ: 39, EMSGSIZE: 40, EPROTOTYPE: 41, ENOPROTOOPT: 42, EPROTONOSUPPORT: 43, ESOCKTNOSUPPORT: 44,
  ENOTSUP: 45, EPFNOSUPPORT: 46, EAFNOSUPPORT: 47, EADDRINUSE: 48, EADDRNOTAVAIL: 49, ENETDOWN: 50, ENETUNREACH: 51,
  ENETRESET: 52, ECONNABORTED: 53, ECONNRESET: 54, ENOBUFS: 55, EISCONN: 56, ENOTCONN: 57, ESHUTDOWN: 58,
  ETOOMANYREFS: 59, ETIMEDOUT: 60, ECONNREFUSED: 61, ELOOP: 62, ENAMETOOLONG: 63, EHOSTDOWN: 64, EHOSTUNREACH: 65,
  ENOTEMPTY: 66, EPROCLIM: 67, EUSERS: 68, EDQUOT: 69, ESTALE: 70, EREMOTE: 71, EBADRPC: 72, ERPCMISMATCH: 73,
  EPROGUNAVAIL: 74, EPROGMISMATCH: 75, EPROCUNAVAIL: 76, ENOLCK: 77, ENOSYS: 78, EFTYPE: 79, EAUTH: 80, ENEEDAUTH: 81,
  EPWROFF: 82, EDEVERR: 83, EOVERFLOW: 84, EBADEXEC: 85, EBADARCH: 86, ESHLIBVERS: 87, EBADMACHO: 88, ECANCELED: 89,
  EIDRM: 90, ENOMSG: 91, EILSEQ: 92, ENOATTR: 93, EBADMSG: 94, EMULTIHOP: 95, ENODATA: 96, ENOLINK: 97, ENOSR: 98,
  ENOSTR: 99, EPROTO: 100, ETIME: 101, EOPNOTSUPP: 102, ENOPOLICY: 103, ENOTRECOVERABLE: 104, EOWNERDEAD: 105, EQFULL: 106,
};

/** The ABI of macOS; x86-64 and arm64 agree in all of it. */
export const DARWIN: Abi = {
  platform: "darwin",
  // dyld searches no default folder for programs built since macOS 14.
  libraries: ["/usr/lib/libSystem.B.dylib", "libSystem.B.dylib"],
  // <_stdio.h>: typedef struct __sFILE { unsigned char *_p; int _r; int _w; short _flags; short _file; ... } FILE;
  threadExit: { register: "_tlv_atexit", FILE: { fileno: 18, filenoSize: 2 } },
  errnoLocation: "__error",
  constants,
  layouts,
  darwin,
  levels: DARWIN_LEVELS,
  options,
  errno,
};
