/*
 * Sends as fast as it can: flood <segments> <port> <peers> <sizes, comma between> <warm> <window>
 *
 * Peers are 127.0.0.1 and the addresses after it, in turn; sizes are taken in turn, too. With more than one segment each
 * message of the vector is a payload of that many datagrams (UDP_SEGMENT), or of as many as fit, and there is one size. Without
 * a window it runs until it is killed.
 */
#include "common.h"

#define SLOTS 64

static char payload[SLOT_SIZE];
static struct mmsghdr messages[SLOTS];
static struct iovec pieces[SLOTS];
static struct sockaddr_in names[SLOTS];
static char control[CMSG_SPACE(sizeof(unsigned short))];

static int read_sizes(char *text, int *sizes) {
  int count = 0;
  for (char *word = strtok(text, ","); word && count < 256; word = strtok(NULL, ",")) sizes[count++] = atoi(word);
  return count;
}

static void set_segment_size(unsigned short size) {
  struct msghdr header = {.msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *message = CMSG_FIRSTHDR(&header);
  message->cmsg_level = SOL_UDP;
  message->cmsg_type = UDP_SEGMENT;
  message->cmsg_len = CMSG_LEN(sizeof size);
  memcpy(CMSG_DATA(message), &size, sizeof size);
}

int main(int count, char **words) {
  if (count != 7) return 2;
  int segments = atoi(words[1]), offload = segments > 1, peers = atoi(words[3]), sizes[256];
  int kinds = read_sizes(words[4], sizes);
  struct sockaddr_in first = address_of("127.0.0.1", atoi(words[2]));
  if (offload && segments > MAX_PAYLOAD / sizes[0]) segments = MAX_PAYLOAD / sizes[0];
  set_segment_size(sizes[0]);
  int fd = open_socket("127.0.0.1");
  struct meter meter;
  meter_start(&meter, atof(words[5]), atof(words[6]));
  for (unsigned long long sent = 0;;) {
    for (int i = 0; i < SLOTS; i++, sent++) {
      names[i] = first;
      names[i].sin_addr.s_addr = htonl(ntohl(first.sin_addr.s_addr) + sent % peers);
      pieces[i] = (struct iovec){payload, (size_t)sizes[sent % kinds] * segments};
      messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &pieces[i],
        .msg_iovlen = 1, .msg_control = offload ? control : NULL, .msg_controllen = offload ? sizeof control : 0};
    }
    int done = sendmmsg(fd, messages, SLOTS, 0);
    if (done < 0 && errno != ENOBUFS && errno != ECONNREFUSED) fail("sendmmsg");
    if (meter_add(&meter, done < 0 ? 0 : (unsigned long long)done * segments)) break;
  }
  meter_print(&meter);
}
