/* What the programs of the benchmark share: clocks, sockets, and one line of JSON as their result. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

/* As the JavaScript contenders have it. */
#define RECEIVE_BUFFER (4 << 20)
#define MAX_PAYLOAD 65507
#define SLOT_SIZE 65536

static inline void fail(const char *call) {
  perror(call);
  exit(1);
}

static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

/* Seconds of processor time that this process has used. */
static inline double processor_time(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static inline struct sockaddr_in address_of(const char *text, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, text, &address.sin_addr) != 1) fail("inet_pton");
  return address;
}

/* A socket bound to a port of the system's choice. */
static inline int open_socket(const char *text) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = address_of(text, 0);
  int size = RECEIVE_BUFFER;
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  return fd;
}

static inline void print_port(int fd) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
}

/* A count that begins after the warm-up and ends with the window; without a window it never does. */
struct meter {
  double begin, end, window, processor_begin;
  unsigned long long count;
};

static inline void meter_start(struct meter *meter, double warm, double window) {
  memset(meter, 0, sizeof *meter);
  meter->begin = now() + warm;
  meter->window = window;
}

/* Adds to the count; true when the window is over. */
static inline int meter_add(struct meter *meter, unsigned long long count) {
  double time = now();
  if (time < meter->begin) return 0;
  if (meter->end == 0) {
    meter->begin = time;
    meter->end = time + meter->window;
    meter->processor_begin = processor_time();
    return 0;
  }
  meter->count += count;
  return meter->window > 0 && time >= meter->end;
}

static inline void meter_print(const struct meter *meter) {
  double seconds = now() - meter->begin;
  double processor = processor_time() - meter->processor_begin;
  printf("{\"rate\":%.0f,\"cpu\":%.5f}\n", meter->count / seconds, processor * 1e6 / (meter->count ? meter->count : 1));
}
