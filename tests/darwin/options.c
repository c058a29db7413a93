/* Socket options: Darwin's levels, names and structs, and Linux's for them. */
#include <sys/ioctl.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include "darwin.h"

#define SOCKET(name) { D_SOL_SOCKET, D_##name, SOL_SOCKET, name }
#define IPV4(name) { D_IPPROTO_IP, D_##name, IPPROTO_IP, name }
#define IPV6(name) { D_IPPROTO_IPV6, D_##name, IPPROTO_IPV6, name }
static const struct option { int level, name, linux_level, linux_name; } options[] = {
  SOCKET(SO_REUSEADDR), SOCKET(SO_BROADCAST), SOCKET(SO_SNDBUF), SOCKET(SO_RCVBUF), SOCKET(SO_ERROR),
  /* Sockets with the same address do not share the load: in_pcbinshash puts the newest first, netinet/in_pcb.c */
  { D_SOL_SOCKET, D_SO_REUSEPORT, SOL_SOCKET, SO_REUSEADDR }, SOCKET(SO_TYPE), SOCKET(SO_TIMESTAMP), SOCKET(SO_DONTROUTE), SOCKET(SO_KEEPALIVE),
  IPV4(IP_TOS), IPV4(IP_TTL), IPV4(IP_RECVTTL), IPV4(IP_RECVTOS), IPV4(IP_PKTINFO), IPV4(IP_MULTICAST_IF), IPV4(IP_MULTICAST_TTL),
  IPV4(IP_MULTICAST_LOOP), IPV4(IP_ADD_MEMBERSHIP), IPV4(IP_DROP_MEMBERSHIP), IPV4(IP_ADD_SOURCE_MEMBERSHIP),
  IPV4(IP_DROP_SOURCE_MEMBERSHIP), IPV4(IP_BLOCK_SOURCE), IPV4(IP_UNBLOCK_SOURCE),
  IPV4(MCAST_JOIN_GROUP), IPV6(MCAST_JOIN_GROUP),
  IPV4(MCAST_LEAVE_GROUP), IPV6(MCAST_LEAVE_GROUP),
  IPV4(MCAST_JOIN_SOURCE_GROUP), IPV6(MCAST_JOIN_SOURCE_GROUP),
  IPV4(MCAST_LEAVE_SOURCE_GROUP), IPV6(MCAST_LEAVE_SOURCE_GROUP),
  IPV4(MCAST_BLOCK_SOURCE), IPV6(MCAST_BLOCK_SOURCE),
  IPV4(MCAST_UNBLOCK_SOURCE), IPV6(MCAST_UNBLOCK_SOURCE),
  IPV6(IPV6_UNICAST_HOPS), IPV6(IPV6_MULTICAST_IF), IPV6(IPV6_MULTICAST_HOPS), IPV6(IPV6_MULTICAST_LOOP), IPV6(IPV6_JOIN_GROUP),
  IPV6(IPV6_LEAVE_GROUP), IPV6(IPV6_V6ONLY), IPV6(IPV6_RECVTCLASS), IPV6(IPV6_TCLASS), IPV6(IPV6_RECVHOPLIMIT),
  IPV6(IPV6_RECVPKTINFO), IPV6(IPV6_DONTFRAG),
};

/* NULL with Darwin's errno: there is no such option. */
static const struct option *find(int fd, int level, int name) {
  /* ip6_ctloutput knows no options of IPv4, netinet6/ip6_output.c:2432 and 3203 */
  if (level == D_IPPROTO_IP && state_of(fd)->domain == D_AF_INET6) return fail(D_EINVAL), NULL;
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (options[i].level == level && options[i].name == name) return &options[i];
  return fail(D_ENOPROTOOPT), NULL;
}

/* IP_BOUND_IF and IPV6_BOUND_IF: an index. */
static int bind_to_interface(int fd, int index) {
  struct ifreq argument = { .ifr_ifindex = index };
  if (index && syscall(SYS_ioctl, fd, SIOCGIFNAME, &argument) < 0) return fail(D_ENXIO);
  return done(syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, argument.ifr_name, index ? IFNAMSIZ : 0));
}

/* group_req and group_source_req begin with the index; addresses lie at offset 4 and 132 here, at 8 and 136 there. */
static int group_in(int level, int name, char *value, uint32_t *length) {
  int addresses = name == D_MCAST_JOIN_GROUP || name == D_MCAST_LEAVE_GROUP ? 1 : 2;
  uint32_t size = addresses == 1 ? sizeof(struct d_group_req) : sizeof(struct d_group_source_req);
  char result[264] = {0};
  if (*length < size) return D_EINVAL; /* sooptcopyin, netinet/in_mcast.c:2167 */
  memcpy(result, value, 4);
  /* netinet/in_mcast.c:2201: an index of 0 is no interface */
  if (level == D_IPPROTO_IP && *(uint32_t *)value == 0) return D_EADDRNOTAVAIL;
  for (int i = 0; i < addresses; i++) {
    struct sockaddr_storage address;
    socklen_t used;
    const uint8_t *at = (uint8_t *)value + 4 + 128 * i;
    uint32_t wanted = level == D_IPPROTO_IP ? sizeof(struct d_sockaddr_in) : sizeof(struct d_sockaddr_in6);
    /* sin_family and sin_len have to be right, netinet/in_mcast.c:2180 */
    if (at[0] != wanted || at[1] != (level == D_IPPROTO_IP ? D_AF_INET : D_AF_INET6)) return D_EINVAL;
    int error = address_in(&address, at, wanted, &used);
    if (error) return error;
    memcpy(result + 8 + 128 * i, &address, 128);
  }
  *length = 8 + 128 * addresses;
  memcpy(value, result, *length);
  return 0;
}

