/*
 * What glibc has and musl lacks of the functions that Debian's libstdc++.a calls. musl.mjs links both into a libstdc++.so.6 for programs on
 * musl. Hidden, so that nothing else finds them.
 */
#define _GNU_SOURCE
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void *__dso_handle = &__dso_handle;
char __libc_single_threaded = 0;

size_t __strftime_l(char *to, size_t size, const char *format, const struct tm *time, locale_t locale) {
  return strftime_l(to, size, format, time, locale);
}

/* It knows of no object: the unwinder then asks dl_iterate_phdr. */
int _dl_find_object(void *address, void *result) {
  (void)address, (void)result;
  return -1;
}

unsigned arc4random(void) {
  unsigned value;
  syscall(SYS_getrandom, &value, sizeof value, 0);
  return value;
}

int __pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) { return pthread_key_create(key, destructor); }

/* Destructors of a thread's objects, the last one first. */
struct destructor {
  void (*run)(void *);
  void *object;
  struct destructor *next;
};
static pthread_key_t destructors;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void run_destructors(void *first) {
  for (struct destructor *each = first, *next; each; each = next) {
    next = each->next;
    each->run(each->object);
    free(each);
  }
}

static void make_key(void) { pthread_key_create(&destructors, run_destructors); }

int __cxa_thread_atexit_impl(void (*run)(void *), void *object, void *library) {
  (void)library;
  pthread_once(&once, make_key);
  struct destructor *added = malloc(sizeof *added);
  if (!added) return -1;
  *added = (struct destructor){ run, object, pthread_getspecific(destructors) };
  return pthread_setspecific(destructors, added);
}
