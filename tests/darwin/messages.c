/* sendmsg and recvmsg, with control messages both ways. */
#include "darwin.h"

enum { CONTROL_ROOM = 8192, DATA_ROOM = 2048 };
#define PADDED(n, to) (((n) + (to) - 1) & ~(size_t)((to) - 1))
/* __DARWIN_ALIGN32, as sys/socket.h has it for CMSG_DATA and CMSG_SPACE. */
#define DARWIN_ALIGN 4

struct control { int level, type; size_t size; uint8_t data[DATA_ROOM]; };

/* What a message to be sent becomes on Linux; type -1: XNU passes it over. Gives Darwin's errno. */
static int sent_control(struct control *c) {
  int is_int = c->size == sizeof(int);
  int level = c->level, type = c->type;
  c->type = -1;
  if (level == D_IPPROTO_IP && type == D_IP_PKTINFO) {
    struct d_in_pktinfo *info = (void *)c->data;
    if (c->size != sizeof *info) return D_EINVAL; /* udp_check_pktinfo, netinet/udp_usrreq.c:1511 */
    if (info->ipi_ifindex) info->ipi_spec_dst.s_addr = 0; /* the index takes precedence, netinet/udp_usrreq.c:1526 */
    c->type = IP_PKTINFO;
  } else if (level == D_IPPROTO_IP && type == D_IP_TOS) {
    if (is_int) c->type = IP_TOS; /* so_tos_from_control, netinet/in_tclass.c:1075 */
  } else if (level == D_IPPROTO_IPV6) {
    /* ip6_setpktopt, netinet6/ip6_output.c:4389 and 4414: sizes have to be right */
    if (type == D_IPV6_PKTINFO && c->size != sizeof(struct d_in6_pktinfo)) return D_EINVAL;
    if ((type == D_IPV6_HOPLIMIT || type == D_IPV6_TCLASS || type == D_IPV6_DONTFRAG) && !is_int) return D_EINVAL;
    c->type = type == D_IPV6_PKTINFO ? IPV6_PKTINFO : type == D_IPV6_HOPLIMIT ? IPV6_HOPLIMIT :
      type == D_IPV6_TCLASS ? IPV6_TCLASS : type == D_IPV6_DONTFRAG ? IPV6_DONTFRAG : -1;
  }
  return 0;
}

/* Linux's control data for Darwin's: its length, or minus Darwin's errno. */
static long controls_in(uint8_t *out, const uint8_t *in, uint32_t length, int domain) {
  size_t end = 0;
  /* sockargs, kern/uipc_syscalls.c:3278: it has to fit into MCLBYTES with descriptors as wide as pointers */
  if ((length - sizeof(struct d_cmsghdr)) * 2 + sizeof(struct d_cmsghdr) > 2048) return -D_EINVAL;
  for (size_t at = 0; at + sizeof(struct d_cmsghdr) <= length;) {
    struct control c;
    const struct d_cmsghdr *header = (const void *)(in + at);
    if (header->cmsg_len < sizeof *header || at + header->cmsg_len > length) return -D_EINVAL;
    c.level = header->cmsg_level, c.type = header->cmsg_type, c.size = header->cmsg_len - sizeof *header;
    memcpy(c.data, header + 1, c.size);
    if (domain == D_AF_UNIX) {
      /* unp_internalize, kern/uipc_usrreq.c:2504: one message, descriptors, and nothing beside */
      if (c.type != D_SCM_RIGHTS || c.level != D_SOL_SOCKET || header->cmsg_len != length) return -D_EINVAL;
      c.level = SOL_SOCKET, c.type = SCM_RIGHTS;
    } else {
      int error = sent_control(&c);
      if (error) return -error;
    }
    if (c.type >= 0) {
      struct cmsghdr *made = (void *)(out + end);
      made->cmsg_len = CMSG_LEN(c.size), made->cmsg_level = c.level, made->cmsg_type = c.type;
      memcpy(CMSG_DATA(made), c.data, c.size);
      end += CMSG_SPACE(c.size);
    }
    at += PADDED(header->cmsg_len, DARWIN_ALIGN);
  }
  return end;
}

/* What a received message is on Darwin; type -1: it is not given. */
static void received_control(struct control *c, int domain) {
  int level = c->level, type = c->type;
  c->type = -1;
  if (level == IPPROTO_IP && type == IP_PKTINFO) {
    c->type = D_IP_PKTINFO;
  } else if (level == IPPROTO_IP && type == IP_TTL && domain == D_AF_INET) {
    /* A byte; of IPv4 on a socket of IPv6 nothing, netinet6/ip6_input.c:1860 */
    c->type = D_IP_RECVTTL, c->size = 1;
  } else if (level == IPPROTO_IP && type == IP_TOS) {
    c->type = D_IP_RECVTOS, c->size = 1;
  } else if (level == IPPROTO_IPV6) {
    c->type = type == IPV6_PKTINFO ? D_IPV6_PKTINFO : type == IPV6_HOPLIMIT ? D_IPV6_HOPLIMIT : type == IPV6_TCLASS ? D_IPV6_TCLASS : -1;
  } else if (level == SOL_SOCKET && (type == SO_TIMESTAMP || type == SCM_RIGHTS)) {
    c->level = D_SOL_SOCKET;
    c->type = type == SCM_RIGHTS ? D_SCM_RIGHTS : D_SCM_TIMESTAMP;
  }
}

