/*
 * open, openat, openat2 and creat. As with execs, the kernel reads the path again after we have: denials are advisory.
 */
#include "exec/calls.h"
#include "exec/resolve.h"
#include "exec/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

struct open_request {
  char path[PATH_MAX];
  size_t path_length;
  int dirfd;
  uint64_t flags;
  uint64_t mode;
};

static ssize_t read_openat2(const struct call *call, struct open_request *request) {
  struct open_how how = {0};
  uint64_t size = call->data->args[3];
  if (size < sizeof how) return -EINVAL; /* as the kernel answers; larger ones have zeros where we do not look */
  ssize_t outcome = memory_read_all(call->thread, call->data->args[2], &how, sizeof how);
  request->flags = how.flags;
  request->mode = how.mode;
  return outcome;
}

static ssize_t read_request(const struct call *call, struct open_request *request) {
  const __u64 *args = call->data->args;
  uint64_t path = args[1];
  ssize_t outcome = 0;
  request->dirfd = (int)args[0];
  request->flags = 0;
  request->mode = 0;
  if (call->data->nr == SYSCALL_OPENAT2) {
    outcome = read_openat2(call, request);
  } else if (call->data->nr == __NR_openat) {
    request->flags = (uint32_t)args[2];
    request->mode = (uint32_t)args[3];
  } else {
#ifdef __NR_open
    bool creat = call->data->nr == __NR_creat;
    path = args[0];
    request->dirfd = AT_FDCWD;
    request->flags = creat ? O_CREAT | O_WRONLY | O_TRUNC : (uint32_t)args[1];
    request->mode = (uint32_t)args[creat ? 1 : 2];
#endif
  }
  if (outcome < 0) return outcome;
  ssize_t length = memory_string(call->thread, path, request->path, sizeof request->path);
  if (length < 0) return length;
  request->path_length = (size_t)length;
  return 0;
}

static bool creates(uint64_t flags) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

/* O_PATH descriptors can be opened again through /proc: they count as reading. */
static unsigned access_of(uint64_t flags) {
  unsigned access = 0;
  if ((flags & O_ACCMODE) != O_WRONLY) access |= ACCESS_READ;
  if ((flags & O_ACCMODE) != O_RDONLY || creates(flags) || (flags & O_TRUNC) != 0) access |= ACCESS_WRITE;
  return access;
}

static const char *forbidding_rule(const struct call *call, const struct open_request *request) {
  static _Thread_local struct resolved resolved;
  unsigned access = access_of(request->flags);
  bool exclusive = (request->flags & O_CREAT) != 0 && (request->flags & O_EXCL) != 0;
  bool follow = (request->flags & O_NOFOLLOW) == 0 && !exclusive;
  if (call->rules->open_count == 0) return NULL;
  if (resolve_path(call->process, call->thread, request->dirfd, request->path, follow, &resolved) > RESOLVED_NEW) {
    return rules_forbid_open(call->rules, request->path, access);
  }
  const char *rule = rules_forbid_open(call->rules, resolved.given, access);
  return rule != NULL ? rule : rules_forbid_open(call->rules, resolved.real, access);
}

struct answer call_open(const struct call *call) {
  struct event_line *line = &call->draft->line;
  struct open_request request;
  ssize_t outcome = read_request(call, &request);
  if (outcome == -EINVAL) return ANSWER_ERROR(EINVAL);
  if (outcome < 0) return call_unreadable(call, outcome, "open");
  const char *rule = forbidding_rule(call, &request);
  if (rule != NULL) draft_begin_deny(call->draft, "Open", rule);
  else draft_begin(call->draft, EVENT_OPEN);
  event_number(line, "pid", call->process);
  event_text(line, "path", request.path, request.path_length);
  event_number(line, "flags", (int64_t)(request.flags & UINT32_MAX));
  if (creates(request.flags)) event_number(line, "mode", (int64_t)(request.mode & 07777));
  if (request.dirfd != AT_FDCWD) event_number(line, "dirfd", request.dirfd);
  if (!call_is_alive(call->listener, call->id)) return ANSWER_ERROR(EPERM);
  return rule != NULL ? call_deny(call) : call_report(call);
}
