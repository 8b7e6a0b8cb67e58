/*
 * Events on their way to the audit channel: two buffers, one that is filled by any thread, one that a single writer
 * thread sends. A full buffer makes who fills it wait, so that nothing is lost and memory is bounded; a channel that
 * fails makes every later push fail.
 */
#ifndef AGENTOPS_EXEC_RING_H
#define AGENTOPS_EXEC_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { RING_BYTES = 1 << 20 }; /* of each of the two buffers */

struct ring {
  pthread_mutex_t lock;
  pthread_cond_t filled;  /* the writer waits */
  pthread_cond_t emptied; /* who pushes or drains waits */
  char *filling;
  char *sending;
  size_t length;  /* of what is being filled */
  bool idle;      /* the writer sleeps until something is pushed */
  bool in_flight; /* the writer is sending */
  bool closing;
  bool failed;
  int channel;
  pthread_t writer;
};

/* Starts the writer. `channel` stays the caller's. -1: no memory or no thread. */
int ring_start(struct ring *ring, int channel);

/* Appends one event, whole, in the order of calls. False when the channel has failed: the event is lost. */
bool ring_push(struct ring *ring, const char *bytes, size_t length);

/* Waits until everything pushed so far was handed to the kernel. False when the channel has failed. */
bool ring_drain(struct ring *ring);

/* The channel is gone: wakes everybody who waits. */
void ring_fail(struct ring *ring);

bool ring_failed(struct ring *ring);

/* Drains, ends the writer and frees. False when the channel has failed. */
bool ring_stop(struct ring *ring);

#endif
