/* Calls that open files inside libc: streams, temporary files, folders, shared memory, libraries. */
#include "shim/open.h"
#include "shim/raw.h"
#include "shim/real.h"

/* Of a mode that cannot be read, or is none, libc makes EINVAL: the path counts then. */
static int stream_flags(const char *mode) {
  struct probe probe = {0, 0};
  char text[16];
  int cut = 0;
  long length = copy_string(&probe, text, sizeof text, mode, &cut);
  int flags = 0;
  for (long at = 1; at < length && text[at] != ','; at++) {
    if (text[at] == '+') flags |= O_READ_WRITE;
    if (text[at] == 'x') flags |= O_EXCLUSIVE;
    if (text[at] == 'e') flags |= O_ON_EXEC_CLOSE;
  }
  if (length < 1 || text[0] == 'r') return flags;
  if ((flags & O_READ_WRITE) == 0) flags |= O_WRITE_ONLY;
  return flags | O_CREATE | (text[0] == 'a' ? O_APPENDING : O_TRUNCATE);
}

static struct open_event stream_event(const char *path, const char *mode) {
  int flags = stream_flags(mode);
  struct open_event event = {path, AT_CURRENT, flags, (flags & O_CREATE) != 0, 0666};
  return event;
}

/* "r", "rb", "re", "rbe": modes that fdopen takes in the same sense. */
static int is_plain_read(const char *mode) {
  struct probe probe = {0, 0};
  if (!probe_readable(&probe, mode, 1) || mode[0] != 'r') return 0;
  for (mode++; *mode != '\0'; mode++)
    if (*mode != 'b' && *mode != 'e') return 0;
  return 1;
}

static void *fopen_run(void *(*function)(const char *, const char *), const char *path, const char *mode) {
  if (function == NULL) return libc_result(-E_NOSYS), NULL;
  if (real.fdopen != NULL && open_may_mark() && is_plain_read(mode)) {
    int fd = open_marked(AT_CURRENT, path, stream_flags(mode));
    void *stream = fd < 0 ? NULL : real.fdopen(fd, mode);
    if (fd >= 0 && stream == NULL) RAW_1(__NR_close, fd);
    return stream;
  }
  if (!open_reports()) return function(path, mode);
  const struct open_event event = stream_event(path, mode);
  if (!open_allowed(&event)) return NULL;
  void *stream = function(path, mode);
  open_tell(&event, stream == NULL);
  return stream;
}

HOOK(void *, fopen, (const char *path, const char *mode)) {
  shim_ready();
  return fopen_run(real.fopen, path, mode);
}

HOOK(void *, fopen64, (const char *path, const char *mode)) {
  shim_ready();
  return fopen_run(real.fopen64 == NULL ? real.fopen : real.fopen64, path, mode);
}

static void *freopen_run(void *(*function)(const char *, const char *, void *), const char *path, const char *mode,
                         void *stream) {
  if (function == NULL) return libc_result(-E_NOSYS), NULL;
  if (!open_reports() || path == NULL) return function(path, mode, stream);
  const struct open_event event = stream_event(path, mode);
  if (!open_allowed(&event)) return NULL;
  void *result = function(path, mode, stream);
  open_tell(&event, result == NULL);
  return result;
}

HOOK(void *, freopen, (const char *path, const char *mode, void *stream)) {
  shim_ready();
  return freopen_run(real.freopen, path, mode, stream);
}

HOOK(void *, freopen64, (const char *path, const char *mode, void *stream)) {
  shim_ready();
  return freopen_run(real.freopen64 == NULL ? real.freopen : real.freopen64, path, mode, stream);
}

static void *tmpfile_run(void *(*function)(void)) {
  if (function == NULL) return libc_result(-E_NOSYS), NULL;
  if (!open_reports()) return function();
  const struct open_event event = {"/tmp", AT_CURRENT, O_READ_WRITE | O_EXCLUSIVE | O_UNNAMED, 1, 0600};
  if (!open_allowed(&event)) return NULL;
  void *stream = function();
  open_tell(&event, stream == NULL);
  return stream;
}

