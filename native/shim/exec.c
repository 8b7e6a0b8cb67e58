/*
 * Programs that are started. Reported before the call, for nothing returns from one that succeeds; what fails is reported
 * again with its result, or once when it is plain beforehand that there is no such file. posix_spawn returns and tells
 * the child's number: reported after it, with both. system and popen do not tell: reported before, with the caller's.
 * In hybrid mode the supervisor reports all of it; here only the environment is completed.
 */
#include <stdarg.h>

#include "shim/calls.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/shim.h"

#define E_IO 5
#define E_NOSYS 38
#define E_INVAL_ 22
#define SIG_KILL 9

/* ------------------------------------------------------------------------------------------------ exec */

enum kind { EXEC_PATH, EXEC_SEARCH, EXEC_AT, EXEC_DESCRIPTOR };

struct exec {
  enum kind kind;
  int dirfd;
  int flags;
  const char *path;
  strings argv;
};

static long exec_real(void *context, strings environment) {
  const struct exec *exec = context;
  switch (exec->kind) {
    case EXEC_DESCRIPTOR:
      if (real.fexecve != NULL) return real.fexecve(exec->dirfd, exec->argv, environment);
      return libc_result(RAW_5(__NR_execveat, exec->dirfd, "", exec->argv, environment, 0x1000));
    case EXEC_AT:
      if (real.execveat != NULL) return real.execveat(exec->dirfd, exec->path, exec->argv, environment, exec->flags);
      return libc_result(RAW_5(__NR_execveat, exec->dirfd, exec->path, exec->argv, environment, exec->flags));
    case EXEC_SEARCH:
      if (real.execvpe != NULL) return real.execvpe(exec->path, exec->argv, environment);
      break;
    case EXEC_PATH:
      if (real.execve != NULL) return real.execve(exec->path, exec->argv, environment);
      break;
  }
  return libc_result(RAW_3(__NR_execve, exec->path, exec->argv, environment));
}

static int exec_run(const struct exec *exec, strings environment) {
  if (!shim_ready()) return (int)exec_real((void *)(uintptr_t)exec, environment);
  struct exec_event event = {
      .path = exec->kind == EXEC_DESCRIPTOR ? "" : exec->path,
      .search = exec->kind == EXEC_SEARCH,
      .dirfd = exec->kind == EXEC_DESCRIPTOR || exec->kind == EXEC_AT ? exec->dirfd : AT_CURRENT,
      .argv = exec->argv,
      .environment = environment,
      .pid = 0,
  };
  int known = 0;
  if (!settings.hybrid && !report_exec(&event, UNKNOWN_RESULT, &known) && settings.closed) {
    shim_errno = E_IO;
    return -1;
  }
  struct call call;
  call_begin(&call);
  if (settings.hybrid) send_drops(&call);
  int result = (int)environment_complete(&call, environment, 1, exec_real, (void *)(uintptr_t)exec);
  int reason = shim_errno;
  if (!settings.hybrid && reason != known) report_exec(&event, reason, &known);
  return result;
}

int execve_run(const char *path, strings argv, strings environment) {
  const struct exec exec = {EXEC_PATH, AT_CURRENT, 0, path, argv};
  return exec_run(&exec, environment);
}

int execveat_run(int dirfd, const char *path, strings argv, strings environment, int flags) {
  const struct exec exec = {EXEC_AT, dirfd, flags, path, argv};
  return exec_run(&exec, environment);
}

HOOK(int, execve, (const char *path, strings argv, strings environment)) {
  return execve_run(path, argv, environment);
}

HOOK(int, execveat, (int dirfd, const char *path, strings argv, strings environment, int flags)) {
  return execveat_run(dirfd, path, argv, environment, flags);
}

HOOK(int, fexecve, (int fd, strings argv, strings environment)) {
  const struct exec exec = {EXEC_DESCRIPTOR, fd, 0, NULL, argv};
  return exec_run(&exec, environment);
}

HOOK(int, execv, (const char *path, strings argv)) {
  const struct exec exec = {EXEC_PATH, AT_CURRENT, 0, path, argv};
  return exec_run(&exec, current_environment());
}

HOOK(int, execvp, (const char *file, strings argv)) {
  const struct exec exec = {EXEC_SEARCH, AT_CURRENT, 0, file, argv};
  return exec_run(&exec, current_environment());
}

HOOK(int, execvpe, (const char *file, strings argv, strings environment)) {
  const struct exec exec = {EXEC_SEARCH, AT_CURRENT, 0, file, argv};
  return exec_run(&exec, environment);
}

/* Arguments of execl and its kin, as an array on the stack; *environment is what follows their NULL. */
#define COUNT_ARGUMENTS(count, first)                          \
  size_t count = 0;                                            \
  do {                                                         \
    va_list list;                                              \
    va_start(list, first);                                     \
    const char *item = first;                                  \
    for (; item != NULL; item = va_arg(list, const char *)) count++; \
    va_end(list);                                              \
  } while (0)

static void collect(const char **argv, const char *first, va_list *list) {
  size_t at = 0;
  for (const char *item = first; item != NULL; item = va_arg(*list, const char *)) argv[at++] = item;
  argv[at] = NULL;
}

HOOK(int, execl, (const char *path, const char *first, ...)) {
  COUNT_ARGUMENTS(count, first);
  const char *argv[count + 1];
  va_list list;
  va_start(list, first);
  collect(argv, first, &list);
  va_end(list);
  const struct exec exec = {EXEC_PATH, AT_CURRENT, 0, path, (strings)(uintptr_t)argv};
  return exec_run(&exec, current_environment());
}