/* What XNU reads of an option of IPv4 with a struct, in Linux's form. */
static int ipv4_in(int name, char *value, uint32_t *length) {
  switch (name) {
    case D_IP_ADD_MEMBERSHIP:
    case D_IP_DROP_MEMBERSHIP: /* ip_mreq: no index is read, netinet/in_mcast.c:2132 and 2459 */
      if (*length < sizeof(struct d_ip_mreq)) return D_EINVAL;
      *length = sizeof(struct d_ip_mreq);
      return 0;
    case D_IP_MULTICAST_IF: /* of an ip_mreqn only the index, netinet/in_mcast.c:2698; else an address */
      if (*length == sizeof(struct d_ip_mreqn)) memset(value, 0, offsetof(struct d_ip_mreqn, imr_ifindex));
      else if (*length < sizeof(struct d_in_addr)) return D_EINVAL;
      else *length = sizeof(struct d_in_addr);
      return 0;
    case D_IP_MULTICAST_TTL:
    case D_IP_MULTICAST_LOOP:
      return *length == 1 || *length == 4 ? 0 : D_EINVAL;
    case D_IP_ADD_SOURCE_MEMBERSHIP:
    case D_IP_DROP_SOURCE_MEMBERSHIP:
    case D_IP_BLOCK_SOURCE:
    case D_IP_UNBLOCK_SOURCE: { /* ip_mreq_source: the source before the interface, netinet/in.h:540 */
      if (*length < sizeof(struct d_ip_mreq_source)) return D_EINVAL;
      uint32_t source;
      memcpy(&source, value + 4, 4), memcpy(value + 4, value + 8, 4), memcpy(value + 8, &source, 4);
      return 0;
    }
    default:
      return *length < sizeof(int) ? D_EINVAL : 0;
  }
}

int d_setsockopt(int fd, int level, int name, const void *given, uint32_t length) EXPORT(setsockopt);
int d_setsockopt(int fd, int level, int name, const void *given, uint32_t length) {
  char value[512] = {0};
  int error = 0;
  if ((level == D_IPPROTO_IP && name == D_IP_BOUND_IF) || (level == D_IPPROTO_IPV6 && name == D_IPV6_BOUND_IF))
    return length < sizeof(int) ? fail(D_EINVAL) : bind_to_interface(fd, *(const int *)given);
  const struct option *option = find(fd, level, name);
  if (!option) return -1;
  if (length > sizeof value) return fail(D_EINVAL);
  memcpy(value, given, length);
  if (level != D_SOL_SOCKET && name >= D_MCAST_JOIN_GROUP && name <= D_MCAST_UNBLOCK_SOURCE) error = group_in(level, name, value, &length);
  else if (level == D_IPPROTO_IP) error = ipv4_in(name, value, &length);
  else if (length < sizeof(int)) error = D_EINVAL;
  if (error) return fail(error);
  long result = done(syscall(SYS_setsockopt, fd, option->linux_level, option->linux_name, value, length));
  /* No such interface: netinet/in_mcast.c:2210, netinet6/in6_mcast.c likewise */
  int is_group = (level == D_IPPROTO_IP && (name == D_IP_ADD_MEMBERSHIP || name >= D_IP_ADD_SOURCE_MEMBERSHIP)) ||
    (level == D_IPPROTO_IPV6 && (name == D_IPV6_JOIN_GROUP || name >= D_MCAST_JOIN_GROUP));
  if (result < 0 && errno == ENODEV && is_group) return fail(D_EADDRNOTAVAIL);
  if (result == 0 && level == D_SOL_SOCKET && name == D_SO_SNDBUF) state_of(fd)->sndbuf = *(int *)value;
  return result;
}

/* SO_NREAD and SO_NWRITE: an int. */
static int queued(int fd, unsigned long request, int *value, uint32_t *length) {
  int bytes = 0;
  long result = syscall(SYS_ioctl, fd, request, &bytes);
  if (result == 0) *value = bytes, *length = sizeof bytes;
  return done(result);
}

int d_getsockopt(int fd, int level, int name, void *value, uint32_t *length) EXPORT(getsockopt);
int d_getsockopt(int fd, int level, int name, void *value, uint32_t *length) {
  struct socket_state *state = state_of(fd);
  if (level == D_SOL_SOCKET && name == D_SO_NREAD) return queued(fd, SIOCINQ, value, length);
  if (level == D_SOL_SOCKET && name == D_SO_NWRITE) return queued(fd, SIOCOUTQ, value, length);
  const struct option *option = find(fd, level, name);
  if (!option) return -1;
  long result = done(syscall(SYS_getsockopt, fd, option->linux_level, option->linux_name, value, length));
  if (result != 0 || level != D_SOL_SOCKET || *length < sizeof(int)) return result;
  int *number = value;
  if (name == D_SO_RCVBUF) *number /= 2; /* Linux doubles it */
  if (name == D_SO_SNDBUF) *number = state->domain ? state->sndbuf : *number / 2;
  if (name == D_SO_ERROR) {
    *number = state->error ? state->error : to_darwin(*number);
    state->error = 0;
  }
  return result;
}
