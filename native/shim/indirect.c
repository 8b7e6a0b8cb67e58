/*
 * syscall(), of which only the calls that are reported are taken over; the rest jumps to libc's own function, so that even
 * a raw clone returns where it would without us. And prctl, for one purpose: see silence_before.
 */
#include <stdarg.h>

#include "shim/calls.h"
#include "shim/open.h"
#include "shim/raw.h"
#include "shim/real.h"

#define PR_SET_SECCOMP_ 22
#define SECCOMP_SET_STRICT 0
#define SECCOMP_SET_FILTER 1

/*
 * A program that installs a seccomp filter of its own (file, sshd, man, browsers) would be killed for our system calls.
 * From then on it is left alone. That is a gap in what is known, and reported as a Drop before.
 */
static int silence_before(void) {
  if (!shim_ready()) return 0;
  if (!settings.hybrid) { /* in hybrid mode the supervisor goes on seeing everything */
    struct call call;
    call_begin(&call);
    send_gap(&call, "the program installed a seccomp filter of its own: it is not seen from here on");
  }
  shim_silence(1);
  return 1;
}

static long silenced(int began, long result) {
  if (began && result < 0) shim_silence(0);
  return result;
}

HOOK(int, prctl, (int option, ...)) {
  long value[4];
  va_list list;
  va_start(list, option);
  for (int at = 0; at < 4; at++) value[at] = va_arg(list, long);
  va_end(list);
  int began = option == PR_SET_SECCOMP_ && silence_before();
  if (option != PR_SET_SECCOMP_) shim_ready();
  long result = real.prctl != NULL ? real.prctl(option, value[0], value[1], value[2], value[3])
                                   : libc_result(RAW_5(__NR_prctl, option, value[0], value[1], value[2], value[3]));
  return (int)silenced(began, result);
}

#define TEXT(value) ((const char *)(uintptr_t)(value))
#define STRINGS(value) ((strings)(uintptr_t)(value))
#define POINTER(value) ((void *)(uintptr_t)(value))

NO_INLINE static long diverted(long number, long a, long b, long c, long d, long e, long f) {
  int began;
  switch (number) {
    case __NR_execve: return execve_run(TEXT(a), STRINGS(b), STRINGS(c));
    case __NR_execveat: return execveat_run((int)a, TEXT(b), STRINGS(c), STRINGS(d), (int)e);
#ifdef __NR_open
    case __NR_open: return open_run(AT_CURRENT, TEXT(a), (int)b, (unsigned)c);
    case __NR_creat: return open_run(AT_CURRENT, TEXT(a), O_WRITE_ONLY | O_CREATE | O_TRUNCATE, (unsigned)b);
#endif
    case __NR_openat: return open_run((int)a, TEXT(b), (int)c, (unsigned)d);
    case __NR_openat2: return openat2_run((int)a, TEXT(b), POINTER(c), (size_t)d);
    case __NR_connect: return connect_run((int)a, POINTER(b), (unsigned)c);
    case __NR_sendto: return sendto_run((int)a, POINTER(b), (size_t)c, (int)d, POINTER(e), (unsigned)f);
    case __NR_sendmsg: return sendmsg_run((int)a, POINTER(b), (int)c);
    case __NR_sendmmsg: return sendmmsg_run((int)a, POINTER(b), (unsigned)c, (int)d);
    case __NR_seccomp:
      began = (a == SECCOMP_SET_FILTER || a == SECCOMP_SET_STRICT) && silence_before();
      return silenced(began, libc_result(RAW_3(number, a, b, c)));
    default:
      began = a == PR_SET_SECCOMP_ && silence_before();
      return silenced(began, libc_result(RAW_5(number, a, b, c, d, e)));
  }
}

static int is_diverted(long number) {
  switch (number) {
    case __NR_execve:
    case __NR_execveat:
#ifdef __NR_open
    case __NR_open:
    case __NR_creat:
#endif
    case __NR_openat:
    case __NR_openat2:
    case __NR_connect:
    case __NR_sendto:
    case __NR_sendmsg:
    case __NR_sendmmsg:
    case __NR_seccomp:
    case __NR_prctl: return 1;
    default: return 0;
  }
}

/* Variadic for its callers; on both machines its arguments are passed as these seven are. */
typedef long (*syscall_function)(long, long, long, long, long, long, long);

static long syscall_raw(long number, long a, long b, long c, long d, long e, long f) {
  return libc_result(raw6(number, a, b, c, d, e, f));
}

static long syscall_first(long number, long a, long b, long c, long d, long e, long f);
static syscall_function next_syscall = syscall_first;

static long syscall_first(long number, long a, long b, long c, long d, long e, long f) {
  shim_ready();
  next_syscall = real.syscall == NULL ? syscall_raw : (syscall_function)real.syscall;
  return next_syscall(number, a, b, c, d, e, f);
}

/* Both ways must be jumps, without a frame of our own (checked by the tests). */
HOOK(long, syscall, (long number, long a, long b, long c, long d, long e, long f)) {
  if (__builtin_expect(is_diverted(number), 0)) return diverted(number, a, b, c, d, e, f);
  return next_syscall(number, a, b, c, d, e, f);
}
