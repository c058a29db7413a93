/* Sends every datagram back, one at a time, until it is killed. Prints its port. */
#include "common.h"

int main(void) {
  static char bytes[SLOT_SIZE];
  int fd = open_socket("127.0.0.1");
  print_port(fd);
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t size = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length);
    if (size >= 0) sendto(fd, bytes, size, 0, (struct sockaddr *)&from, length);
  }
}
