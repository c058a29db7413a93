/* Sockets, their addresses, and the other calls about descriptors. */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <time.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include "darwin.h"

enum { MOST = 65536 };
static struct socket_state states[MOST];
static struct socket_state unknown;

struct socket_state *state_of(int fd) { return fd >= 0 && fd < MOST ? &states[fd] : &unknown; }

static int opened(long fd, int domain) {
  if (fd >= 0) {
    struct socket_state *state = state_of(fd);
    memset(state, 0, sizeof *state);
    state->domain = domain;
    /* udp_sendspace, netinet/udp_usrreq.c:2243; unpdg_sendspace, kern/uipc_usrreq.c:962 */
    state->sndbuf = domain == D_AF_UNIX ? 2048 : 9216;
  }
  return done(fd);
}

static int linux_family(int family) { return family == D_AF_INET6 ? AF_INET6 : family; }

int d_socket(int domain, int type, int protocol) EXPORT(socket);
int d_socket(int domain, int type, int protocol) {
  /* No SOCK_NONBLOCK and SOCK_CLOEXEC: socreate_internal looks the type up as it is, kern/uipc_socket.c */
  if (type & ~0xf) return fail(D_EPROTOTYPE);
  return opened(syscall(SYS_socket, linux_family(domain), type, protocol), domain);
}

int d_socketpair(int domain, int type, int protocol, int *pair) EXPORT(socketpair);
int d_socketpair(int domain, int type, int protocol, int *pair) {
  if (type & ~0xf) return fail(D_EPROTOTYPE);
  long result = syscall(SYS_socketpair, linux_family(domain), type, protocol, pair);
  for (int i = 0; result == 0 && i < 2; i++) opened(pair[i], domain), state_of(pair[i])->connected = 1;
  return done(result);
}

int address_in(struct sockaddr_storage *out, const void *given, uint32_t length, socklen_t *out_length) {
  const uint8_t *bytes = given;
  /* getsockaddr_s, kern/uipc_syscalls.c:3398 and 3406 */
  if (!given || length < offsetof(struct d_sockaddr, sa_data)) return D_EINVAL;
  if (length > sizeof(struct d_sockaddr_storage)) return D_ENAMETOOLONG;
  memset(out, 0, sizeof *out);
  *out_length = length;
  int family = bytes[offsetof(struct d_sockaddr, sa_family)];
  if (family == D_AF_UNIX) {
    struct sockaddr_un *un = (void *)out;
    size_t room = length - offsetof(struct d_sockaddr_un, sun_path);
    if (length > sizeof(struct d_sockaddr_un)) return D_EINVAL;
    size_t path = strnlen((const char *)bytes + offsetof(struct d_sockaddr_un, sun_path), room);
    if (path == 0) return D_ENOENT; /* namei of no name, unp_bind and unp_connect, kern/uipc_usrreq.c */
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, bytes + offsetof(struct d_sockaddr_un, sun_path), path);
    *out_length = offsetof(struct sockaddr_un, sun_path) + path + 1;
    return 0;
  }
  /* The protocols want exactly their own size: in_pcb.c and in6_pcb.c check sin_len and sin6_len, which getsockaddr sets to length. */
  if (family == D_AF_INET && length != sizeof(struct d_sockaddr_in)) return D_EINVAL;
  if (family == D_AF_INET6 && length != sizeof(struct d_sockaddr_in6)) return D_EINVAL;
  if (family != D_AF_INET && family != D_AF_INET6) return D_EAFNOSUPPORT;
  /* Behind the family both systems agree. */
  memcpy((char *)out + 2, bytes + 2, length - 2);
  out->ss_family = linux_family(family);
  return 0;
}

uint32_t address_out(void *to, uint32_t room, const struct sockaddr_storage *given, socklen_t length) {
  uint8_t bytes[sizeof(struct d_sockaddr_storage)] = {0};
  if (length < sizeof(sa_family_t)) return 0;
  memcpy(bytes + 2, (const char *)given + 2, length - 2 < sizeof bytes - 2 ? length - 2 : sizeof bytes - 2);
  int family = given->ss_family;
  /* Without a path: sun_noname, kern/uipc_usrreq.c:801; with one, the whole struct. */
  if (family == AF_UNIX) length = length == sizeof(sa_family_t) ? sizeof(struct d_sockaddr) : sizeof(struct d_sockaddr_un);
  bytes[offsetof(struct d_sockaddr, sa_len)] = length;
  bytes[offsetof(struct d_sockaddr, sa_family)] = family == AF_INET6 ? D_AF_INET6 : family;
  memcpy(to, bytes, room < length ? room : length);
  return length; /* the untruncated one, copyout_sa, kern/uipc_syscalls.c:2025 */
}

int d_bind(int fd, const void *address, uint32_t length) EXPORT(bind);
int d_bind(int fd, const void *address, uint32_t length) {
  struct sockaddr_storage own;
  socklen_t own_length;
  int error = address_in(&own, address, length, &own_length);
  return error ? fail(error) : done(syscall(SYS_bind, fd, &own, own_length));
}

static int disconnect(int fd, uint32_t length) {
  struct socket_state *state = state_of(fd);
  static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
  /* soconnectlock disconnects first, kern/uipc_socket.c:1653, and only then the protocol sees the family. */
  if (state->connected) syscall(SYS_connect, fd, &nobody, sizeof nobody);
  state->connected = 0;
  /* udp6_connect makes :: into ::ffff:0.0.0.0, netinet6/udp6_usrreq.c:934, which in_pcbladdr refuses for its port, in_pcb.c:1590 */
  if (state->domain == D_AF_INET6 && state->mapped) return fail(D_EADDRNOTAVAIL);
  return fail(state->domain == D_AF_INET6 && length != sizeof(struct d_sockaddr_in6) ? D_EINVAL : D_EAFNOSUPPORT);
}

