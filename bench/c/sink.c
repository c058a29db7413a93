/*
 * Receives as fast as it can: sink <offload 0|1> <warm> <window>
 *
 * Prints its port, then counts from the first datagram on. Without a window it runs until it is killed.
 */
#include "common.h"

#define SLOTS 64

static char arena[SLOTS][SLOT_SIZE];
static struct mmsghdr messages[SLOTS];
static struct iovec pieces[SLOTS];
static struct sockaddr_in names[SLOTS];
static char controls[SLOTS][CMSG_SPACE(sizeof(int))];

/* How many datagrams a message holds. */
static unsigned datagrams_in(struct mmsghdr *message) {
  struct cmsghdr *control = CMSG_FIRSTHDR(&message->msg_hdr);
  if (!control || control->cmsg_type != UDP_GRO || message->msg_len == 0) return 1;
  int size;
  memcpy(&size, CMSG_DATA(control), sizeof size);
  return (message->msg_len + size - 1) / size;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  int offload = atoi(words[1]), fd = open_socket("0.0.0.0");
  if (setsockopt(fd, SOL_UDP, UDP_GRO, &offload, sizeof offload) < 0 && offload) fail("UDP_GRO");
  print_port(fd);
  struct meter meter = {0};
  for (;;) {
    for (int i = 0; i < SLOTS; i++) {
      pieces[i] = (struct iovec){arena[i], SLOT_SIZE};
      messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &pieces[i],
        .msg_iovlen = 1, .msg_control = controls[i], .msg_controllen = sizeof controls[i]};
    }
    int done = recvmmsg(fd, messages, SLOTS, MSG_WAITFORONE, NULL);
    if (done < 0) fail("recvmmsg");
    if (meter.begin == 0) meter_start(&meter, atof(words[2]), atof(words[3]));
    unsigned long long datagrams = 0;
    for (int i = 0; i < done; i++) datagrams += datagrams_in(&messages[i]);
    if (meter_add(&meter, datagrams)) break;
  }
  meter_print(&meter);
}
