/* Names of files, seen from this process as the guest. */
#include "exec/resolve.h"
#include "exec/test/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct resolved resolved;

static enum resolution resolve_at(int dirfd, const char *path, bool follow) {
  memset(&resolved, 0, sizeof resolved);
  return resolve_path(getpid(), getpid(), dirfd, path, follow, &resolved);
}

static bool leads(const char *path, const char *expected) {
  return resolve_at(AT_FDCWD, path, true) == RESOLVED && strcmp(resolved.real, expected) == 0;
}

static void follows(const char *home) {
  char expected[PATH_MAX];
  snprintf(expected, sizeof expected, "%s/dir/file", home);
  CHECK(leads("dir/file", expected) && leads("./dir/../dir//file", expected) && leads("link", expected));
  CHECK(leads("through/file", expected) && leads("dir/back/dir/file", expected) && leads(expected, expected));
  CHECK(leads("/proc/self/cwd/link", expected) && leads("/proc/thread-self/cwd/dir/file", expected));
  CHECK(leads("/../../proc/self/root/proc/self/cwd/dir/file", expected));
  CHECK(resolve_at(AT_FDCWD, "link", false) == RESOLVED && strstr(resolved.real, "/link") != NULL);
  CHECK(resolve_at(AT_FDCWD, "dir/file", true) == RESOLVED && strcmp(resolved.given, expected) == 0);
  CHECK(leads("/", "/") && leads("/..", "/") && leads("/../..", "/"));
}

static void sees_descriptors(const char *home) {
  char expected[PATH_MAX];
  char name[64];
  int directory = open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int file = open("dir/file", O_RDONLY | O_CLOEXEC);
  snprintf(expected, sizeof expected, "%s/dir/file", home);
  CHECK(resolve_at(directory, "file", true) == RESOLVED && strcmp(resolved.real, expected) == 0);
  CHECK(resolve_at(file, "", true) == RESOLVED && strcmp(resolved.real, expected) == 0);
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  CHECK(leads(name, expected));
  CHECK(resolve_at(999, "file", true) == RESOLVED_UNKNOWN);
  close(directory);
  close(file);
}

static void knows_what_is_missing(const char *home) {
  char expected[PATH_MAX];
  CHECK(resolve_at(AT_FDCWD, "dir/new", true) == RESOLVED_NEW && resolved.error == ENOENT);
  snprintf(expected, sizeof expected, "%s/dir/new", home);
  CHECK(strcmp(resolved.real, expected) == 0);
  CHECK(resolve_at(AT_FDCWD, "dangling", true) == RESOLVED_NEW && strcmp(resolved.real, expected) == 0);
  CHECK(resolve_at(AT_FDCWD, "nowhere/file", true) == RESOLVED_NOT_FOUND && resolved.error == ENOENT);
  CHECK(resolve_at(AT_FDCWD, "dir/file/more", true) == RESOLVED_NOT_FOUND && resolved.error == ENOTDIR);
  CHECK(resolve_at(AT_FDCWD, "loop", true) == RESOLVED_UNKNOWN);
  CHECK(resolve_path(0x3fffffff, 0x3fffffff, AT_FDCWD, "/", true, &resolved) == RESOLVED_UNKNOWN);
}

void test_resolve(void) {
  char home[] = "/tmp/agentops-resolve-XXXXXX";
  char *real = mkdtemp(home) == NULL ? NULL : realpath(home, NULL);
  int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (real == NULL || before < 0 || chdir(real) != 0) abort();
  CHECK(mkdir("dir", 0700) == 0 && close(open("dir/file", O_CREAT | O_WRONLY, 0600)) == 0);
  CHECK(symlink("dir/file", "link") == 0 && symlink("dir", "through") == 0 && symlink("..", "dir/back") == 0);
  CHECK(symlink("dir/new", "dangling") == 0 && symlink("loop", "loop") == 0);
  follows(real);
  sees_descriptors(real);
  knows_what_is_missing(real);
  static const char *const names[] = {"dir/back", "dir/file", "link", "through", "dangling", "loop"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) CHECK(unlink(names[i]) == 0);
  CHECK(rmdir("dir") == 0 && fchdir(before) == 0 && rmdir(real) == 0);
  close(before);
  free(real);
}
