/*
 * libauditshim.so: reports what a dynamic program does to the collector (docs/protocol.md).
 *
 * It may be called by any program, at any moment: before main, in a signal handler on a stack of 8 KiB, between vfork and
 * exec, in one thread of many, after the program closed every descriptor. Therefore
 * - no allocation, no libc but __errno_location, dlsym (in the constructor), environ and memcpy; raw system calls, which
 *   leave errno alone;
 * - lines are built in static slots that are claimed by an atomic exchange, never in big buffers on the stack and never
 *   under a lock: a handler that interrupts a hook simply takes another slot;
 * - who would have to wait for another thread of this process (to connect, or for a TCP line to be complete) opens a
 *   connection for its one event instead, for the other thread may be itself, one frame up;
 * - nothing a program does to our descriptor sends a line to a place of the program's: the socket's cookie is compared
 *   before every send.
 */
#ifndef AGENTOPS_SHIM_H
#define AGENTOPS_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/event.h"
#include "shim/endpoint.h"

/*
 * Defines a hook. In the library it has the symbol's own name; in unit tests it is hook_NAME, so that a test (and its
 * sanitizer) keeps the real function.
 */
#ifdef SHIM_UNIT_TEST
#define HOOK(type, symbol, parameters) \
  type hook_##symbol parameters;       \
  type hook_##symbol parameters
#else
#define HOOK(type, symbol, parameters)                                                          \
  __attribute__((visibility("default"))) type hook_##symbol parameters __asm__(#symbol);        \
  type hook_##symbol parameters
#endif

#define NO_INLINE __attribute__((noinline))

#define AT_CURRENT (-100)
#define UNKNOWN_RESULT (-1)

/* ---------------------------------------------------------------------------------------------- settings.c */

struct settings {
  int enabled; /* AUDIT_ENDPOINT was there */
  int closed;  /* AUDIT_MODE=closed: what cannot be reported does not happen */
  int hybrid;  /* AUDIT_SHIM=hybrid: a supervisor sees the rest */
  int marked;  /* AUDIT_MARK holds */
  uint32_t mark[2];
  unsigned wait_ms; /* bound for sending one line while the collector is there but slow */
  struct endpoint endpoint;
  char token[66]; /* 64 hexadecimal digits and LF, or empty */
  size_t token_length;
  char session[EVENT_MAX_NAME + 1];
  char agent[EVENT_MAX_NAME + 1];
  struct event_context context;
};
extern struct settings settings;

void settings_read(char *const *environment);

/* ---------------------------------------------------------------------------------------------- state.c */

#define SLOTS 32
#define SLOT_TEXT 32768

/* Where a line is built, and what it is built from: copies of the program's strings. */
struct slot {
  char line[EVENT_MAX_BYTES];
  char text[SLOT_TEXT];
};

/* What a forked child must not inherit: a page of its own, which the kernel gives to the child empty. */
struct live {
  int pid; /* of the process that owns this memory; 0 in a new child */
  int slots[SLOTS];
  int connecting;
  int tcp_sending;
  int owns_connection; /* TCP: the connection was opened by this very process */
  int hung;            /* the last line waited in vain: do not wait again before one went through */
  unsigned backoff_ms;
  int64_t retry_at; /* monotonic ms */
  uint64_t dropped; /* events lost since the last Drop that was sent */
};

/* One use of a hook. */
struct call {
  struct live *live;
  int pid;
  int borrowed; /* in a vfork child: memory is the parent's, descriptors are not */
};

/* Whether the shim has anything to do here; readies it when a constructor of another library was first. */
int shim_ready(void);
/* After the program installed a seccomp filter of its own: none of our system calls is safe any more. */
int shim_is_silent(void);
void shim_silence(int on);
void call_begin(struct call *call);
struct slot *slot_claim(struct call *call);
void slot_release(struct call *call, struct slot *slot);
int64_t clock_ms(int clock);
#define CLOCK_WALL 5 /* CLOCK_REALTIME_COARSE: at most some ms old, and cheap */
#define CLOCK_STEADY 6

/* ---------------------------------------------------------------------------------------------- send.c */

/* Sends a line; 0 when it was lost (and counted). */
int send_event(struct call *call, const char *line, size_t length);
void send_drops(struct call *call);
/* The same at the end of the process: waits once more, even where waiting was in vain before. */
void send_last_drops(struct call *call);
/* Says that events are going to be missed from here on. */
void send_gap(struct call *call, const char *reason);
/* Whether sending failed a moment ago. */
int send_is_failing(struct call *call);
void count_drop(struct call *call);

/* ---------------------------------------------------------------------------------------------- memory.c */

/* Reads memory of the program that may not be there. Remembers the page that was readable last. */
struct probe {
  uintptr_t page; /* its address + 1; 0: none */
  int off; /* memory that the kernel has just read: no need to ask */
};
int probe_readable(struct probe *probe, const void *at, size_t length);

/* Bytes of a string, at most capacity of them, without NUL; -1 when it cannot be read. *cut is set when there is more. */
long copy_string(struct probe *probe, char *to, size_t capacity, const char *from, int *cut);

size_t text_length(const char *text);
int text_equal(const char *one, const char *other);
int text_starts(const char *text, const char *prefix);

/* ---------------------------------------------------------------------------------------------- environment.c */

char *const *current_environment(void);
void environment_keep(char *const *environment);

typedef long (*environment_use)(void *context, char *const *environment);
/*
 * Calls `use` with the environment, completed by LD_PRELOAD and AUDIT_* where they are missing. `ends`: with success this
 * program is over; the next one tells what this one has lost.
 */
long environment_complete(struct call *call, char *const *environment, int ends, environment_use use, void *context);
uint64_t environment_take_dropped(void);

/* ---------------------------------------------------------------------------------------------- report.c */

/* Reports return 0 when the event was lost. `result`: 0, an errno, or UNKNOWN_RESULT before the call. */
struct open_event {
  const char *path;
  int dirfd;
  int flags;
  int has_mode;
  unsigned mode;
};
int report_open(const struct open_event *event, int result);
int report_connect(int fd, const void *address, size_t length, int result);

struct exec_event {
  const char *path;
  int search; /* path is looked up in PATH when it has no slash */
  int dirfd;  /* of a relative path; with an empty path, what is executed */
  char *const *argv;
  char *const *environment;
  int pid; /* 0: this process */
};
/* *known: errno that the call is going to fail with, as it was reported; else 0. */
int report_exec(const struct exec_event *event, int result, int *known);

#endif
