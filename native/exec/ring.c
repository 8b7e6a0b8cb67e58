#include "exec/ring.h"

#include "exec/channel.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long the writer lets events gather before it sends them: a send per event costs more than the event. */
static const struct timespec gather = {.tv_nsec = 500000};

static void *write_events(void *argument) {
  struct ring *ring = argument;
  pthread_mutex_lock(&ring->lock);
  for (;;) {
    while (ring->length == 0 && !ring->closing) {
      ring->idle = true;
      pthread_cond_wait(&ring->filled, &ring->lock);
    }
    ring->idle = false;
    if (ring->length == 0) break;
    if (ring->length < RING_BYTES / 2 && !ring->closing) {
      pthread_mutex_unlock(&ring->lock);
      nanosleep(&gather, NULL);
      pthread_mutex_lock(&ring->lock);
    }
    char *bytes = ring->filling;
    size_t length = ring->length;
    ring->filling = ring->sending;
    ring->sending = bytes;
    ring->length = 0;
    ring->in_flight = true;
    pthread_cond_broadcast(&ring->emptied);
    bool failed = ring->failed;
    pthread_mutex_unlock(&ring->lock);
    if (!failed) failed = !channel_send(ring->channel, bytes, length);
    pthread_mutex_lock(&ring->lock);
    if (failed) ring->failed = true;
    ring->in_flight = false;
    pthread_cond_broadcast(&ring->emptied);
  }
  pthread_mutex_unlock(&ring->lock);
  return NULL;
}

int ring_start(struct ring *ring, int channel) {
  *ring = (struct ring){.channel = channel};
  pthread_mutex_init(&ring->lock, NULL);
  pthread_cond_init(&ring->filled, NULL);
  pthread_cond_init(&ring->emptied, NULL);
  ring->filling = malloc(RING_BYTES);
  ring->sending = malloc(RING_BYTES);
  if (ring->filling != NULL && ring->sending != NULL &&
      pthread_create(&ring->writer, NULL, write_events, ring) == 0) {
    return 0;
  }
  free(ring->filling);
  free(ring->sending);
  return -1;
}

bool ring_push(struct ring *ring, const char *bytes, size_t length) {
  pthread_mutex_lock(&ring->lock);
  while (!ring->failed && RING_BYTES - ring->length < length) pthread_cond_wait(&ring->emptied, &ring->lock);
  bool accepted = !ring->failed && length <= RING_BYTES;
  if (accepted) {
    memcpy(ring->filling + ring->length, bytes, length);
    ring->length += length;
    if (ring->idle) {
      ring->idle = false;
      pthread_cond_signal(&ring->filled);
    }
  }
  pthread_mutex_unlock(&ring->lock);
  return accepted;
}

bool ring_drain(struct ring *ring) {
  pthread_mutex_lock(&ring->lock);
  while (!ring->failed && (ring->length > 0 || ring->in_flight)) pthread_cond_wait(&ring->emptied, &ring->lock);
  bool whole = !ring->failed;
  pthread_mutex_unlock(&ring->lock);
  return whole;
}

void ring_fail(struct ring *ring) {
  pthread_mutex_lock(&ring->lock);
  ring->failed = true;
  pthread_cond_broadcast(&ring->emptied);
  pthread_mutex_unlock(&ring->lock);
}

bool ring_failed(struct ring *ring) {
  pthread_mutex_lock(&ring->lock);
  bool failed = ring->failed;
  pthread_mutex_unlock(&ring->lock);
  return failed;
}

bool ring_stop(struct ring *ring) {
  bool whole = ring_drain(ring);
  pthread_mutex_lock(&ring->lock);
  ring->closing = true;
  pthread_cond_signal(&ring->filled);
  pthread_mutex_unlock(&ring->lock);
  pthread_join(ring->writer, NULL);
  free(ring->filling);
  free(ring->sending);
  return whole;
}