HOOK(int, execlp, (const char *file, const char *first, ...)) {
  COUNT_ARGUMENTS(count, first);
  const char *argv[count + 1];
  va_list list;
  va_start(list, first);
  collect(argv, first, &list);
  va_end(list);
  const struct exec exec = {EXEC_SEARCH, AT_CURRENT, 0, file, (strings)(uintptr_t)argv};
  return exec_run(&exec, current_environment());
}

HOOK(int, execle, (const char *path, const char *first, ...)) {
  COUNT_ARGUMENTS(count, first);
  const char *argv[count + 1];
  va_list list;
  va_start(list, first);
  collect(argv, first, &list);
  if (first == NULL) argv[0] = NULL;
  strings environment = va_arg(list, strings);
  va_end(list);
  const struct exec exec = {EXEC_PATH, AT_CURRENT, 0, path, (strings)(uintptr_t)argv};
  return exec_run(&exec, environment);
}

/* ------------------------------------------------------------------------------------------------ spawn */

typedef int (*spawn_function)(int *, const char *, const void *, const void *, strings, strings);

struct spawn {
  spawn_function function;
  int *child;
  const char *path;
  const void *actions;
  const void *attributes;
  strings argv;
};

static long spawn_real(void *context, strings environment) {
  const struct spawn *spawn = context;
  return spawn->function(spawn->child, spawn->path, spawn->actions, spawn->attributes, spawn->argv, environment);
}

/* `tells`: *child becomes the child's number. */
static int spawn_run(struct spawn *spawn, strings environment, int search, int tells) {
  if (spawn->function == NULL) return E_NOSYS;
  if (!shim_ready()) return (int)spawn_real(spawn, environment);
  struct call call;
  call_begin(&call);
  struct exec_event event = {spawn->path, search, AT_CURRENT, spawn->argv, environment, 0};
  int known = 0;
  int before = !settings.hybrid && (settings.closed || !tells);
  if (before && !report_exec(&event, UNKNOWN_RESULT, &known) && settings.closed) return E_IO;
  int number = 0;
  int *wanted = spawn->child;
  if (tells) spawn->child = &number;
  int result = (int)environment_complete(&call, environment, 0, spawn_real, spawn);
  if (tells && wanted != NULL && result == 0) *wanted = number;
  if (settings.hybrid || (before && (result == 0 || result == known))) return result;
  event.pid = result == 0 ? number : 0;
  report_exec(&event, result, &known);
  return result;
}

#define SPAWN_HOOK(name, search, tells)                                                                             \
  HOOK(int, name,                                                                                                   \
       (int *child, const char *path, const void *actions, const void *attributes, strings argv, strings environment)) { \
    shim_ready();                                                                                                   \
    struct spawn spawn = {real.name, child, path, actions, attributes, argv};                                       \
    return spawn_run(&spawn, environment, search, tells);                                                           \
  }

SPAWN_HOOK(posix_spawn, 0, 1)
SPAWN_HOOK(posix_spawnp, 1, 1)
SPAWN_HOOK(pidfd_spawn, 0, 0)
SPAWN_HOOK(pidfd_spawnp, 1, 0)

/* ------------------------------------------------------------------------------------------------ system, popen */

extern char **environ __attribute__((weak));

struct shell {
  const char *command;
  const char *type; /* of popen; NULL: system */
  void *stream;
};

/*
 * libc starts the shell with `environ`. Where that had to be completed it is replaced for the call, which another thread
 * that changes the environment meanwhile would not survive; programs that clean their environment, and have such threads,
 * and use system, are not known.
 */
static long shell_real(void *context, strings environment) {
  struct shell *shell = context;
  strings before = current_environment();
  int replaced = before != environment && &environ != NULL;
  int status = 0;
  if (replaced) environ = (char **)(uintptr_t)environment;
  if (shell->type == NULL) status = real.system(shell->command);
  else shell->stream = real.popen(shell->command, shell->type);
  if (replaced) environ = (char **)(uintptr_t)before;
  return status;
}

/* Returns 0 when it must not run. */
static int shell_run(struct shell *shell, int *status) {
  const char *argv[] = {"sh", "-c", shell->command, NULL};
  strings environment = current_environment();
  const struct exec_event event = {"/bin/sh", 0, AT_CURRENT, (strings)(uintptr_t)argv, environment, 0};
  int known;
  if (!settings.hybrid && !report_exec(&event, UNKNOWN_RESULT, &known) && settings.closed) {
    shim_errno = E_IO;
    return 0;
  }
  struct call call;
  call_begin(&call);
  *status = (int)environment_complete(&call, environment, 0, shell_real, shell);
  return 1;
}

HOOK(int, system, (const char *command)) {
  int ready = shim_ready();
  if (real.system == NULL) return (int)libc_result(-E_NOSYS);
  if (!ready || command == NULL) return real.system(command);
  struct shell shell = {command, NULL, NULL};
  int status = -1;
  return shell_run(&shell, &status) ? status : -1;
}

HOOK(void *, popen, (const char *command, const char *type)) {
  int ready = shim_ready();
  if (real.popen == NULL) return libc_result(-E_NOSYS), NULL;
  if (!ready || command == NULL || type == NULL) return real.popen(command, type);
  struct shell shell = {command, type, NULL};
  int status;
  return shell_run(&shell, &status) ? shell.stream : NULL;
}

/* ------------------------------------------------------------------------------------------------ the end */

/* Destructors do not run here: what was lost is said now. */
static void exit_run(int status) {
  if (shim_ready()) {
    struct call call;
    call_begin(&call);
    send_last_drops(&call);
  }
  if (real._exit != NULL) real._exit(status);
  for (;;) RAW_1(__NR_exit_group, status);
}

HOOK(void, _exit, (int status)) {
  exit_run(status);
}

HOOK(void, _Exit, (int status)) {
  exit_run(status);
}