int d_connect(int fd, const void *address, uint32_t length) EXPORT(connect);
int d_connect(int fd, const void *address, uint32_t length) {
  struct socket_state *state = state_of(fd);
  struct sockaddr_storage peer;
  socklen_t peer_length;
  if (address && length >= 2 && ((const uint8_t *)address)[1] == D_AF_UNSPEC) return disconnect(fd, length);
  int error = address_in(&peer, address, length, &peer_length);
  if (error) return fail(error);
  /* in_pcbladdr, netinet/in_pcb.c:1590; in6_pcbladdr likewise */
  if (peer.ss_family != AF_UNIX && ((struct sockaddr_in *)&peer)->sin_port == 0) return fail(D_EADDRNOTAVAIL);
  long result = syscall(SYS_connect, fd, &peer, peer_length);
  if (result == 0) {
    state->connected = 1;
    if (peer.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&peer)->sin6_addr)) state->mapped = 1;
  }
  return done(result);
}

static int own_name(long call, int fd, void *to, uint32_t *length) {
  struct sockaddr_storage name;
  socklen_t name_length = sizeof name;
  long result = syscall(call, fd, &name, &name_length);
  if (result == 0) *length = address_out(to, *length, &name, name_length);
  return done(result);
}

int d_getsockname(int fd, void *to, uint32_t *length) EXPORT(getsockname);
int d_getsockname(int fd, void *to, uint32_t *length) { return own_name(SYS_getsockname, fd, to, length); }

int d_getpeername(int fd, void *to, uint32_t *length) EXPORT(getpeername);
int d_getpeername(int fd, void *to, uint32_t *length) { return own_name(SYS_getpeername, fd, to, length); }

/* Variadic: a Mac reads the third argument from a register (x86-64) or from the stack (arm64). Both have to hold it. */
int d_fcntl(int fd, int command, size_t in_register, size_t, size_t, size_t, size_t, size_t, size_t on_stack) EXPORT(fcntl);
int d_fcntl(int fd, int command, size_t in_register, size_t b, size_t c, size_t d, size_t e, size_t f, size_t on_stack) {
  (void)b, (void)c, (void)d, (void)e, (void)f;
  enum { F_DUPFD_CLOEXEC_HERE = 1030, O_NONBLOCK_HERE = 04000, ACCESS = 3 };
  if (in_register != on_stack) return fail(D_EINVAL);
  long argument = on_stack;
  if (command == D_F_DUPFD_CLOEXEC) {
    long copy = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC_HERE, argument);
    if (copy >= 0) *state_of(copy) = *state_of(fd);
    return done(copy);
  }
  if (command == D_F_SETFL) argument = (argument & ACCESS) | (argument & D_O_NONBLOCK ? O_NONBLOCK_HERE : 0);
  long result = syscall(SYS_fcntl, fd, command, argument);
  if (result >= 0 && command == D_F_GETFL) result = (result & ACCESS) | (result & O_NONBLOCK_HERE ? D_O_NONBLOCK : 0);
  return done(result);
}

int d_close(int fd) EXPORT(close);
int d_close(int fd) {
  forget_knotes(fd);
  memset(state_of(fd), 0, sizeof(struct socket_state));
  return done(syscall(SYS_close, fd));
}

ssize_t d_read(int fd, void *to, size_t n) EXPORT(read);
ssize_t d_read(int fd, void *to, size_t n) { return done(syscall(SYS_read, fd, to, n)); }

ssize_t d_write(int fd, const void *from, size_t n) EXPORT(write);
ssize_t d_write(int fd, const void *from, size_t n) { return done(syscall(SYS_write, fd, from, n)); }

int d_poll(void *fds, unsigned n, int timeout) EXPORT(poll);
int d_poll(void *fds, unsigned n, int timeout) {
  struct timespec time = { timeout / 1000, timeout % 1000 * 1000000L };
  return done(syscall(SYS_ppoll, fds, (unsigned long)n, timeout < 0 ? NULL : &time, NULL, 8));
}

int d_clock_gettime(int clock, void *to) EXPORT(clock_gettime);
int d_clock_gettime(int clock, void *to) {
  if (clock != D_CLOCK_REALTIME && clock != D_CLOCK_MONOTONIC) return fail(D_EINVAL);
  return done(syscall(SYS_clock_gettime, clock == D_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, to));
}

static long interface_call(unsigned long request, struct ifreq *argument) {
  int fd = syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  long result = syscall(SYS_ioctl, fd, request, argument);
  int error = errno;
  syscall(SYS_close, fd);
  errno = error;
  return result < 0 ? fail(D_ENXIO) : 0;
}

unsigned d_if_nametoindex(const char *name) EXPORT(if_nametoindex);
unsigned d_if_nametoindex(const char *name) {
  struct ifreq argument = {0};
  strncpy(argument.ifr_name, name, sizeof argument.ifr_name - 1);
  return interface_call(SIOCGIFINDEX, &argument) < 0 ? 0 : argument.ifr_ifindex;
}

char *d_if_indextoname(unsigned index, char *name) EXPORT(if_indextoname);
char *d_if_indextoname(unsigned index, char *name) {
  struct ifreq argument = { .ifr_ifindex = index };
  if (interface_call(SIOCGIFNAME, &argument) < 0) return NULL;
  return memcpy(name, argument.ifr_name, sizeof argument.ifr_name);
}
