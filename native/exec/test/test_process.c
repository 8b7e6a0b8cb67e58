/* What /proc says about children that the test makes. */
#include "exec/process.h"
#include "exec/test/unit.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child only makes system calls: it runs on its parent's stack. */
static void stop_in_vfork(void) {
  pid_t child = vfork();
  if (child == 0) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
    _exit(0);
  }
  _exit(child > 0 ? 0 : 1);
}

struct found {
  pid_t parent;
  pid_t child;
};

static void remember_child(pid_t process, void *context) {
  struct found *found = context;
  if (process != found->parent) found->child = process;
}

static bool is_stopped(pid_t process) {
  char path[32];
  char text[512] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  bool stopped = fgets(text, sizeof text, file) != NULL && strstr(text, ") T ") != NULL;
  fclose(file);
  return stopped;
}

/* Stopped between vfork and exec, it holds its parent in the kernel; continued, both end. */
static void releases_vforks(void) {
  struct found found = {.parent = fork()};
  if (found.parent == 0) stop_in_vfork();
  CHECK(found.parent > 0);
  for (int tries = 0; tries < 2000 && (found.child == 0 || !is_stopped(found.child)); tries++) {
    process_descendants(found.parent, remember_child, &found);
    usleep(1000);
  }
  CHECK(found.child > 0 && is_stopped(found.child));
  CHECK(waitpid(found.parent, NULL, WNOHANG) == 0);
  process_release_vforks(getpid());
  int status = -1;
  CHECK(waitpid(found.parent, &status, 0) == found.parent && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Somebody who was stopped for another reason stays so. */
static void leaves_others_stopped(void) {
  pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  process_release_vforks(getpid());
  CHECK(waitpid(child, &status, WNOHANG | WCONTINUED) == 0 && is_stopped(child));
  kill(child, SIGKILL);
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

void test_process(void) {
  releases_vforks();
  leaves_others_stopped();
}