/* copyout_control, kern/uipc_syscalls.c:2032: a message without enough room is cut, and keeps its whole length. */
static uint32_t controls_out(uint8_t *out, uint32_t room, struct msghdr *from, int *flags, int domain) {
  uint32_t end = 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(from); header; header = CMSG_NXTHDR(from, header)) {
    struct control c = { header->cmsg_level, header->cmsg_type, header->cmsg_len - CMSG_LEN(0), {0} };
    uint8_t made[sizeof(struct d_cmsghdr) + DATA_ROOM] = {0};
    memcpy(c.data, CMSG_DATA(header), c.size);
    received_control(&c, domain);
    if (c.type < 0 || end == room) continue;
    struct d_cmsghdr head = { sizeof head + c.size, c.level, c.type };
    memcpy(made, &head, sizeof head);
    memcpy(made + sizeof head, c.data, c.size);
    uint32_t whole = PADDED(head.cmsg_len, DARWIN_ALIGN), part = whole < room - end ? whole : room - end;
    if (part < whole) *flags |= D_MSG_CTRUNC;
    memcpy(out + end, made, part);
    end += part;
  }
  return end;
}

ssize_t d_sendmsg(int fd, const struct d_msghdr *message, int flags) EXPORT(sendmsg);
ssize_t d_sendmsg(int fd, const struct d_msghdr *message, int flags) {
  struct socket_state *state = state_of(fd);
  struct sockaddr_storage name;
  _Alignas(struct cmsghdr) uint8_t control[CONTROL_ROOM];
  struct msghdr made = { .msg_iov = (void *)message->msg_iov, .msg_iovlen = message->msg_iovlen };
  if (message->msg_iovlen <= 0 || message->msg_iovlen > 1024) return fail(D_EMSGSIZE);
  if (message->msg_name) { /* sendit, kern/uipc_syscalls.c:1324: whatever msg_namelen says */
    int error = address_in(&name, message->msg_name, message->msg_namelen, &made.msg_namelen);
    if (error) return fail(error);
    if (state->connected) return fail(D_EISCONN); /* udp_output, netinet/udp_usrreq.c:1793; uipc_send, kern/uipc_usrreq.c */
    made.msg_name = &name;
  }
  if (message->msg_control) { /* sendit, kern/uipc_syscalls.c:1341 */
    if (message->msg_controllen < sizeof(struct d_cmsghdr)) return fail(D_EINVAL);
    long length = controls_in(control, message->msg_control, message->msg_controllen, state->domain);
    if (length < 0) return fail(-length);
    made.msg_control = control, made.msg_controllen = length;
  }
  size_t total = 0;
  for (int i = 0; i < message->msg_iovlen; i++) total += message->msg_iov[i].iov_len;
  /* An atomic message larger than the send buffer: sosendcheck, kern/uipc_socket.c */
  if (state->domain && total > (size_t)state->sndbuf) return fail(D_EMSGSIZE);
  if (state->error) { /* so_error comes first, sosendcheck */
    int error = state->error;
    state->error = 0;
    return fail(error);
  }
  long result = syscall(SYS_sendmsg, fd, &made, (flags & D_MSG_DONTWAIT ? MSG_DONTWAIT : 0) | MSG_NOSIGNAL);
  /* A Unix peer whose queue is full: sbappendaddr, kern/uipc_usrreq.c:502 */
  if (result < 0 && errno == EAGAIN && state->domain == D_AF_UNIX) return fail(D_ENOBUFS);
  return done(result);
}

/* An error that is pending comes after the datagrams that wait, kern/uipc_socket.c:3535. Linux gives it first. */
static long receive(int fd, struct msghdr *message, int flags) {
  struct socket_state *state = state_of(fd);
  struct msghdr again = *message;
  long result = syscall(SYS_recvmsg, fd, message, flags);
  if (result < 0 && errno != EAGAIN && errno != EINTR && errno != EBADF && errno != ENOTSOCK && state->domain) {
    state->error = to_darwin(errno);
    *message = again;
    result = syscall(SYS_recvmsg, fd, message, flags);
  }
  if (result < 0 && errno == EAGAIN && state->error) {
    int error = state->error;
    state->error = 0;
    return fail(error);
  }
  return done(result);
}

ssize_t d_recvmsg(int fd, struct d_msghdr *message, int flags) EXPORT(recvmsg);
ssize_t d_recvmsg(int fd, struct d_msghdr *message, int flags) {
  struct socket_state *state = state_of(fd);
  struct sockaddr_storage name = {0};
  _Alignas(struct cmsghdr) uint8_t control[CONTROL_ROOM];
  /* With room in any case: soreceive_ctl installs descriptors whether or not the caller has some, kern/uipc_socket.c:3177 */
  struct msghdr made = { &name, sizeof name, (void *)message->msg_iov, message->msg_iovlen, control, sizeof control, 0 };
  long result = receive(fd, &made, (flags & D_MSG_DONTWAIT ? MSG_DONTWAIT : 0) | (flags & D_MSG_PEEK ? MSG_PEEK : 0));
  if (result < 0) return result;
  message->msg_flags = (made.msg_flags & MSG_TRUNC ? D_MSG_TRUNC : 0) | (made.msg_flags & MSG_CTRUNC ? D_MSG_CTRUNC : 0);
  if (message->msg_name) {
    if (made.msg_namelen == 0 && state->domain == D_AF_UNIX) name.ss_family = AF_UNIX, made.msg_namelen = sizeof(sa_family_t);
    message->msg_namelen = address_out(message->msg_name, message->msg_namelen, &name, made.msg_namelen);
  }
  if (message->msg_control)
    message->msg_controllen = controls_out(message->msg_control, message->msg_controllen, &made, &message->msg_flags, state->domain);
  return result;
}
