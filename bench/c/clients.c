/*
 * Clients of a server, each with one request under way: clients <port> <clients> <size> <warm> <window> [request as hex]
 *
 * Without a request they send as many zeros as the size says, to an echo server.
 * Prints answers per second and the round trip's median and 99th percentile in microseconds.
 */
#include "common.h"

#define MAX_TRIPS (8 << 20)

static float trips[MAX_TRIPS];
static char bytes[SLOT_SIZE], request[SLOT_SIZE];

static int ascending(const void *left, const void *right) {
  float difference = *(const float *)left - *(const float *)right;
  return (difference > 0) - (difference < 0);
}

/* Reads the request. Returns its size. */
static int read_request(const char *text) {
  int size = strlen(text) / 2;
  for (int i = 0; i < size; i++) {
    unsigned byte;
    if (sscanf(text + 2 * i, "%2x", &byte) != 1) fail("sscanf");
    request[i] = byte;
  }
  return size;
}

int main(int count, char **words) {
  if (count != 6 && count != 7) return 2;
  struct sockaddr_in server = address_of("127.0.0.1", atoi(words[1]));
  int clients = atoi(words[2]), size = atoi(words[3]), set = epoll_create1(0);
  if (count == 7) size = read_request(words[6]);
  int *sockets = calloc(clients, sizeof *sockets);
  double *asked = calloc(clients, sizeof *asked);
  for (int i = 0; i < clients; i++) {
    sockets[i] = open_socket("127.0.0.1");
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    if (connect(sockets[i], (struct sockaddr *)&server, sizeof server) < 0) fail("connect");
    if (epoll_ctl(set, EPOLL_CTL_ADD, sockets[i], &event) < 0) fail("epoll_ctl");
    asked[i] = now();
    send(sockets[i], request, size, 0);
  }
  struct meter meter;
  unsigned recorded = 0;
  meter_start(&meter, atof(words[4]), atof(words[5]));
  for (int over = 0; !over;) {
    struct epoll_event events[64];
    int ready = epoll_wait(set, events, 64, 1000);
    if (ready <= 0) {
      fprintf(stderr, "no answer for a second\n");
      return 1;
    }
    for (int i = 0; i < ready; i++) {
      int client = events[i].data.u32;
      if (recv(sockets[client], bytes, sizeof bytes, 0) < 0) fail("recv");
      double time = now();
      if (meter.end > 0 && recorded < MAX_TRIPS) trips[recorded++] = (time - asked[client]) * 1e6;
      over = meter_add(&meter, 1);
      asked[client] = time;
      send(sockets[client], request, size, 0);
    }
  }
  double seconds = now() - meter.begin;
  qsort(trips, recorded, sizeof *trips, ascending);
  printf("{\"rate\":%.0f,\"p50\":%.2f,\"p99\":%.2f}\n", meter.count / seconds, trips[recorded / 2],
    trips[(unsigned)(recorded * 0.99)]);
}
