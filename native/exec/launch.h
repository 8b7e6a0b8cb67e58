/* The guest's main process: made before anything can be observed, started when everything is ready. */
#ifndef AGENTOPS_EXEC_LAUNCH_H
#define AGENTOPS_EXEC_LAUNCH_H

#include "exec/filter.h"
#include "exec/options.h"

#include <signal.h>

struct launch {
  pid_t guest;
  int link; /* a socket to it, until it is started */
};

/* What the guest gets back that agent-exec changed for itself. */
struct launch_inheritance {
  sigset_t mask;
  struct sigaction child_action; /* of SIGCHLD */
};

/*
 * Forks the main process, which waits. `private_fd` (the audit channel) is closed in it. -1: errno says why.
 */
int launch_fork(struct launch *launch, const struct options *options, const struct launch_inheritance *inheritance,
                int private_fd);

/*
 * Has it install a filter. With `listen`, returns the listener (0 without). -1: errno is the kernel's answer to the
 * guest, or EPIPE when the guest is gone.
 */
int launch_filter(const struct launch *launch, const struct sock_filter *program, size_t length, bool listen);

/* Lets it execute the command, in an environment for that mode. False when it is gone. */
bool launch_go(struct launch *launch, enum record_mode mode, const uint32_t mark[2]);

#endif
