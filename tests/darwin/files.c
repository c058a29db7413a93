/* stdio as far as the module uses it for what is closed at a thread's end: a FILE as Darwin lays it out. */
#include "darwin.h"

/* <_stdio.h> of Libc: struct __sFILE up to its descriptor. */
struct file { unsigned char *p; int r, w; short flags, file; };
_Static_assert(offsetof(struct file, file) == 18, "__sFILE");

int d_close(int fd) __asm__("close");
extern int __cxa_thread_atexit_impl(void (*end)(void *), void *argument, void *library);

void *d_fdopen(int fd, const char *mode) EXPORT(fdopen);
void *d_fdopen(int fd, const char *mode) {
  (void)mode;
  struct file *made = calloc(1, 152);
  if (made) made->file = fd;
  return made;
}

int d_fclose(void *given) EXPORT(fclose);
int d_fclose(void *given) {
  struct file *file = given;
  int result = d_close(file->file);
  free(file);
  return result;
}

/* dyld: what is to be called when the thread ends. */
void d_tlv_atexit(void (*end)(void *), void *argument) EXPORT(_tlv_atexit);
void d_tlv_atexit(void (*end)(void *), void *argument) {
  static char library;
  __cxa_thread_atexit_impl(end, argument, &library);
}

/* NULL is no handle: RTLD_DEFAULT is -2 on Darwin, dlfcn.h of dyld. */
void *d_dlsym(void *handle, const char *name) EXPORT(dlsym);
void *d_dlsym(void *handle, const char *name) {
  if (handle != (void *)-2) return NULL;
  return strcmp(name, "fclose") == 0 ? (void *)d_fclose : strcmp(name, "close") == 0 ? (void *)d_close : NULL;
}
