/*
 * The seccomp filter of a guest, as a program for the kernel. It is made by agent-exec and installed by the guest's
 * main process before it executes anything; all its children have it.
 */
#ifndef AGENTOPS_EXEC_FILTER_H
#define AGENTOPS_EXEC_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_FILTER_LENGTH = 4096 }; /* BPF_MAXINSNS */
enum { MAX_FILTER_TARGETS = 48 };

struct filter_plan {
  bool notify;          /* ask the supervisor; otherwise what would be refused is refused at once, and all else allowed */
  bool pass_marked;     /* let read-only openat pass that carries the mark of the shim */
  uint32_t mark[2];     /* in the 5th and 6th argument of openat */
  bool connect_rules;   /* there are deny rules for addresses */
  int32_t targets[MAX_FILTER_TARGETS]; /* protected processes and threads; groups of them as negative numbers */
  size_t target_count;
  bool all_targets; /* there are more than that: ask for every target */
};

/* Returns the length in instructions, or 0 when the plan does not fit. */
size_t filter_build(const struct filter_plan *plan, struct sock_filter program[MAX_FILTER_LENGTH]);

/*
 * Installs a filter in this process: with a listener, whose descriptor is returned, or without (0). -1: errno says why.
 * Sets no_new_privs when the kernel asks for it.
 */
int filter_install(const struct sock_filter *program, size_t length, bool listen);

/* What this kernel is, as far as notification goes: a reason not to use it, or NULL. */
const char *filter_obstacle(void);

#endif
