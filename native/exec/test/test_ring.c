/* Many threads against a slow reader, and a reader that goes away. */
#include "exec/ring.h"
#include "exec/test/unit.h"
#include "protocol/event.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PRODUCERS = 4, EVENTS = 20000, LINE = 200 };

static struct ring ring;

static void *produce(void *argument) {
  char line[LINE];
  for (int i = 0; i < EVENTS; i++) {
    memset(line, ' ', sizeof line);
    snprintf(line, sizeof line, "%d %d", *(int *)argument, i);
    line[LINE - 1] = '\n';
    if (!ring_push(&ring, line, sizeof line)) return NULL;
  }
  return argument;
}

/* Reads lines until the end; each producer's come in its order. Returns how many were right. */
static size_t consume(int fd) {
  char line[LINE];
  int next[PRODUCERS] = {0};
  size_t count = 0;
  for (;;) {
    int producer;
    int number;
    ssize_t got = recv(fd, line, sizeof line, MSG_WAITALL);
    if (got != LINE || sscanf(line, "%d %d", &producer, &number) != 2) return count;
    if (producer < 0 || producer >= PRODUCERS || number != next[producer]++) return count;
    count++;
    if (count % 16384 == 0) usleep(20000); /* the ring fills meanwhile */
  }
}

static void loses_nothing(void) {
  static int numbers[PRODUCERS] = {0, 1, 2, 3};
  pthread_t threads[PRODUCERS];
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  pid_t reader = fork();
  if (reader == 0) {
    close(ends[0]);
    _exit(consume(ends[1]) == (size_t)PRODUCERS * EVENTS ? 0 : 1);
  }
  CHECK(ring_start(&ring, ends[0]) == 0);
  for (int i = 0; i < PRODUCERS; i++) CHECK(pthread_create(&threads[i], NULL, produce, &numbers[i]) == 0);
  close(ends[1]);
  for (int i = 0; i < PRODUCERS; i++) {
    void *outcome;
    CHECK(pthread_join(threads[i], &outcome) == 0 && outcome != NULL);
  }
  CHECK(ring_drain(&ring) && ring_stop(&ring));
  close(ends[0]);
  int status = -1;
  CHECK(waitpid(reader, &status, 0) == reader && status == 0);
}

static void notices_the_end(void) {
  static char line[EVENT_MAX_BYTES];
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && ring_start(&ring, ends[0]) == 0);
  close(ends[1]);
  CHECK(ring_push(&ring, line, sizeof line)); /* nobody knows yet */
  CHECK(!ring_drain(&ring) && ring_failed(&ring));
  CHECK(!ring_push(&ring, line, sizeof line));
  CHECK(!ring_stop(&ring));
  close(ends[0]);
}

static void *fail_soon(void *argument) {
  usleep(50000);
  ring_fail(&ring);
  shutdown(*(int *)argument, SHUT_RDWR); /* as the end of the channel does */
  return NULL;
}

/* Who waits for room is woken when there will never be any. */
static void wakes_who_waits(void) {
  static char line[EVENT_MAX_BYTES];
  int ends[2];
  pthread_t thread;
  size_t pushed = 0;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && ring_start(&ring, ends[0]) == 0);
  CHECK(pthread_create(&thread, NULL, fail_soon, &ends[0]) == 0);
  while (pushed < 10000 && ring_push(&ring, line, sizeof line)) pushed++;
  CHECK(pushed < 1000);
  CHECK(pthread_join(thread, NULL) == 0 && !ring_stop(&ring));
  close(ends[0]);
  close(ends[1]);
}

void test_ring(void) {
  loses_nothing();
  notices_the_end();
  wakes_who_waits();
}
