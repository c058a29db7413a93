/*
 * Which socket options and messages a system takes: a line for each that it refuses. Run natively and under qemu-user it shows what only the
 * emulator lacks, whatever the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long result) {
  if (result < 0) printf("%s %s\n", what, strerrorname_np(errno));
}

static int on = 1;
#define SET(fd, level, name) say("setsockopt " #name, setsockopt(fd, level, name, &on, sizeof on))
#define SET_TO(fd, level, name, value) say("setsockopt " #name, setsockopt(fd, level, name, &(value), sizeof(value)))

static int bound(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
  say("bind", bind(fd, (void *)&address, sizeof address));
  return fd;
}

/* Sends a datagram with one control message, to itself. */
static void send_with(int fd, const char *what, int level, int type, const void *data, size_t size) {
  struct sockaddr_in own;
  socklen_t length = sizeof own;
  getsockname(fd, (void *)&own, &length);
  union { char bytes[256]; struct cmsghdr header; } control = {0};
  char text[100];
  struct iovec part = { text, sizeof text };
  struct msghdr message = { &own, length, &part, 1, &control, CMSG_SPACE(size), 0 };
  control.header = (struct cmsghdr){ CMSG_LEN(size), level, type };
  memcpy(CMSG_DATA(&control.header), data, size);
  errno = 0;
  say(what, sendmsg(fd, &message, 0));
  message = (struct msghdr){ NULL, 0, &part, 1, &control, sizeof control, 0 };
  while (recvmsg(fd, &message, MSG_DONTWAIT) >= 0);
}

static void udp4(void) {
  int fd = bound();
  SET(fd, SOL_SOCKET, SO_BROADCAST), SET(fd, SOL_SOCKET, SO_REUSEPORT), SET(fd, SOL_SOCKET, SO_TIMESTAMPNS);
  SET(fd, SOL_SOCKET, SO_RXQ_OVFL), SET(fd, SOL_SOCKET, SO_PRIORITY), SET(fd, SOL_SOCKET, SO_BUSY_POLL);
  int stamps = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID;
  SET_TO(fd, SOL_SOCKET, SO_TIMESTAMPING, stamps);
  struct sock_txtime clock = { CLOCK_TAI, 0 };
  SET_TO(fd, SOL_SOCKET, SO_TXTIME, clock);
  struct ip_mreqn group = { { htonl(0xef4d0101) }, { htonl(INADDR_LOOPBACK) }, 0 };
  struct ip_mreq_source source = { { htonl(0xe84d0101) }, { htonl(INADDR_LOOPBACK) }, { htonl(INADDR_LOOPBACK) } };
  SET_TO(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, group), SET_TO(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, source);
  SET_TO(fd, IPPROTO_IP, IP_MULTICAST_IF, group), SET(fd, IPPROTO_IP, IP_MULTICAST_LOOP), SET(fd, IPPROTO_IP, IP_MULTICAST_ALL);
  SET(fd, IPPROTO_IP, IP_PKTINFO), SET(fd, IPPROTO_IP, IP_RECVTOS), SET(fd, IPPROTO_IP, IP_RECVTTL), SET(fd, IPPROTO_IP, IP_RECVERR);
  SET(fd, IPPROTO_IP, IP_RECVORIGDSTADDR), SET(fd, IPPROTO_IP, IP_FREEBIND), SET(fd, IPPROTO_IP, IP_MTU_DISCOVER);
  SET(fd, SOL_UDP, UDP_GRO);
  uint16_t segment = 10;
  int ttl = 9;
  struct in_pktinfo from = { 0, { htonl(INADDR_LOOPBACK) }, { 0 } };
  send_with(fd, "sendmsg UDP_SEGMENT", SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
  send_with(fd, "sendmsg IP_TTL", IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
  send_with(fd, "sendmsg IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, &from, sizeof from);
  int value[64];
  socklen_t length = sizeof value;
  say("getsockopt SO_MEMINFO", getsockopt(fd, SOL_SOCKET, SO_MEMINFO, value, &length));
  length = sizeof value;
  say("getsockopt SO_DOMAIN", getsockopt(fd, SOL_SOCKET, SO_DOMAIN, value, &length));
  length = sizeof value;
  say("getsockopt SO_PROTOCOL", getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, value, &length));
  length = sizeof value;
  say("getsockopt UDP_GRO", getsockopt(fd, SOL_UDP, UDP_GRO, value, &length));
  close(fd);
}

static void udp6(void) {
  int fd = socket(AF_INET6, SOCK_DGRAM, 0), zero = 0, hops = 3;
  struct ipv6_mreq group = { .ipv6mr_interface = 1 };
  group.ipv6mr_multiaddr.s6_addr[0] = 0xff, group.ipv6mr_multiaddr.s6_addr[1] = 0x01, group.ipv6mr_multiaddr.s6_addr[15] = 0x77;
  struct group_source_req source = { .gsr_interface = 1 };
  struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = group.ipv6mr_multiaddr };
  memcpy(&source.gsr_group, &address, sizeof address);
  address.sin6_addr = in6addr_loopback;
  memcpy(&source.gsr_source, &address, sizeof address);
  SET(fd, IPPROTO_IPV6, IPV6_V6ONLY), SET(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO), SET(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
  SET(fd, IPPROTO_IPV6, IPV6_RECVTCLASS), SET(fd, IPPROTO_IPV6, IPV6_RECVERR), SET(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF);
  SET(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL), SET(fd, IPPROTO_IPV6, IPV6_DONTFRAG), SET_TO(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, zero);
  SET_TO(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops), SET_TO(fd, IPPROTO_IPV6, IPV6_TCLASS, hops);
  SET_TO(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, group), SET_TO(fd, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, source);
  close(fd);
}

static void unix_sockets(void) {
  int pair[2];
  say("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  SET(pair[0], SOL_SOCKET, SO_PASSCRED);
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  say("getsockopt SO_PEERCRED", getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &credentials, &length));
  struct mmsghdr none;
  say("sendmmsg of none", syscall(SYS_sendmmsg, pair[0], &none, 0, 0));
  int descriptors[253];
  for (int i = 0; i < 253; i++) descriptors[i] = 1;
  union { char bytes[CMSG_SPACE(sizeof descriptors)]; struct cmsghdr header; } control = { .header = { CMSG_LEN(sizeof descriptors), SOL_SOCKET, SCM_RIGHTS } };
  memcpy(CMSG_DATA(&control.header), descriptors, sizeof descriptors);
  struct iovec part = { "x", 1 };
  struct msghdr message = { NULL, 0, &part, 1, &control, sizeof control, 0 };
  say("sendmsg of 253 descriptors", sendmsg(pair[1], &message, 0));
}

int main(void) {
  udp4(), udp6(), unix_sockets();
}
