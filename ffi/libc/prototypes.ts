/**
 * The C functions that this module calls, each declared once, as data. A runtime's binding translates this table to its own notation.
 * `tests/headers_test.ts` compares it with the headers by a C compiler.
 *
 * @module
 */

/** The C types that are used. */
export type CType = "int" | "unsigned int" | "long" | "unsigned long" | "socklen_t" | "size_t" | "ssize_t" | "pointer";

/** One function: its result and its parameters, in order, with type and name. */
export interface Prototype {
  readonly result: CType;
  readonly parameters: readonly (readonly [type: CType, name: string])[];
  /** The declaration in the header, which a compiler checks. */
  readonly declaration: string;
}

/** The functions every system has. */
export const COMMON_PROTOTYPES = {
  socket: {
    declaration: "int socket(int domain, int type, int protocol)",
    result: "int",
    parameters: [["int", "domain"], ["int", "type"], ["int", "protocol"]],
  },
  socketpair: {
    declaration: "int socketpair(int domain, int type, int protocol, int sv[2])",
    result: "int",
    parameters: [["int", "domain"], ["int", "type"], ["int", "protocol"], ["pointer", "sv"]],
  },
  bind: {
    declaration: "int bind(int fd, const struct sockaddr *addr, socklen_t len)",
    result: "int",
    parameters: [["int", "fd"], ["pointer", "addr"], ["socklen_t", "len"]],
  },
  connect: {
    declaration: "int connect(int fd, const struct sockaddr *addr, socklen_t len)",
    result: "int",
    parameters: [["int", "fd"], ["pointer", "addr"], ["socklen_t", "len"]],
  },
  getsockname: {
    declaration: "int getsockname(int fd, struct sockaddr *addr, socklen_t *len)",
    result: "int",
    parameters: [["int", "fd"], ["pointer", "addr"], ["pointer", "len"]],
  },
  getpeername: {
    declaration: "int getpeername(int fd, struct sockaddr *addr, socklen_t *len)",
    result: "int",
    parameters: [["int", "fd"], ["pointer", "addr"], ["pointer", "len"]],
  },
  setsockopt: {
    declaration: "int setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen)",
    result: "int",
    parameters: [["int", "fd"], ["int", "level"], ["int", "optname"], ["pointer", "optval"], ["socklen_t", "optlen"]],
  },
  getsockopt: {
    declaration: "int getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)",
    result: "int",
    parameters: [["int", "fd"], ["int", "level"], ["int", "optname"], ["pointer", "optval"], ["pointer", "optlen"]],
  },
  sendmsg: {
    declaration: "ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)",
    result: "ssize_t",
    parameters: [["int", "fd"], ["pointer", "msg"], ["int", "flags"]],
  },
  recvmsg: {
    declaration: "ssize_t recvmsg(int fd, struct msghdr *msg, int flags)",
    result: "ssize_t",
    parameters: [["int", "fd"], ["pointer", "msg"], ["int", "flags"]],
  },
  read: {
    declaration: "ssize_t read(int fd, void *buf, size_t n)",
    result: "ssize_t",
    parameters: [["int", "fd"], ["pointer", "buf"], ["size_t", "n"]],
  },
  write: {
    declaration: "ssize_t write(int fd, const void *buf, size_t n)",
    result: "ssize_t",
    parameters: [["int", "fd"], ["pointer", "buf"], ["size_t", "n"]],
  },
  close: {
    declaration: "int close(int fd)",
    result: "int",
    parameters: [["int", "fd"]],
  },
  clock_gettime: {
    declaration: "int clock_gettime(clockid_t clockid, struct timespec *tp)",
    result: "int",
    parameters: [["int", "clockid"], ["pointer", "tp"]],
  },
  if_nametoindex: {
    declaration: "unsigned int if_nametoindex(const char *ifname)",
    result: "unsigned int",
    parameters: [["pointer", "ifname"]],
  },
  if_indextoname: {
    declaration: "char *if_indextoname(unsigned int ifindex, char *ifname)",
    result: "pointer",
    parameters: [["unsigned int", "ifindex"], ["pointer", "ifname"]],
  },
} as const satisfies Record<string, Prototype>;

/** What a thread waits in. Runtimes call it by other ways than the rest, each with its own. */
export const POLL_PROTOTYPE = {
  declaration: "int poll(struct pollfd *fds, nfds_t nfds, int timeout)",
  result: "int",
  parameters: [["pointer", "fds"], ["unsigned long", "nfds"], ["int", "timeout"]],
} as const satisfies Prototype;

