/*
 * Answers the guest's notifications: threads that receive a call, read what it is about from the guest's memory, decide,
 * report and answer. Events are in the writer's hands before the call goes on.
 */
#ifndef AGENTOPS_EXEC_SUPERVISOR_H
#define AGENTOPS_EXEC_SUPERVISOR_H

#include "exec/calls.h"
#include "exec/connector.h"

#include <pthread.h>

enum { SUPERVISOR_READERS = 2 };

struct supervisor {
  const struct reporter *reporter;
  const struct rules *rules;
  const struct protection *protection;
  struct connector connector;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int listener; /* -1 until the guest has installed its filter */
  pid_t thread_ids[SUPERVISOR_READERS];
  size_t thread_count; /* readers that have told their number */
};

/* Starts the readers, which wait for supervisor_listen; they end with the process. -1: no threads. */
int supervisor_start(struct supervisor *supervisor, const struct reporter *reporter, const struct rules *rules,
                     const struct protection *protection);

/* Takes the listener of the guest's filter. */
void supervisor_listen(struct supervisor *supervisor, int listener);

#endif