HOOK(void *, tmpfile, (void)) {
  shim_ready();
  return tmpfile_run(real.tmpfile);
}

HOOK(void *, tmpfile64, (void)) {
  shim_ready();
  return tmpfile_run(real.tmpfile64 == NULL ? real.tmpfile : real.tmpfile64);
}

/* Reported with the name that was made; in closed mode, before the call, with the template. */
#define MKSTEMP_HOOK(name, plain, parameters, arguments, extra)                                            \
  HOOK(int, name, parameters) {                                                                            \
    int reports = open_reports();                                                                          \
    if (real.name == NULL && real.plain == NULL) return (int)libc_result(-E_NOSYS);                        \
    const struct open_event event = {path, AT_CURRENT, O_READ_WRITE | O_CREATE | O_EXCLUSIVE | (extra), 1, 0600}; \
    if (reports && !open_allowed(&event)) return -1;                                                       \
    int fd = real.name != NULL ? real.name arguments : real.plain arguments;                               \
    if (reports) open_tell(&event, fd < 0);                                                                \
    return fd;                                                                                             \
  }

MKSTEMP_HOOK(mkstemp, mkstemp, (char *path), (path), 0)
MKSTEMP_HOOK(mkstemp64, mkstemp, (char *path), (path), 0)
MKSTEMP_HOOK(mkostemp, mkostemp, (char *path, int flags), (path, flags), flags)
MKSTEMP_HOOK(mkostemp64, mkostemp, (char *path, int flags), (path, flags), flags)
MKSTEMP_HOOK(mkstemps, mkstemps, (char *path, int suffix), (path, suffix), 0)
MKSTEMP_HOOK(mkstemps64, mkstemps, (char *path, int suffix), (path, suffix), 0)
MKSTEMP_HOOK(mkostemps, mkostemps, (char *path, int suffix, int flags), (path, suffix, flags), flags)
MKSTEMP_HOOK(mkostemps64, mkostemps, (char *path, int suffix, int flags), (path, suffix, flags), flags)

/* ------------------------------------------------------------------------------------------------ folders */

#define O_OF_OPENDIR (O_NO_WAIT | O_FOLDER | O_ON_EXEC_CLOSE)

HOOK(void *, opendir, (const char *path)) {
  int reports = open_reports();
  if (real.opendir == NULL) return libc_result(-E_NOSYS), NULL;
  if (real.fdopendir != NULL && open_may_mark()) {
    int fd = open_marked(AT_CURRENT, path, O_OF_OPENDIR);
    void *folder = fd < 0 ? NULL : real.fdopendir(fd);
    if (fd >= 0 && folder == NULL) RAW_1(__NR_close, fd);
    return folder;
  }
  if (!reports) return real.opendir(path);
  const struct open_event event = {path, AT_CURRENT, O_OF_OPENDIR, 0, 0};
  if (!open_allowed(&event)) return NULL;
  void *folder = real.opendir(path);
  open_tell(&event, folder == NULL);
  return folder;
}

/*
 * What walks folders inside libc is reported by the folder that it starts from. (glob is not hooked: where it starts is
 * for its pattern to say.)
 */
#define FOLDER_HOOK(name, plain, dirfd, parameters, arguments)                              \
  HOOK(int, name, parameters) {                                                             \
    int reports = open_reports();                                                           \
    if (real.name == NULL && real.plain == NULL) return (int)libc_result(-E_NOSYS);         \
    const struct open_event event = {path, dirfd, O_OF_OPENDIR, 0, 0};                      \
    if (reports && !open_allowed(&event)) return -1;                                        \
    int result = real.name != NULL ? real.name arguments : real.plain arguments;            \
    if (reports) open_tell(&event, result < 0);                                             \
    return result;                                                                          \
  }

FOLDER_HOOK(scandir, scandir, AT_CURRENT, (const char *path, void *list, const void *filter, const void *compare),
            (path, list, filter, compare))
