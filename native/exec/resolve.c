#include "exec/resolve.h"

#include "exec/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MAX_LINKS = 40 }; /* as in path_resolution(7) */

struct walk {
  pid_t process;
  pid_t thread;
  int root; /* the guest's */
  int here; /* directory that is reached so far, or the file at the end */
  int links;
  bool follow;
  int error; /* why a name could not be opened */
  char rest[2 * PATH_MAX]; /* still to be walked */
  char missing[NAME_MAX + 1]; /* last name, when there is no such file in `here` */
};

static int open_of(pid_t process, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)process, name);
  return open(path, O_PATH | O_CLOEXEC);
}

static void go_to(struct walk *walk, int place) {
  if (walk->here >= 0) close(walk->here);
  walk->here = place;
}

static bool same_place(int one, int other) {
  struct stat first;
  struct stat second;
  return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

static bool in_proc(int place) {
  struct statfs system;
  return fstatfs(place, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

/* Our own /proc/self is not the guest's. */
static const char *translate(const struct walk *walk, const char *name, char *buffer, size_t capacity) {
  bool self = strcmp(name, "self") == 0;
  if (!self && strcmp(name, "thread-self") != 0) return name;
  if (!in_proc(walk->here)) return name;
  if (self) snprintf(buffer, capacity, "%d", (int)walk->process);
  else snprintf(buffer, capacity, "%d/task/%d", (int)walk->process, (int)walk->thread);
  return buffer;
}

/* Puts the target of a link before what is left to walk. */
static bool enter_link(struct walk *walk, int link, const char *name) {
  char target[PATH_MAX];
  char rest[sizeof walk->rest];
  if (++walk->links > MAX_LINKS) return false;
  ssize_t length = readlinkat(link, "", target, sizeof target - 1);
  if (length < 0) return false;
  target[length] = '\0';
  if (in_proc(link) && strncmp(target, "self/", 5) != 0) { /* the kernel jumps, wherever the target's name leads */
    int place = openat(walk->here, name, O_PATH | O_CLOEXEC);
    if (place < 0) return false;
    go_to(walk, place);
    return true;
  }
  int written = snprintf(rest, sizeof rest, "%s/%s", target, walk->rest);
  if (written < 0 || (size_t)written >= sizeof rest) return false;
  memcpy(walk->rest, rest, (size_t)written + 1);
  if (target[0] == '/') go_to(walk, fcntl(walk->root, F_DUPFD_CLOEXEC, 0));
  return walk->here >= 0;
}

/* Takes one name off the rest. False when nothing is left. */
static bool next_name(struct walk *walk, char name[NAME_MAX + 1], bool *last) {
  const char *start = walk->rest + strspn(walk->rest, "/");
  size_t length = strcspn(start, "/");
  if (length == 0 || length > NAME_MAX) return false;
  memcpy(name, start, length);
  name[length] = '\0';
  *last = start[length + strspn(start + length, "/")] == '\0';
  memmove(walk->rest, start + length, strlen(start + length) + 1);
  return true;
}

static bool step(struct walk *walk, const char *name, bool last) {
  char buffer[48];
  struct stat facts;
  if (strcmp(name, ".") == 0) return true;
  if (strcmp(name, "..") == 0 && same_place(walk->here, walk->root)) return true;
  name = translate(walk, name, buffer, sizeof buffer);
  int place = openat(walk->here, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (place < 0 && errno == ENOENT && last) {
    memcpy(walk->missing, name, strlen(name) + 1);
    return true;
  }
  if (place < 0) walk->error = errno;
  if (place < 0 || fstat(place, &facts) != 0) return false;
  if (S_ISLNK(facts.st_mode) && (!last || walk->follow)) {
    bool entered = enter_link(walk, place, name);
    close(place);
    return entered;
  }
  go_to(walk, place);
  return true;
}

/* Where the kernel says that an open descriptor of ours leads, as the guest would write it. */
static bool name_of(const struct walk *walk, int place, char *name, size_t capacity) {
  char root[PATH_MAX];
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", place);
  ssize_t length = readlink(link, name, capacity - 1);
  if (length <= 0) return false;
  name[length] = '\0';
  ssize_t root_length = process_link(walk->process, "root", root, sizeof root);
  if (root_length > 1 && strncmp(name, root, (size_t)root_length) == 0 && name[root_length] == '/') {
    memmove(name, name + root_length, (size_t)(length - root_length) + 1);
  }
  return true;
}

static bool join(char *path, size_t capacity, const char *name) {
  size_t length = strlen(path);
  bool slash = length > 0 && path[length - 1] == '/';
  int written = snprintf(path + length, capacity - length, "%s%s", slash ? "" : "/", name);
  return written >= 0 && (size_t)written < capacity - length;
}

static int start_of(const struct walk *walk, int dirfd, const char *path) {
  char name[32] = "cwd";
  if (path[0] == '/') return fcntl(walk->root, F_DUPFD_CLOEXEC, 0);
  if (dirfd != AT_FDCWD) snprintf(name, sizeof name, "fd/%d", dirfd);
  return open_of(walk->thread, name);
}

static bool walk_all(struct walk *walk, struct resolved *resolved, const char *path) {
  char name[NAME_MAX + 1];
  bool last = false;
  if (path[0] == '/') {
    if (strlen(path) >= sizeof resolved->given) return false;
    memcpy(resolved->given, path, strlen(path) + 1);
  } else if (!name_of(walk, walk->here, resolved->given, sizeof resolved->given) ||
             (path[0] != '\0' && !join(resolved->given, sizeof resolved->given, path))) {
    return false;
  }
  while (walk->missing[0] == '\0' && next_name(walk, name, &last)) {
    if (!step(walk, name, last)) return false;
  }
  if (!name_of(walk, walk->here, resolved->real, sizeof resolved->real)) return false;
  return walk->missing[0] == '\0' || join(resolved->real, sizeof resolved->real, walk->missing);
}

enum resolution resolve_path(pid_t process, pid_t thread, int dirfd, const char *path, bool follow,
                             struct resolved *resolved) {
  struct walk walk = {.process = process, .thread = thread, .root = open_of(thread, "root"), .here = -1, .follow = follow};
  enum resolution outcome = RESOLVED_UNKNOWN;
  if (walk.root < 0 || strlen(path) >= sizeof walk.rest) goto done;
  memcpy(walk.rest, path, strlen(path) + 1);
  walk.here = start_of(&walk, dirfd, path);
  if (walk.here < 0) goto done;
  if (walk_all(&walk, resolved, path)) outcome = walk.missing[0] == '\0' ? RESOLVED : RESOLVED_NEW;
  else if (walk.error == ENOENT || walk.error == ENOTDIR) outcome = RESOLVED_NOT_FOUND;
  resolved->error = outcome == RESOLVED_NEW ? ENOENT : walk.error;
done:
  if (walk.here >= 0) close(walk.here);
  if (walk.root >= 0) close(walk.root);
  return outcome;
}
