/**
 * The border to the C library.
 *
 * Every call returns its count or descriptor, or a negative errno. Nothing here throws if an operation fails; EAGAIN and EINTR are
 * ordinary results. It is an interface, so that a test can replace it.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Memory, Pointer } from "./memory.ts";
import type { DescriptorOwner } from "./thread_exit.ts";

/** The C library's functions, under their own names. */
export interface Libc {
  /** Constants and layouts that belong to it. */
  readonly abi: Abi;
  /** Closes descriptors that are still open when this thread ends. */
  readonly owner: DescriptorOwner;

  /** Allocates zeroed memory that native code may address. */
  allocate(size: number): Memory;
  /**
   * The same, for memory that user code may access: its buffer cannot be detached. The size is rounded up to 64 KiB. Undefined if
   * the engine has no such memory.
   */
  allocateShown(size: number): Memory | undefined;
  /**
   * Makes memory that JavaScript has allocated addressable.
   *
   * @param buffer A buffer that user code cannot access yet, as it could detach it.
   */
  addressable(buffer: ArrayBuffer): Memory;
  /** Makes an argument that points into `memory`. It allocates: make it once and keep it. */
  pointer(memory: Memory, offset?: number): Pointer;

  /** `int socket(int domain, int type, int protocol)` */
  socket(domain: number, type: number, protocol: number): number;
  /** `int socketpair(int domain, int type, int protocol, int sv[2])` */
  socketpair(domain: number, type: number, protocol: number, sv: Pointer): number;
  /** `int bind(int fd, const struct sockaddr *addr, socklen_t len)` */
  bind(fd: number, addr: Pointer, len: number): number;
  /** `int connect(int fd, const struct sockaddr *addr, socklen_t len)` */
  connect(fd: number, addr: Pointer, len: number): number;
  /** `int getsockname(int fd, struct sockaddr *addr, socklen_t *len)` */
  getsockname(fd: number, addr: Pointer, len: Pointer): number;
  /** `int getpeername(int fd, struct sockaddr *addr, socklen_t *len)` */
  getpeername(fd: number, addr: Pointer, len: Pointer): number;
  /** `int setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen)` */
  setsockopt(fd: number, level: number, optname: number, optval: Pointer, optlen: number): number;
  /** `int getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)` */
  getsockopt(fd: number, level: number, optname: number, optval: Pointer, optlen: Pointer): number;
  /** `ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)` */
  sendmsg(fd: number, msg: Pointer, flags: number): number;
  /** `ssize_t recvmsg(int fd, struct msghdr *msg, int flags)` */
  recvmsg(fd: number, msg: Pointer, flags: number): number;
  /**
   * `int sendmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags)`.
   * On macOS, and if the system call is missing or refused, a loop of `sendmsg` with the same result.
   */
  sendmmsg(fd: number, msgvec: Pointer, vlen: number, flags: number): number;
  /**
   * `int recvmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout)`, without the
   * timeout. On macOS, and if the system call is missing or refused, a loop of `recvmsg` with the same result.
   */
  recvmmsg(fd: number, msgvec: Pointer, vlen: number, flags: number): number;
  /** `ssize_t read(int fd, void *buf, size_t n)` */
  read(fd: number, buf: Pointer, n: number): number;
  /** `ssize_t write(int fd, const void *buf, size_t n)` */
  write(fd: number, buf: Pointer, n: number): number;
  /** `int close(int fd)`. If it throws, as with a full stack, it was not called. */
  close(fd: number): number;
  /** `int fcntl(int fd, int cmd, int arg)` */
  fcntl(fd: number, cmd: number, arg: number): number;
  /** `int clock_gettime(clockid_t clockid, struct timespec *tp)` */
  clock_gettime(clockid: number, tp: Pointer): number;
  /** `unsigned int if_nametoindex(const char *ifname)`: the index, or a negative errno. */
  if_nametoindex(ifname: Pointer): number;
  /** `char *if_indextoname(unsigned int ifindex, char *ifname)`: 0, or a negative errno. */
  if_indextoname(ifindex: number, ifname: Pointer): number;

  /** Linux: `int ioctl(int fd, unsigned long request, ...)` of a request that reads or writes an int. */
  ioctl(fd: number, request: number, argp: Pointer): number;
  /** Linux: `int epoll_create1(int flags)` */
  epoll_create1(flags: number): number;
  /** Linux: `int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)` */
  epoll_ctl(epfd: number, op: number, fd: number, event: Pointer | null): number;
  /** Linux: `int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)` */
  epoll_wait(epfd: number, events: Pointer, maxevents: number, timeout: number): number;
  /** Linux: `int eventfd(unsigned int initval, int flags)` */
  eventfd(initval: number, flags: number): number;

  /** macOS: `int kqueue(void)` */
  kqueue(): number;
  /** macOS: `int kevent(int kq, const struct kevent *, int, struct kevent *, int, const struct timespec *)` */
  kevent(
    kq: number,
    changelist: Pointer | null,
    nchanges: number,
    eventlist: Pointer | null,
    nevents: number,
    timeout: Pointer | null,
  ): number;
}

/** Repeats a call while it is interrupted by a signal. Not for `close`, which closes even if it is interrupted. */
export function retryOnEintr(abi: Abi, call: () => number): number {
  let result: number;
  do result = call(); while (result === -abi.errno.EINTR);
  return result;
}
