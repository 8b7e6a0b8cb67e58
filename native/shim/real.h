/* The functions behind the hooks, found once. NULL: this libc has none, or no way to find it. */
#ifndef AGENTOPS_SHIM_REAL_H
#define AGENTOPS_SHIM_REAL_H

#include <stddef.h>

typedef char *const *strings;

/* X(name, return type, parameters) */
#define REAL_FUNCTIONS(X)                                                                        \
  X(fexecve, int, (int, strings, strings))                                                       \
  X(execveat, int, (int, const char *, strings, strings, int))                                   \
  X(execvpe, int, (const char *, strings, strings))                                              \
  X(posix_spawn, int, (int *, const char *, const void *, const void *, strings, strings))       \
  X(posix_spawnp, int, (int *, const char *, const void *, const void *, strings, strings))      \
  X(pidfd_spawn, int, (int *, const char *, const void *, const void *, strings, strings))       \
  X(pidfd_spawnp, int, (int *, const char *, const void *, const void *, strings, strings))      \
  X(system, int, (const char *))                                                                 \
  X(popen, void *, (const char *, const char *))                                                 \
  X(openat, int, (int, const char *, int, ...))                                                  \
  X(__open_2, int, (const char *, int))                                                          \
  X(__openat_2, int, (int, const char *, int))                                                   \
  X(fopen, void *, (const char *, const char *))                                                 \
  X(fopen64, void *, (const char *, const char *))                                               \
  X(freopen, void *, (const char *, const char *, void *))                                       \
  X(freopen64, void *, (const char *, const char *, void *))                                     \
  X(fdopen, void *, (int, const char *))                                                         \
  X(tmpfile, void *, (void))                                                                     \
  X(tmpfile64, void *, (void))                                                                   \
  X(mkstemp, int, (char *))                                                                      \
  X(mkstemp64, int, (char *))                                                                    \
  X(mkostemp, int, (char *, int))                                                                \
  X(mkostemp64, int, (char *, int))                                                              \
  X(mkstemps, int, (char *, int))                                                                \
  X(mkstemps64, int, (char *, int))                                                              \
  X(mkostemps, int, (char *, int, int))                                                          \
  X(mkostemps64, int, (char *, int, int))                                                        \
  X(opendir, void *, (const char *))                                                             \
  X(fdopendir, void *, (int))                                                                    \
  X(scandir, int, (const char *, void *, const void *, const void *))                            \
  X(scandir64, int, (const char *, void *, const void *, const void *))                          \
  X(scandirat, int, (int, const char *, void *, const void *, const void *))                     \
  X(scandirat64, int, (int, const char *, void *, const void *, const void *))                   \
  X(ftw, int, (const char *, const void *, int))                                                 \
  X(ftw64, int, (const char *, const void *, int))                                               \
  X(nftw, int, (const char *, const void *, int, int))                                           \
  X(nftw64, int, (const char *, const void *, int, int))                                         \
  X(fts_open, void *, (strings, int, const void *))                                              \
  X(fts64_open, void *, (strings, int, const void *))                                            \
  X(shm_open, int, (const char *, int, unsigned))                                                \
  X(dlopen, void *, (const char *, int))                                                         \
  X(connect, int, (int, const void *, unsigned))                                                 \
  X(sendto, long, (int, const void *, size_t, int, const void *, unsigned))                      \
  X(sendmsg, long, (int, const void *, int))                                                     \
  X(sendmmsg, int, (int, void *, unsigned, int))                                                 \
  X(prctl, int, (int, ...))                                                                      \
  X(_exit, void, (int))                                                                          \
  X(syscall, long, (long, ...))                                                                  \
  X(execve, int, (const char *, strings, strings))

#define REAL_MEMBER(name, type, parameters) type(*name) parameters;
struct real {
  REAL_FUNCTIONS(REAL_MEMBER)
};
extern struct real real;

void real_resolve(void);
/* The same by one way alone. */
void real_resolve_elf(void);
void real_resolve_dlsym(void);
void *elf_next(const char *name);

extern int *__errno_location(void);
#define shim_errno (*__errno_location())

/* What the kernel answered, as libc says it. */
static inline long libc_result(long result) {
  if (result >= 0 || result < -4095) return result;
  shim_errno = (int)-result;
  return -1;
}

#endif
