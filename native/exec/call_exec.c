/*
 * execve and execveat. What is reported and checked is a copy of the path; the kernel reads the path again, so that
 * another thread of a hostile guest may have changed it meanwhile: denials of execs are advisory.
 */
#include "exec/arguments.h"
#include "exec/calls.h"
#include "exec/environment.h"
#include "exec/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* Both arrays together fill an event. */
enum { ARGV_BYTES = 24 * 1024, ENV_BYTES = 16 * 1024 };

struct exec_request {
  char path[PATH_MAX];
  size_t path_length;
  int dirfd;
  bool follow;
  uint64_t argv;
  uint64_t env;
};

/* The event has no descriptor: its name says where the path starts, and for fexecve(3) what the file is. */
static ssize_t name_from_descriptor(const struct call *call, struct exec_request *request) {
  char link[32];
  char name[2 * PATH_MAX];
  snprintf(link, sizeof link, "fd/%d", request->dirfd);
  ssize_t length = process_link(call->thread, link, name, PATH_MAX);
  if (length < 0) return -EBADF;
  if (request->path_length > 0) {
    length += snprintf(name + length, sizeof name - (size_t)length, "/%s", request->path);
  }
  if ((size_t)length >= sizeof request->path) return -ENAMETOOLONG;
  memcpy(request->path, name, (size_t)length + 1);
  request->path_length = (size_t)length;
  request->dirfd = AT_FDCWD;
  return 0;
}

static ssize_t read_request(const struct call *call, struct exec_request *request) {
  const __u64 *args = call->data->args;
  bool at = call->data->nr == __NR_execveat;
  ssize_t length = memory_string(call->thread, args[at ? 1 : 0], request->path, sizeof request->path);
  if (length < 0) return length;
  request->path_length = (size_t)length;
  request->dirfd = at ? (int)args[0] : AT_FDCWD;
  request->argv = args[at ? 2 : 1];
  request->env = args[at ? 3 : 2];
  request->follow = !at || ((int)args[4] & AT_SYMLINK_NOFOLLOW) == 0;
  if (!at || request->dirfd == AT_FDCWD || request->path[0] == '/') return 0;
  if (length == 0 && ((int)args[4] & AT_EMPTY_PATH) == 0) return 0; /* the kernel says ENOENT */
  return name_from_descriptor(call, request);
}

static const char *forbidding_rule(const struct call *call, const struct exec_request *request,
                                   enum resolution resolution, const struct resolved *resolved) {
  if (call->rules->exec_count == 0) return NULL;
  if (resolution > RESOLVED_NEW) return rules_forbid_exec(call->rules, request->path);
  const char *rule = rules_forbid_exec(call->rules, resolved->given);
  return rule != NULL ? rule : rules_forbid_exec(call->rules, resolved->real);
}

static void add_texts(struct event_line *line, const char *name, const struct arguments *arguments) {
  const char *at = arguments->bytes;
  event_array(line, name);
  for (size_t i = 0; i < arguments->count; i++) {
    size_t length = strlen(at);
    event_item(line, at, length);
    at += length + 1;
  }
  event_array_end(line);
}

/* Room that the members behind argv and env need at most: argc and envc. */
enum { COUNT_BYTES = 48 };

static void add_members(const struct call *call, const struct exec_request *request, const struct arguments *argv,
                        const struct arguments *env) {
  struct event_line *line = &call->draft->line;
  struct process_facts facts = {call->process, 0};
  char cwd[PATH_MAX];
  process_facts(call->thread, &facts);
  ssize_t cwd_length = process_link(call->thread, "cwd", cwd, sizeof cwd);
  event_number(line, "pid", call->process);
  event_number(line, "ppid", facts.parent);
  event_text(line, "path", request->path, request->path_length);
  event_reserve(line, COUNT_BYTES);
  if (cwd_length > 0) event_text(line, "cwd", cwd, (size_t)cwd_length);
  add_texts(line, "argv", argv);
  add_texts(line, "env", env);
  event_reserve(line, 0);
  if (argv->complete && env->complete && line->truncated == 0) return;
  event_cut(line);
  if (argv->counted) event_number(line, "argc", (int64_t)argv->total);
  if (env->counted) event_number(line, "envc", (int64_t)env->total);
}

struct answer call_exec(const struct call *call) {
  static _Thread_local char argv_bytes[ARGV_BYTES];
  static _Thread_local char env_bytes[ENV_BYTES];
  static _Thread_local struct exec_request request;
  static _Thread_local struct resolved resolved;
  struct arguments argv = {.bytes = argv_bytes, .capacity = sizeof argv_bytes};
  struct arguments env = {.bytes = env_bytes, .capacity = sizeof env_bytes};
  ssize_t outcome = read_request(call, &request);
  if (outcome == 0) outcome = arguments_read(&argv, call->thread, request.argv, NULL);
  if (outcome == 0) outcome = arguments_read(&env, call->thread, request.env, environment_shown);
  if (outcome == -EBADF) return ANSWER_ERROR(EBADF);
  if (outcome < 0) return call_unreadable(call, outcome, "execve");
  enum resolution resolution =
      resolve_path(call->process, call->thread, request.dirfd, request.path, request.follow, &resolved);
  const char *rule = forbidding_rule(call, &request, resolution, &resolved);
  if (rule != NULL) draft_begin_deny(call->draft, "Exec", rule);
  else draft_begin(call->draft, EVENT_EXEC);
  /* Searching PATH is a series of such calls: answered here, their result is known, and none is mistaken for an exec. */
  bool missing = rule == NULL && (resolution == RESOLVED_NEW || resolution == RESOLVED_NOT_FOUND);
  if (missing) event_number(&call->draft->line, "result", resolved.error);
  add_members(call, &request, &argv, &env);
  if (!call_is_alive(call->listener, call->id)) return ANSWER_ERROR(EPERM);
  if (rule != NULL) return call_deny(call);
  struct answer answer = call_report(call);
  return missing ? ANSWER_ERROR(answer.kind == ANSWER_PROCEED ? resolved.error : EPERM) : answer;
}
