/* kqueue and kevent over epoll: EVFILT_READ, EVFILT_WRITE and EVFILT_USER, level-triggered. Closing a descriptor ends its knotes. */
#include <linux/eventpoll.h>
#include <time.h>
#include "darwin.h"

enum { MOST = 65536, AT_ONCE = 128 };
enum { READ, WRITE };
static const uint64_t USER = UINT64_MAX;

struct knote { int fd; uint8_t watched[2]; uint64_t udata[2]; };
struct queue { int user; uint64_t udata; int count, room; struct knote *notes; };
static struct queue *queues[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int d_kqueue(void) EXPORT(kqueue);
int d_kqueue(void) {
  long fd = syscall(SYS_epoll_create1, 0);
  if (fd < 0 || fd >= MOST) return done(fd);
  struct queue *queue = calloc(1, sizeof *queue);
  queue->user = -1;
  queues[fd] = queue;
  return fd;
}

static struct knote *note_of(struct queue *queue, int fd, int make) {
  for (int i = 0; i < queue->count; i++) if (queue->notes[i].fd == fd) return &queue->notes[i];
  if (!make) return NULL;
  if (queue->count == queue->room) queue->notes = realloc(queue->notes, (queue->room = queue->room * 2 + 8) * sizeof *queue->notes);
  struct knote *note = &queue->notes[queue->count++];
  memset(note, 0, sizeof *note);
  note->fd = fd;
  return note;
}

static int change_user(int kq, struct queue *queue, const struct d_kevent *change) {
  if (change->flags & D_EV_ADD && queue->user < 0) {
    struct epoll_event event = { EPOLLIN, USER };
    queue->user = syscall(SYS_eventfd2, 0, 04000 | 02000000);
    syscall(SYS_epoll_ctl, kq, EPOLL_CTL_ADD, queue->user, &event);
  }
  if (change->flags & D_EV_ADD) queue->udata = change->udata ? (uint64_t)change->udata : 0;
  if (queue->user < 0) return D_ENOENT;
  uint64_t one = 1;
  if (change->fflags & D_NOTE_TRIGGER) syscall(SYS_write, queue->user, &one, sizeof one);
  return 0;
}

static int change_one(int kq, struct queue *queue, const struct d_kevent *change) {
  if (change->filter == D_EVFILT_USER) return change_user(kq, queue, change);
  if (change->filter != D_EVFILT_READ && change->filter != D_EVFILT_WRITE) return D_EINVAL;
  int which = change->filter == D_EVFILT_WRITE ? WRITE : READ, fd = change->ident, adds = change->flags & D_EV_ADD;
  struct knote *note = note_of(queue, fd, adds);
  if (!note || (!adds && !note->watched[which])) return D_ENOENT; /* kevent_register, kern/kern_event.c */
  int before = note->watched[READ] || note->watched[WRITE];
  note->watched[which] = adds ? 1 : 0;
  note->udata[which] = (uint64_t)change->udata;
  struct epoll_event event = { (note->watched[READ] ? EPOLLIN : 0) | (note->watched[WRITE] ? EPOLLOUT : 0), fd };
  int now = event.events != 0;
  long result = syscall(SYS_epoll_ctl, kq, !before ? EPOLL_CTL_ADD : now ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, &event);
  int error = result < 0 ? to_darwin(errno) : 0;
  if (!now || (error && !before)) *note = queue->notes[--queue->count];
  return error;
}

/* Events of one descriptor. @return How many were written. */
static int events_of(struct queue *queue, const struct epoll_event *event, struct d_kevent *out) {
  uint64_t count;
  if (event->data == USER) { /* EV_CLEAR: it is over once it was told */
    syscall(SYS_read, queue->user, &count, sizeof count);
    out[0] = (struct d_kevent){ 0, D_EVFILT_USER, D_EV_CLEAR, 0, 0, (void *)queue->udata };
    return 1;
  }
  struct knote *note = note_of(queue, event->data, 0);
  int n = 0, failed = event->events & (EPOLLERR | EPOLLHUP);
  if (!note) return 0;
  /* so_error makes a socket both readable and writable, kern/uipc_socket.c */
  if (note->watched[READ] && (event->events & EPOLLIN || failed))
    out[n++] = (struct d_kevent){ note->fd, D_EVFILT_READ, D_EV_ADD, 0, 1, (void *)note->udata[READ] };
  if (note->watched[WRITE] && (event->events & EPOLLOUT || failed))
    out[n++] = (struct d_kevent){ note->fd, D_EVFILT_WRITE, D_EV_ADD, 0, 1, (void *)note->udata[WRITE] };
  return n;
}

int d_kevent(int, const struct d_kevent *, int, struct d_kevent *, int, const struct timespec *) EXPORT(kevent);
int d_kevent(int kq, const struct d_kevent *changes, int nchanges, struct d_kevent *events, int nevents, const struct timespec *time) {
  struct epoll_event ready[AT_ONCE];
  struct queue *queue = kq >= 0 && kq < MOST ? queues[kq] : NULL;
  if (!queue) return fail(D_EBADF);
  pthread_mutex_lock(&lock);
  int error = 0, n = 0;
  for (int i = 0; i < nchanges && !error; i++) error = change_one(kq, queue, &changes[i]);
  pthread_mutex_unlock(&lock);
  /* Without room for events the first error is the call's, kern/kern_event.c */
  if (error) return fail(error);
  if (nevents < 2) return 0;
  int most = nevents / 2 > AT_ONCE ? AT_ONCE : nevents / 2;
  long found = syscall(SYS_epoll_pwait, kq, ready, most, time ? (int)(time->tv_sec * 1000 + time->tv_nsec / 1000000) : -1, NULL, 8);
  if (found < 0) return done(found);
  pthread_mutex_lock(&lock);
  for (int i = 0; i < found; i++) n += events_of(queue, &ready[i], &events[n]);
  pthread_mutex_unlock(&lock);
  return n;
}

void forget_knotes(int fd) {
  pthread_mutex_lock(&lock);
  if (fd >= 0 && fd < MOST && queues[fd]) {
    if (queues[fd]->user >= 0) syscall(SYS_close, queues[fd]->user);
    free(queues[fd]->notes);
    free(queues[fd]);
    queues[fd] = NULL;
  }
  for (int i = 0; i < MOST; i++) {
    struct knote *note = queues[i] ? note_of(queues[i], fd, 0) : NULL;
    if (note) *note = queues[i]->notes[--queues[i]->count];
  }
  pthread_mutex_unlock(&lock);
}
