/*
 * Darwin's socket functions on Linux: the ABI of Apple's headers (apple.h, made from headers.json), and what XNU refuses, each with file
 * and line of xnu-11417.101.15. Functions have Darwin's names in the library and end in raw system calls.
 *
 * It proves how this project's TypeScript encodes and decodes, which calls it makes, and that it keeps to what XNU was read to demand. It
 * proves nothing of Apple's linker, of arm64's calling convention, or of timing.
 */
#ifndef DARWIN_H
#define DARWIN_H
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "apple.h"

/* The declaration of a function that the library has under Darwin's name. */
#define EXPORT(name) __asm__(#name) __attribute__((visibility("default")))

_Static_assert(sizeof(struct d_msghdr) == 48 && offsetof(struct d_msghdr, msg_control) == 32, "msghdr");
_Static_assert(sizeof(struct d_msghdr_x) == 56 && offsetof(struct d_msghdr_x, msg_datalen) == 48, "msghdr_x");
_Static_assert(sizeof(struct d_cmsghdr) == 12, "cmsghdr");
_Static_assert(sizeof(struct d_kevent) == 32 && offsetof(struct d_kevent, udata) == 24, "kevent");
_Static_assert(sizeof(struct d_sockaddr_in) == 16 && sizeof(struct d_sockaddr_in6) == 28, "sockaddr_in, sockaddr_in6");
_Static_assert(sizeof(struct d_sockaddr_un) == 106 && sizeof(struct d_sockaddr_storage) == 128, "sockaddr_un, sockaddr_storage");
_Static_assert(sizeof(struct d_group_req) == 132 && sizeof(struct d_group_source_req) == 260, "group_req, group_source_req");
_Static_assert(sizeof(struct d_iovec) == sizeof(struct iovec), "iovec is the same on both");

/* errno.c */
int to_darwin(int linux_errno);
long fail(int darwin_errno);
/* A raw system call's result: errno is Linux's and becomes Darwin's. */
long done(long result);

/* sockets.c */
struct socket_state {
  uint8_t domain;    /* 0: not a socket that this library made */
  uint8_t connected;
  uint8_t mapped;    /* its peer was an IPv4-mapped address */
  int sndbuf;
  int error;         /* so_error, in Darwin's numbers, kept until no datagram waits */
};
struct socket_state *state_of(int fd);
/* Linux's form of an address. Both give 0 or Darwin's errno. */
int address_in(struct sockaddr_storage *out, const void *address, uint32_t length, socklen_t *out_length);
uint32_t address_out(void *to, uint32_t room, const struct sockaddr_storage *address, socklen_t length);

/* kqueue.c */
void forget_knotes(int fd);
#endif
