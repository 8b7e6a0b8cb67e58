/* Puts a guest under observation: decides how, makes its filter, and starts to answer. */
#ifndef AGENTOPS_EXEC_OBSERVE_H
#define AGENTOPS_EXEC_OBSERVE_H

#include "exec/launch.h"
#include "exec/supervisor.h"

enum { MAX_REASONS = 6, REASON_BYTES = 200 };

struct observation {
  enum record_mode mode;
  uint32_t mark[2];
  const char *reasons[MAX_REASONS];
  size_t reason_count;
  char texts[MAX_REASONS][REASON_BYTES];
  struct protection protection; /* the supervisor looks here */
};

/*
 * The guest's process waits. Where notification is not available, the shim alone is left, or nothing, and `reasons` says
 * why. Returns NULL, or why the guest must not start at all. Options and observation must outlive the guest.
 */
const char *observe(struct observation *observation, struct supervisor *supervisor, const struct reporter *reporter,
                    const struct options *options, const struct launch *launch);

#endif
