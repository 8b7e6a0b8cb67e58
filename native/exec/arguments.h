/* argv and environment of an exec, copied from the guest within bounds. */
#ifndef AGENTOPS_EXEC_ARGUMENTS_H
#define AGENTOPS_EXEC_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Most strings of one array that are looked at: the kernel takes more, an event does not. */
enum { MAX_ARGUMENTS = 1 << 16 };

struct arguments {
  char *bytes; /* of the caller: strings, each with its NUL */
  size_t capacity;
  size_t length;
  size_t count;   /* strings in `bytes` */
  size_t total;   /* that the guest has */
  bool counted;   /* `total` is known */
  bool complete;  /* every string is there, whole */
  pid_t thread;
  uint64_t page;  /* address of what is in `cache` */
  size_t cached;
  char cache[4096];
};

/*
 * How many bytes of an environment entry are worth keeping. `whole`: the entry ends there; otherwise only its beginning
 * was read, and returning `length` asks for the rest as well.
 */
typedef size_t (*argument_choice)(const char *entry, size_t length, bool whole);

/*
 * Copies the strings of a NULL-terminated array of pointers; choose: NULL for all of each string. Returns 0, -EFAULT or
 * -EPERM; an array at address 0 is empty, as Linux has it.
 */
int arguments_read(struct arguments *arguments, pid_t thread, uint64_t array, argument_choice choose);

#endif
