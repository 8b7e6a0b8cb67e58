/*
 * Files that are opened.
 *
 * Full mode: libc's own openat is called (it is a cancellation point) and then reported with its result; what opens inside
 * libc (fopen, opendir, ...) is reported by its hook, for it passes no hook of open.
 *
 * Hybrid mode: the supervisor's filter traps every open but those that carry the mark in openat's unused fifth and sixth
 * argument (AUDIT_MARK's first eight digits, and its last). Opens for reading by the open family are done here, marked, by
 * a system call of our own, and reported here; so are fopen for reading and opendir, as far as fdopen and fdopendir make
 * the same of the descriptor. Everything else is left to libc, unmarked and unreported, so that exactly one of the two
 * reports it. While no line gets through, and after the program installed a seccomp filter, nothing is marked either: the
 * supervisor sees more, and nothing is lost. (A marked open is no cancellation point: a thread that waits in one, for the
 * writer of a FIFO, cannot be cancelled by pthread_cancel.)
 */
#include "shim/open.h"

#include <stdarg.h>

#include "shim/calls.h"
#include "shim/raw.h"
#include "shim/real.h"

static int is_read_only(int flags) {
  return (flags & (O_ACCESS | O_CREATE | O_TRUNCATE | O_UNNAMED_BIT)) == 0;
}

static int takes_mode(int flags) {
  return (flags & O_CREATE) != 0 || (flags & O_UNNAMED) == O_UNNAMED;
}

static int open_real(int dirfd, const char *path, int flags, unsigned mode) {
  if (real.openat != NULL) return real.openat(dirfd, path, flags, mode);
  return (int)libc_result(RAW_4(__NR_openat, dirfd, path, flags, mode));
}

int open_reports(void) {
  return shim_ready() && !settings.hybrid;
}

int open_may_mark(void) {
  if (!shim_ready() || !settings.hybrid || !settings.marked) return 0;
  struct call call;
  call_begin(&call);
  return !send_is_failing(&call);
}

int open_allowed(const struct open_event *event) {
  if (!settings.closed || report_open(event, UNKNOWN_RESULT)) return 1;
  shim_errno = E_IO;
  return 0;
}

void open_tell(const struct open_event *event, int failed) {
  if (!settings.closed) report_open(event, failed ? shim_errno : 0);
}

/* The event that was counted as lost just now is not: the supervisor is going to see the call. */
static void take_back_drop(void) {
  struct call call;
  call_begin(&call);
  uint64_t *dropped = &call.live->dropped;
  uint64_t count = __atomic_load_n(dropped, __ATOMIC_RELAXED);
  while (count > 0 && !__atomic_compare_exchange_n(dropped, &count, count - 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

int open_marked(int dirfd, const char *path, int flags) {
  const struct open_event event = {path, dirfd, flags, 0, 0};
  /* Closed: what cannot be reported from here (another user may not reach the socket) is left to the supervisor. */
  if (settings.closed && !report_open(&event, UNKNOWN_RESULT)) {
    take_back_drop();
    return open_real(dirfd, path, flags, 0);
  }
  long fd = RAW_6(__NR_openat, dirfd, path, flags, 0, settings.mark[0], settings.mark[1]);
  fd = libc_result(fd);
  open_tell(&event, fd < 0);
  return (int)fd;
}

int open_run(int dirfd, const char *path, int flags, unsigned mode) {
  if (is_read_only(flags) && open_may_mark()) return open_marked(dirfd, path, flags);
  if (!open_reports()) return open_real(dirfd, path, flags, mode);
  const struct open_event event = {path, dirfd, flags, takes_mode(flags), mode};
  if (!open_allowed(&event)) return -1;
  int fd = open_real(dirfd, path, flags, mode);
  open_tell(&event, fd < 0);
  return fd;
}

/* ------------------------------------------------------------------------------------------------ the open family */

#define READ_MODE(mode, flags)      \
  unsigned mode = 0;                \
  if (takes_mode(flags)) {          \
    va_list list;                   \
    va_start(list, flags);          \
    mode = va_arg(list, unsigned);  \
    va_end(list);                   \
  }

#define OPEN_HOOK(name)                                  \
  HOOK(int, name, (const char *path, int flags, ...)) {  \
    READ_MODE(mode, flags)                               \
    return open_run(AT_CURRENT, path, flags, mode);      \
  }

#define OPENAT_HOOK(name)                                          \
  HOOK(int, name, (int dirfd, const char *path, int flags, ...)) { \
    READ_MODE(mode, flags)                                         \
    return open_run(dirfd, path, flags, mode);                     \
  }

OPEN_HOOK(open)
OPEN_HOOK(open64)
OPEN_HOOK(__open)
OPEN_HOOK(__open64)
OPENAT_HOOK(openat)
OPENAT_HOOK(openat64)

/* Fortified calls without a mode: libc ends the program when one is needed. */
#define FORTIFIED_HOOKS(open_name, openat_name)                                                     \
  HOOK(int, open_name, (const char *path, int flags)) {                                             \
    if (shim_ready(), takes_mode(flags) && real.__open_2 != NULL) return real.__open_2(path, flags);  \
    return open_run(AT_CURRENT, path, flags, 0);                                                    \
  }                                                                                                 \
  HOOK(int, openat_name, (int dirfd, const char *path, int flags)) {                                \
    if (shim_ready(), takes_mode(flags) && real.__openat_2 != NULL) return real.__openat_2(dirfd, path, flags); \
    return open_run(dirfd, path, flags, 0);                                                         \
  }

FORTIFIED_HOOKS(__open_2, __openat_2)
FORTIFIED_HOOKS(__open64_2, __openat64_2)

HOOK(int, creat, (const char *path, unsigned mode)) {
  return open_run(AT_CURRENT, path, O_WRITE_ONLY | O_CREATE | O_TRUNCATE, mode);
}

HOOK(int, creat64, (const char *path, unsigned mode)) {
  return open_run(AT_CURRENT, path, O_WRITE_ONLY | O_CREATE | O_TRUNCATE, mode);
}

struct how {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};

int openat2_run(int dirfd, const char *path, const struct how *how, size_t size) {
  if (!open_reports()) return (int)libc_result(RAW_4(__NR_openat2, dirfd, path, how, size));
  struct probe probe = {0, 0};
  int known = how != NULL && size >= sizeof *how && probe_readable(&probe, how, sizeof *how);
  struct open_event event = {path, dirfd, 0, 0, 0};
  if (known) {
    event.flags = (int)how->flags;
    event.mode = (unsigned)how->mode;
    event.has_mode = takes_mode(event.flags);
  }
  if (known && !open_allowed(&event)) return -1;
  int fd = (int)libc_result(RAW_4(__NR_openat2, dirfd, path, how, size));
  if (known) open_tell(&event, fd < 0);
  return fd;
}

HOOK(int, openat2, (int dirfd, const char *path, const struct how *how, size_t size)) {
  return openat2_run(dirfd, path, how, size);
}
