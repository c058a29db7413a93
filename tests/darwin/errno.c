/* errno: Darwin's numbers for Linux's names, and the variable of this library. */
#include "darwin.h"

static __thread int darwin_errno;

int *d_error(void) EXPORT(__error);
int *d_error(void) { return &darwin_errno; }

#define SAME(name) [name] = D_##name
/* What is not here has the same number on both. */
static const int numbers[] = {
  SAME(EAGAIN), SAME(EDEADLK), SAME(ENAMETOOLONG), SAME(ENOLCK), SAME(ENOSYS), SAME(ENOTEMPTY), SAME(ELOOP), SAME(ENOMSG), SAME(EIDRM),
  SAME(ENODATA), SAME(EPROTO), SAME(EOVERFLOW), SAME(EILSEQ), SAME(EUSERS), SAME(ENOTSOCK), SAME(EDESTADDRREQ), SAME(EMSGSIZE),
  SAME(EPROTOTYPE), SAME(ENOPROTOOPT), SAME(EPROTONOSUPPORT), SAME(ESOCKTNOSUPPORT), SAME(EOPNOTSUPP), SAME(EPFNOSUPPORT),
  SAME(EAFNOSUPPORT), SAME(EADDRINUSE), SAME(EADDRNOTAVAIL), SAME(ENETDOWN), SAME(ENETUNREACH), SAME(ENETRESET), SAME(ECONNABORTED),
  SAME(ECONNRESET), SAME(ENOBUFS), SAME(EISCONN), SAME(ENOTCONN), SAME(ESHUTDOWN), SAME(ETOOMANYREFS), SAME(ETIMEDOUT),
  SAME(ECONNREFUSED), SAME(EHOSTDOWN), SAME(EHOSTUNREACH), SAME(EALREADY), SAME(EINPROGRESS), SAME(ESTALE), SAME(EDQUOT),
  SAME(ECANCELED), [ENODEV] = D_ENXIO, /* of an interface that there is not */
};

int to_darwin(int number) {
  int known = number > 0 && number < (int)(sizeof numbers / sizeof *numbers) ? numbers[number] : 0;
  return known ? known : number;
}

long fail(int number) {
  darwin_errno = number;
  return -1;
}

long done(long result) { return result >= 0 ? result : fail(to_darwin(errno)); }
