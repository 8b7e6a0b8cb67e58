#include "exec/connector.h"

#include "protocol/address.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* How often connects that wait are looked at: has the guest been killed, or got a signal? */
enum { TICK_MS = 50 };
/* Descriptors are bounded; a guest that has more connects under way gets EAGAIN. */
enum { MAX_PENDING = 512 };

int64_t monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int connect_without_waiting(int socket, const struct sockaddr_storage *address, socklen_t length, bool *blocking) {
  int flags = fcntl(socket, F_GETFL);
  int type = 0;
  socklen_t size = sizeof type;
  if (flags < 0) return errno;
  if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return errno;
  *blocking = (flags & O_NONBLOCK) == 0;
  /* The mode is shared with the guest: it is changed for this moment, and only where a connect may wait. */
  bool change = *blocking && type != SOCK_DGRAM && type != SOCK_RAW;
  if (change) fcntl(socket, F_SETFL, flags | O_NONBLOCK);
  int error = connect(socket, (const struct sockaddr *)address, length) == 0 ? 0 : errno;
  if (change) fcntl(socket, F_SETFL, flags);
  return error;
}

/* Whether a signal waits that the thread does not block: connect(2) would end with EINTR. */
static bool has_signal(pid_t thread) {
  char path[32];
  char line[128];
  unsigned long long own = 0;
  unsigned long long shared = 0;
  unsigned long long blocked = 0;
  unsigned long long ignored = 0;
  snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
  FILE *status = fopen(path, "re");
  if (status == NULL) return false;
  while (fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, "SigPnd:", 7) == 0) own = strtoull(line + 7, NULL, 16);
    if (strncmp(line, "ShdPnd:", 7) == 0) shared = strtoull(line + 7, NULL, 16);
    if (strncmp(line, "SigBlk:", 7) == 0) blocked = strtoull(line + 7, NULL, 16);
    if (strncmp(line, "SigIgn:", 7) == 0) ignored = strtoull(line + 7, NULL, 16);
  }
  fclose(status);
  return ((own | shared) & ~blocked & ~ignored) != 0;
}

static int try_again(const struct pending_connect *pending) {
  bool blocking;
  int error = connect_without_waiting(pending->socket, &pending->address, pending->length, &blocking);
  if (error == EALREADY || error == EINPROGRESS || (pending->retry && error == EAGAIN)) return -1;
  return error;
}

/* The outcome of a connect, or -1 while it goes on. */
static int outcome_of(const struct pending_connect *pending, short events, bool tick) {
  if (events != 0 || (tick && pending->retry)) {
    int error = try_again(pending); /* a second connect(2) tells the result of the first */
    if (error >= 0) return error;
  }
  if (!tick) return -1;
  if (pending->deadline_ms > 0 && monotonic_ms() >= pending->deadline_ms) return pending->retry ? EAGAIN : EINPROGRESS;
  return has_signal(pending->thread) ? EINTR : -1;
}

static void finish(const struct connector *connector, struct draft *draft, struct pending_connect *pending, int error) {
  draft_begin(draft, EVENT_CONNECT);
  event_number(&draft->line, "pid", pending->process);
  event_number(&draft->line, "fd", pending->guest_fd);
  event_sockaddr(&draft->line, &pending->address, pending->length);
  event_number(&draft->line, "result", error);
  call_answer(connector->listener, pending->id, ANSWER_ERROR(draft_send(draft) ? error : EPERM));
  close(pending->socket);
  free(pending);
}

struct waiting {
  struct pending_connect *connects[MAX_PENDING];
  struct pollfd polls[MAX_PENDING + 1]; /* the first is for new ones */
  size_t count;
};

static void take_incoming(struct connector *connector, struct waiting *waiting, struct draft *draft) {
  uint64_t count;
  if (read(connector->wake, &count, sizeof count) < 0) return;
  pthread_mutex_lock(&connector->lock);
  struct pending_connect *pending = connector->incoming;
  connector->incoming = NULL;
  pthread_mutex_unlock(&connector->lock);
  while (pending != NULL) {
    struct pending_connect *next = pending->next;
    if (waiting->count == MAX_PENDING) {
      finish(connector, draft, pending, EAGAIN);
    } else {
      waiting->polls[waiting->count + 1] = (struct pollfd){pending->retry ? -1 : pending->socket, POLLOUT, 0};
      waiting->connects[waiting->count++] = pending;
    }
    pending = next;
  }
}

static void look_at_all(const struct connector *connector, struct waiting *waiting, struct draft *draft, bool tick) {
  for (size_t i = waiting->count; i-- > 0;) {
    struct pending_connect *pending = waiting->connects[i];
    int error = outcome_of(pending, waiting->polls[i + 1].revents, tick);
    if (error < 0 && tick && !call_is_alive(connector->listener, pending->id)) error = EINTR; /* it was killed */
    if (error < 0) continue;
    finish(connector, draft, pending, error);
    waiting->count--;
    waiting->connects[i] = waiting->connects[waiting->count];
    waiting->polls[i + 1] = waiting->polls[waiting->count + 1];
  }
}

struct connector_state {
  struct connector *connector;
  struct waiting waiting;
  struct draft draft;
};

static void *wait_for_connects(void *argument) {
  struct connector_state *state = argument;
  struct connector *connector = state->connector;
  struct waiting *waiting = &state->waiting;
  int64_t next_tick = 0;
  state->draft.reporter = connector->reporter;
  waiting->polls[0] = (struct pollfd){connector->wake, POLLIN, 0};
  pthread_mutex_lock(&connector->lock);
  connector->thread_id = (pid_t)syscall(SYS_gettid);
  pthread_cond_signal(&connector->started);
  pthread_mutex_unlock(&connector->lock);
  for (;;) {
    int ready = poll(waiting->polls, waiting->count + 1, waiting->count > 0 ? TICK_MS : -1);
    bool tick = monotonic_ms() >= next_tick;
    if (tick) next_tick = monotonic_ms() + TICK_MS;
    if (ready > 0 || tick) look_at_all(connector, waiting, &state->draft, tick);
    if (ready > 0 && waiting->polls[0].revents != 0) take_incoming(connector, waiting, &state->draft);
  }
  return NULL;
}

int connector_start(struct connector *connector, const struct reporter *reporter) {
  pthread_t thread;
  struct connector_state *state = calloc(1, sizeof *state); /* for as long as the process lives */
  *connector = (struct connector){.reporter = reporter, .listener = -1, .wake = eventfd(0, EFD_CLOEXEC)};
  pthread_mutex_init(&connector->lock, NULL);
  pthread_cond_init(&connector->started, NULL);
  if (state == NULL || connector->wake < 0) return -1;
  state->connector = connector;
  if (pthread_create(&thread, NULL, wait_for_connects, state) != 0) return -1;
  pthread_detach(thread);
  pthread_mutex_lock(&connector->lock);
  while (connector->thread_id == 0) pthread_cond_wait(&connector->started, &connector->lock);
  pthread_mutex_unlock(&connector->lock);
  return 0;
}

void connector_add(struct connector *connector, struct pending_connect *pending) {
  const uint64_t one = 1;
  pthread_mutex_lock(&connector->lock);
  pending->next = connector->incoming;
  connector->incoming = pending;
  pthread_mutex_unlock(&connector->lock);
  while (write(connector->wake, &one, sizeof one) < 0 && errno == EINTR) continue;
}