FOLDER_HOOK(scandir64, scandir, AT_CURRENT, (const char *path, void *list, const void *filter, const void *compare),
            (path, list, filter, compare))
FOLDER_HOOK(scandirat, scandirat, folder,
            (int folder, const char *path, void *list, const void *filter, const void *compare),
            (folder, path, list, filter, compare))
FOLDER_HOOK(scandirat64, scandirat, folder,
            (int folder, const char *path, void *list, const void *filter, const void *compare),
            (folder, path, list, filter, compare))
FOLDER_HOOK(ftw, ftw, AT_CURRENT, (const char *path, const void *visit, int depth), (path, visit, depth))
FOLDER_HOOK(ftw64, ftw, AT_CURRENT, (const char *path, const void *visit, int depth), (path, visit, depth))
FOLDER_HOOK(nftw, nftw, AT_CURRENT, (const char *path, const void *visit, int depth, int flags),
            (path, visit, depth, flags))
FOLDER_HOOK(nftw64, nftw, AT_CURRENT, (const char *path, const void *visit, int depth, int flags),
            (path, visit, depth, flags))

/* Reported before the call: no single result belongs to one of the paths. */
static int fts_allowed(strings paths) {
  struct probe probe = {0, 0};
  if (!open_reports() || paths == NULL) return 1;
  for (size_t at = 0; probe_readable(&probe, &paths[at], sizeof *paths) && paths[at] != NULL; at++) {
    const struct open_event event = {paths[at], AT_CURRENT, O_OF_OPENDIR, 0, 0};
    if (report_open(&event, UNKNOWN_RESULT) || !settings.closed) continue;
    shim_errno = E_IO;
    return 0;
  }
  return 1;
}

HOOK(void *, fts_open, (strings paths, int options, const void *compare)) {
  int allowed = fts_allowed(paths);
  if (real.fts_open == NULL) return libc_result(-E_NOSYS), NULL;
  return allowed ? real.fts_open(paths, options, compare) : NULL;
}

HOOK(void *, fts64_open, (strings paths, int options, const void *compare)) {
  int allowed = fts_allowed(paths);
  if (real.fts64_open == NULL) return libc_result(-E_NOSYS), NULL;
  return allowed ? real.fts64_open(paths, options, compare) : NULL;
}

/* ------------------------------------------------------------------------------------------------ others */

HOOK(int, shm_open, (const char *name, int flags, unsigned mode)) {
  int reports = open_reports();
  char path[288] = "/dev/shm/";
  struct probe probe = {0, 0};
  int cut = 0;
  if (real.shm_open == NULL) return (int)libc_result(-E_NOSYS);
  const char *start = name;
  if (reports && probe_readable(&probe, name, 1) && name[0] == '/') start++;
  long length = reports ? copy_string(&probe, path + 9, sizeof path - 10, start, &cut) : -1;
  if (length < 0) return real.shm_open(name, flags, mode);
  path[9 + length] = '\0';
  const struct open_event event = {path, AT_CURRENT, flags, (flags & O_CREATE) != 0, mode};
  if (!open_allowed(&event)) return -1;
  int fd = real.shm_open(name, flags, mode);
  open_tell(&event, fd < 0);
  return fd;
}

/*
 * libc looks for a library from the place of the caller, which is the return address: the real function must be entered by
 * a jump (checked by the tests), so nothing may be done after it. Names without a slash are searched by ld.so, whose own
 * opens no library can see.
 */
NO_INLINE static void dlopen_tell(const char *path) {
  struct probe probe = {0, 0};
  if (!open_reports() || path == NULL || !probe_readable(&probe, path, 1) || path[0] != '/') return;
  const struct open_event event = {path, AT_CURRENT, O_ON_EXEC_CLOSE, 0, 0};
  report_open(&event, UNKNOWN_RESULT);
}

HOOK(void *, dlopen, (const char *path, int flags)) {
  dlopen_tell(path);
  return real.dlopen(path, flags);
}
