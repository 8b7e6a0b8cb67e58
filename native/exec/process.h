/* What /proc says about processes of the guest. */
#ifndef AGENTOPS_EXEC_PROCESS_H
#define AGENTOPS_EXEC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process_facts {
  pid_t process;  /* the thread's process (its thread group) */
  pid_t parent;
};

/* False when there is no such thread. */
bool process_facts(pid_t thread, struct process_facts *facts);

/* Remembers which process threads belong to; checked with the kernel at each use. Owned by one thread. */
enum { KNOWN_THREADS = 256 };
struct thread_table {
  struct {
    pid_t thread;
    pid_t process;
  } known[KNOWN_THREADS];
};

/* The process of a thread; the thread itself when it cannot be told. */
pid_t process_of(struct thread_table *table, pid_t thread);

/* readlink of /proc/<process>/<name>: its length, terminated, or -1. */
ssize_t process_link(pid_t process, const char *name, char *target, size_t capacity);

/* Whether the process sees the same process ids as we do. */
bool process_shares_pids(pid_t process);

/* Whether it has the same user, group and capabilities as we: then what it asks for may be done in its place. */
bool process_is_like_us(pid_t process);

/* The number in a line "name:\tnumber" of a file in /proc, or -1. */
long process_field(const char *path, const char *name);

/* Calls `each` with every living process that has `ancestor` above it. Returns how many there were. */
size_t process_descendants(pid_t ancestor, void (*each)(pid_t process, void *context), void *context);

/*
 * Continues descendants that were stopped between vfork and exec. Their parent waits for them in the kernel, where nothing
 * but SIGKILL reaches it, so that it neither stops nor can be continued; without a supervisor that moment is too short to
 * be met by somebody who types Ctrl-Z, with one an exec takes longer.
 */
void process_release_vforks(pid_t ancestor);

/* Calls `each` with every process in a process group. Returns how many there were. */
size_t process_group_members(pid_t group, void (*each)(pid_t process, void *context), void *context);

#endif