/** Functions that only Linux has. */
export const LINUX_PROTOTYPES = {
  // int fcntl(int fd, int cmd, ...): variadic, which on both Linux ABIs passes the third argument like a named one.
  fcntl: {
    declaration: "int fcntl(int fd, int cmd, ...)",
    result: "int",
    parameters: [["int", "fd"], ["int", "cmd"], ["int", "arg"]],
  },
  // The request decides what the third argument is; here always an address.
  ioctl: {
    declaration: "int ioctl(int fd, unsigned long request, ...)",
    result: "int",
    parameters: [["int", "fd"], ["unsigned long", "request"], ["pointer", "argp"]],
  },
  sendmmsg: {
    declaration: "int sendmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags)",
    result: "int",
    parameters: [["int", "fd"], ["pointer", "msgvec"], ["unsigned int", "vlen"], ["int", "flags"]],
  },
  recvmmsg: {
    declaration: "int recvmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout)",
    result: "int",
    parameters: [
      ["int", "fd"],
      ["pointer", "msgvec"],
      ["unsigned int", "vlen"],
      ["int", "flags"],
      ["pointer", "timeout"],
    ],
  },
  // long syscall(long number, ...): here for calls about one descriptor, of up to five arguments. What a call has not is not read.
  syscall: {
    declaration: "long syscall(long number, ...)",
    result: "long",
    parameters: [
      ["long", "number"],
      ["int", "fd"],
      ["pointer", "msg or msgvec"],
      ["unsigned int", "flags or vlen"],
      ["int", "flags"],
      ["pointer", "timeout"],
    ],
  },
  // Not every C library has it: see TELLING in binding.ts.
  gnu_get_libc_version: {
    declaration: "const char *gnu_get_libc_version(void)",
    result: "pointer",
    parameters: [],
  },
  __errno_location: { declaration: "int *__errno_location(void)", result: "pointer", parameters: [] },
  epoll_create1: {
    declaration: "int epoll_create1(int flags)",
    result: "int",
    parameters: [["int", "flags"]],
  },
  epoll_ctl: {
    declaration: "int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)",
    result: "int",
    parameters: [["int", "epfd"], ["int", "op"], ["int", "fd"], ["pointer", "event"]],
  },
  epoll_wait: {
    declaration: "int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)",
    result: "int",
    parameters: [["int", "epfd"], ["pointer", "events"], ["int", "maxevents"], ["int", "timeout"]],
  },
  eventfd: {
    declaration: "int eventfd(unsigned int initval, int flags)",
    result: "int",
    parameters: [["unsigned int", "initval"], ["int", "flags"]],
  },
} as const satisfies Record<string, Prototype>;

/** Functions that only macOS has, or that are declared differently there. */
export const DARWIN_PROTOTYPES = {
  // int fcntl(int fd, int cmd, ...): Apple's arm64 ABI passes variadic arguments on the stack. With eight integer
  // arguments before it, which fill x0 to x7, the ninth is on the stack; the six between are never read. The x86-64 ABI
  // passes the third in a register, so the value is given in both places.
  fcntl: {
    declaration: "int fcntl(int fd, int cmd, ...)",
    result: "int",
    parameters: [
      ["int", "fd"],
      ["int", "cmd"],
      ["size_t", "arg in rdx"],
      ["size_t", "x3"],
      ["size_t", "x4"],
      ["size_t", "x5"],
      ["size_t", "x6"],
      ["size_t", "x7"],
      ["size_t", "arg on the stack"],
    ],
  },
  __error: { declaration: "int *__error(void)", result: "pointer", parameters: [] },
  kqueue: { declaration: "int kqueue(void)", result: "int", parameters: [] },
  kevent: {
    declaration: "int kevent(int kq, const struct kevent *changelist, int nchanges, struct kevent *eventlist, " +
      "int nevents, const struct timespec *timeout)",
    result: "int",
    parameters: [
      ["int", "kq"],
      ["pointer", "changelist"],
      ["int", "nchanges"],
      ["pointer", "eventlist"],
      ["int", "nevents"],
      ["pointer", "timeout"],
    ],
  },
} as const satisfies Record<string, Prototype>;

/** Name of a C function that some system has. */
export type FunctionName =
  | keyof typeof COMMON_PROTOTYPES
  | keyof typeof LINUX_PROTOTYPES
  | keyof typeof DARWIN_PROTOTYPES;

/** The prototypes of one platform. */
export function prototypesOf(platform: "linux" | "darwin"): Partial<Record<FunctionName, Prototype>> {
  return platform === "linux"
    ? { ...COMMON_PROTOTYPES, ...LINUX_PROTOTYPES }
    : { ...COMMON_PROTOTYPES, ...DARWIN_PROTOTYPES };
}
