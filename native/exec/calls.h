/* What is done about one call of the guest. */
#ifndef AGENTOPS_EXEC_CALLS_H
#define AGENTOPS_EXEC_CALLS_H

#include "exec/memory.h"
#include "exec/process.h"
#include "exec/report.h"
#include "exec/rules.h"

#include <limits.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

struct connector;

enum { MAX_PROTECTED = 64 };

/* Who must not be signalled, traced or limited by the guest: agent-exec itself, and who it was told to protect. */
struct protection {
  pid_t processes[MAX_PROTECTED];
  size_t count;
};

/* One call, on the thread that received it. */
struct call {
  const struct rules *rules;
  const struct protection *protection;
  struct connector *connector;
  struct draft *draft;
  int listener;
  uint64_t id;
  pid_t thread;
  pid_t process;
  const struct seccomp_data *data;
};

/* What the guest gets. */
enum answer_kind { ANSWER_PROCEED, ANSWER_RESULT, ANSWER_LATER };
struct answer {
  enum answer_kind kind; /* the kernel does the call; it was done, or refused; the connector will answer */
  int error;             /* errno; 0: success */
};

#define ANSWER_GO_ON ((struct answer){ANSWER_PROCEED, 0})
#define ANSWER_ERROR(number) ((struct answer){ANSWER_RESULT, (number)})

/* Whether the guest still waits in this very call: then what was read from its memory was its own. */
bool call_is_alive(int listener, uint64_t id);

/* Gives the guest its answer; one that was killed meanwhile needs none. */
void call_answer(int listener, uint64_t id, struct answer answer);

/* Sends the event that has been drafted: the call may go on when it is on its way, and is EPERM when it is lost. */
struct answer call_report(const struct call *call);

/* Sends the Deny that has been drafted. EPERM. */
struct answer call_deny(const struct call *call);

/* A Deny of a call that is no event of its own. */
struct answer call_deny_named(const struct call *call, const char *action, const char *rule, const char *name);

/* What follows when the guest's memory cannot be read: the kernel's own answer, or a Deny. `error` is negative. */
struct answer call_unreadable(const struct call *call, ssize_t error, const char *name);

struct answer call_exec(const struct call *call);
struct answer call_open(const struct call *call);
struct answer call_connect(const struct call *call);
struct answer call_protected(const struct call *call);

#endif
