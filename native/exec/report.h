/* Makes events of the runner and puts them on their way. One draft per thread. */
#ifndef AGENTOPS_EXEC_REPORT_H
#define AGENTOPS_EXEC_REPORT_H

#include "exec/options.h"
#include "exec/ring.h"
#include "protocol/event.h"

#include <sys/resource.h>

struct reporter {
  struct event_context context;
  struct ring *ring;
  bool keep_going; /* events that cannot be sent do not matter */
};

struct draft {
  const struct reporter *reporter;
  struct event_line line;
  char bytes[EVENT_MAX_BYTES];
};

/* Starts an event that happens now. */
void draft_begin(struct draft *draft, enum event_type type);

/* A Deny: what was denied, and the rule; then the members of the denied event follow. */
void draft_begin_deny(struct draft *draft, const char *action, const char *rule);

/* Ends it and hands it to the writer. False: it is lost, and what it is about must not happen. */
bool draft_send(struct draft *draft);

struct start_facts {
  pid_t guest;
  enum record_mode mode;
  enum record_mode asked;
  const char *const *reasons; /* why mode is not what was asked, and other things to know */
  size_t reason_count;
};

bool report_start(struct draft *draft, const struct start_facts *facts);
bool report_exit(struct draft *draft, pid_t guest, int wait_status, const struct rusage *usage);

#endif
