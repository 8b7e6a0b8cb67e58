/*
 * Connects that take their time. The reader starts each of them without waiting; one thread then waits for all of them,
 * so that a slow connect stalls nothing else, and answers the guest when one is over.
 */
#ifndef AGENTOPS_EXEC_CONNECTOR_H
#define AGENTOPS_EXEC_CONNECTOR_H

#include "exec/calls.h"

#include <pthread.h>
#include <sys/socket.h>

struct pending_connect {
  struct pending_connect *next;
  int socket; /* a copy of the guest's descriptor */
  uint64_t id;
  pid_t thread;
  pid_t process;
  int guest_fd;
  int64_t deadline_ms; /* of CLOCK_MONOTONIC, from SO_SNDTIMEO; 0: none */
  bool retry;          /* nothing tells when to go on: try again */
  socklen_t length;
  struct sockaddr_storage address;
};

struct connector {
  const struct reporter *reporter;
  pthread_mutex_t lock;
  struct pending_connect *incoming;
  int wake; /* an eventfd */
  int listener;
  pid_t thread_id; /* 0 until the thread runs */
  pthread_cond_t started;
};

int connector_start(struct connector *connector, const struct reporter *reporter);

/* Takes over a connect that has begun. */
void connector_add(struct connector *connector, struct pending_connect *pending);

/* connect(2) that never waits, whatever the socket's own mode is. Returns 0 or an errno. */
int connect_without_waiting(int socket, const struct sockaddr_storage *address, socklen_t length, bool *blocking);

int64_t monotonic_ms(void);

#endif
