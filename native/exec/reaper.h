/*
 * Waits: reaps whatever ends, passes signals on to the guest, watches the audit channel, and ends what the guest leaves
 * behind. Runs on the main thread, with all signals blocked.
 */
#ifndef AGENTOPS_EXEC_REAPER_H
#define AGENTOPS_EXEC_REAPER_H

#include "exec/report.h"

struct reaper {
  pid_t guest;
  bool own_group;  /* it leads a process group */
  bool keep_going; /* the audit channel may fail */
  int channel;     /* -1: none is watched */
  int signals;     /* a signalfd of all that can be blocked */
  struct draft *draft;
  bool terminal_stopped; /* the terminal has told our group to stop */
  bool ended;            /* the guest's main process has */
  int status;            /* of wait(2) */
};

/* A signalfd of everything, which is to be blocked. -1: errno says why. */
int reaper_signals(sigset_t *before);

/*
 * Returns when the guest's main process has ended and its Exit event is on its way, or when the audit channel is gone.
 * False in the second case: then everything is to be killed.
 */
bool reaper_wait(struct reaper *reaper);

/* Ends all descendants: with SIGTERM and two seconds to follow it, or at once. False when some cannot be ended. */
bool reaper_end_all(struct reaper *reaper, bool at_once);

#endif
