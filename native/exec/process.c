#include "exec/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The whole of a small file, terminated; -1 when it cannot be read. */
static ssize_t read_file(const char *path, char *bytes, size_t capacity) {
  size_t length = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  while (length < capacity - 1) {
    ssize_t got = read(fd, bytes + length, capacity - 1 - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += (size_t)got;
  }
  close(fd);
  bytes[length] = '\0';
  return (ssize_t)length;
}

/* What follows "\nname:" in the text of such a file; NULL when it has no such line. */
static const char *line_of(const char *text, const char *name) {
  size_t length = strlen(name);
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, name, length) == 0 && line[length] == ':') return line + length + 1;
  }
  return NULL;
}

static bool read_status(pid_t thread, char *text, size_t capacity) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
  return read_file(path, text, capacity) > 0;
}

bool process_facts(pid_t thread, struct process_facts *facts) {
  char text[4096];
  if (!read_status(thread, text, sizeof text)) return false;
  const char *process = line_of(text, "Tgid");
  const char *parent = line_of(text, "PPid");
  if (process == NULL || parent == NULL) return false;
  facts->process = (pid_t)strtol(process, NULL, 10);
  facts->parent = (pid_t)strtol(parent, NULL, 10);
  return true;
}

/* Signal 0 to a thread of a process: the kernel says whether there is such a pair. */
static bool belongs(pid_t thread, pid_t process) {
  return syscall(SYS_tgkill, process, thread, 0) == 0;
}

pid_t process_of(struct thread_table *table, pid_t thread) {
  size_t slot = (size_t)thread % KNOWN_THREADS;
  struct process_facts facts;
  if (table->known[slot].thread == thread && belongs(thread, table->known[slot].process)) {
    return table->known[slot].process;
  }
  if (belongs(thread, thread)) return thread;
  if (!process_facts(thread, &facts)) return thread;
  table->known[slot].thread = thread;
  table->known[slot].process = facts.process;
  return facts.process;
}

ssize_t process_link(pid_t process, const char *name, char *target, size_t capacity) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)process, name);
  ssize_t length = readlink(path, target, capacity - 1);
  if (length < 0) return -1;
  target[length] = '\0';
  return length;
}

bool process_shares_pids(pid_t process) {
  char ours[64];
  char theirs[64];
  return process_link(getpid(), "ns/pid", ours, sizeof ours) > 0 &&
         process_link(process, "ns/pid", theirs, sizeof theirs) > 0 && strcmp(ours, theirs) == 0;
}

/* Whether both texts have the same line of that name. */
static bool same_line(const char *one, const char *other, const char *name) {
  const char *first = line_of(one, name);
  const char *second = line_of(other, name);
  if (first == NULL || second == NULL) return false;
  size_t length = strcspn(first, "\n");
  return strcspn(second, "\n") == length && memcmp(first, second, length) == 0;
}

bool process_is_like_us(pid_t process) {
  static const char *const lines[] = {"Uid", "Gid", "Groups", "CapEff"};
  char ours[4096];
  char theirs[4096];
  char our_space[64];
  char their_space[64];
  if (!read_status(getpid(), ours, sizeof ours) || !read_status(process, theirs, sizeof theirs)) return false;
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    if (!same_line(ours, theirs, lines[i])) return false;
  }
  return process_link(getpid(), "ns/user", our_space, sizeof our_space) > 0 &&
         process_link(process, "ns/user", their_space, sizeof their_space) > 0 && strcmp(our_space, their_space) == 0;
}

long process_field(const char *path, const char *name) {
  char text[4096];
  if (read_file(path, text, sizeof text) <= 0) return -1;
  const char *value = line_of(text, name);
  return value == NULL ? -1 : strtol(value, NULL, 10);
}

/* ------------------------------------------------------------------------------------------------ all processes */

struct entry {
  pid_t process;
  pid_t parent;
  pid_t group;
  char state;
  bool wanted;
};

/* From proc_pid_stat(5); the name in parentheses may hold anything. Zombies are over already. */
static bool read_entry(pid_t process, struct entry *entry) {
  char path[32];
  char text[1024];
  char state;
  int parent;
  int group;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
  if (read_file(path, text, sizeof text) <= 0) return false;
  const char *name_end = strrchr(text, ')');
  if (name_end == NULL || sscanf(name_end + 1, " %c %d %d", &state, &parent, &group) != 3) return false;
  *entry = (struct entry){process, (pid_t)parent, (pid_t)group, state, false};
  return state != 'Z' && state != 'X';
}

/* The caller frees `entries`. */
static size_t read_entries(struct entry **entries) {
  DIR *directory = opendir("/proc");
  size_t count = 0;
  size_t capacity = 0;
  *entries = NULL;
  if (directory == NULL) return 0;
  for (const struct dirent *item = readdir(directory); item != NULL; item = readdir(directory)) {
    if (!isdigit((unsigned char)item->d_name[0])) continue;
    if (count == capacity) {
      struct entry *more = reallocarray(*entries, capacity * 2 + 64, sizeof **entries);
      if (more == NULL) break;
      *entries = more;
      capacity = capacity * 2 + 64;
    }
    if (read_entry((pid_t)strtol(item->d_name, NULL, 10), &(*entries)[count])) count++;
  }
  closedir(directory);
  return count;
}

/* Marks children of what is marked until nothing changes; a zombie in between breaks no chain, its children move up. */
static void mark_descendants(struct entry *entries, size_t count, pid_t ancestor) {
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < count; i++) {
      if (entries[i].wanted) continue;
      bool child = entries[i].parent == ancestor;
      for (size_t k = 0; k < count && !child; k++) child = entries[k].wanted && entries[k].process == entries[i].parent;
      if (!child) continue;
      entries[i].wanted = true;
      changed = true;
    }
  }
}

static size_t visit(struct entry *entries, size_t count, void (*each)(pid_t, void *), void *context) {
  size_t visited = 0;
  for (size_t i = 0; i < count; i++) {
    if (!entries[i].wanted) continue;
    each(entries[i].process, context);
    visited++;
  }
  free(entries);
  return visited;
}

size_t process_descendants(pid_t ancestor, void (*each)(pid_t process, void *context), void *context) {
  struct entry *entries;
  size_t count = read_entries(&entries);
  mark_descendants(entries, count, ancestor);
  return visit(entries, count, each, context);
}

/* A child that shares its parent's memory, while the parent cannot be interrupted. */
static bool is_stopped_vfork(const struct entry *child, const struct entry *entries, size_t count) {
  if (child->state != 'T') return false;
  for (size_t i = 0; i < count; i++) {
    if (entries[i].process != child->parent) continue;
    return entries[i].state == 'D' && syscall(SYS_kcmp, child->process, child->parent, KCMP_VM, 0, 0) == 0;
  }
  return false;
}

void process_release_vforks(pid_t ancestor) {
  struct entry *entries;
  size_t count = read_entries(&entries);
  mark_descendants(entries, count, ancestor);
  for (size_t i = 0; i < count; i++) {
    if (entries[i].wanted && is_stopped_vfork(&entries[i], entries, count)) kill(entries[i].process, SIGCONT);
  }
  free(entries);
}

size_t process_group_members(pid_t group, void (*each)(pid_t process, void *context), void *context) {
  struct entry *entries;
  size_t count = read_entries(&entries);
  for (size_t i = 0; i < count; i++) entries[i].wanted = entries[i].group == group;
  return visit(entries, count, each, context);
}
