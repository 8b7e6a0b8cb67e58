/* The encoder against the vectors, and against the C library where that knows the answer. */
#include "address.h"
#include "strict_json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

struct vector {
  const char *name;
  struct event_context context;
  enum event_type type;
  int64_t unix_ms;
  size_t capacity;
  void (*calls)(struct event_line *);
  void (*expect)(void);
};

static char input[200000];
static size_t input_length;
static char expected[100000];
static size_t expected_length;

static void add(char *to, size_t *length, const char *bytes, size_t count, size_t times) {
  for (; times > 0; times--) {
    memcpy(to + *length, bytes, count);
    *length += count;
  }
}

#include "vectors.inc"

static unsigned failures;

static void report(const char *name, const char *wrong, const char *got, size_t length) {
  failures++;
  fprintf(stderr, "FAILED %s: %s: ", name, wrong);
  fwrite(got, 1, length < 600 ? length : 600, stderr);
  fputc('\n', stderr);
}

/* A buffer of exactly that size, so that the sanitizer sees a byte too many. */
static size_t encode(const struct vector *vector, size_t capacity, char **buffer, struct event_line *line) {
  *buffer = malloc(capacity + (capacity == 0));
  if (*buffer == NULL) abort();
  event_begin(line, *buffer, capacity, &vector->context, vector->type, vector->unix_ms);
  vector->calls(line);
  return event_end(line);
}

static void test_vector(const struct vector *vector) {
  struct event_line line;
  char *buffer;
  errno = 4711;
  size_t length = encode(vector, vector->capacity, &buffer, &line);
  if (errno != 4711) report(vector->name, "errno was changed", "", 0);
  vector->expect();
  if (length != expected_length || memcmp(buffer, expected, length) != 0)
    report(vector->name, "another line", buffer, length);
  free(buffer);
}

/* With any capacity: a whole line or none, the same from some capacity on, and marked when it is not that one. */
static void test_capacities(const struct vector *vector) {
  struct event_line line;
  char *whole;
  size_t most = encode(vector, EVENT_MAX_BYTES, &whole, &line);
  unsigned cut_anyway = line.truncated;
  free(whole);
  if (most > 2000) return;
  for (size_t capacity = 0; capacity < most + 64; capacity++) {
    char *buffer;
    size_t length = encode(vector, capacity, &buffer, &line);
    const char *wrong = length == 0 ? NULL : strict_json_line(buffer, length);
    if (length > capacity) wrong = "overflow";
    else if (length == 0 && capacity >= most + 20) wrong = "no line";
    else if (wrong == NULL && length > 0 && length < most && !line.truncated) wrong = "cut without a mark";
    else if (wrong == NULL && length > most + 20) wrong = "longer than the whole";
    else if (wrong == NULL && capacity >= most + 32 && !cut_anyway && line.truncated) wrong = "cut without need";
    if (wrong != NULL) report(vector->name, wrong, buffer, length);
    free(buffer);
  }
}

static const struct event_context context = {"Shim", "s", NULL};

/* Every day of four centuries, and the clamps. */
static void test_times(void) {
  struct event_line line;
  char buffer[256];
  char text[64];
  for (int64_t day = -2; day < 200000; day++) {
    int64_t time = day * 86400000 + (day * 7919 % 86400000 + 86400000) % 86400000;
    time_t seconds = (time_t)((time < 0 ? 0 : time) / 1000);
    struct tm broken;
    gmtime_r(&seconds, &broken);
    size_t length = strftime(text, sizeof text, "{\"timestamp\":\"%Y-%m-%dT%H:%M:%S.", &broken);
    snprintf(text + length, sizeof text - length, "%03dZ\"", (int)((time < 0 ? 0 : time) % 1000));
    event_begin(&line, buffer, sizeof buffer, &context, EVENT_DROP, time);
    if (memcmp(buffer, text, strlen(text)) != 0) report("times", text, buffer, line.length);
  }
  event_begin(&line, buffer, sizeof buffer, &context, EVENT_DROP, INT64_MAX);
  if (memcmp(buffer + 14, "9999-12-31T23:59:59.999Z", 24) != 0) report("times", "the last", buffer, line.length);
  event_begin(&line, buffer, sizeof buffer, &context, EVENT_DROP, INT64_MIN);
  if (memcmp(buffer + 14, "1970-01-01T00:00:00.000Z", 24) != 0) report("times", "the first", buffer, line.length);
}

static int has(const struct event_line *line, const char *text) {
  return memmem(line->bytes, line->length, text, strlen(text)) != NULL;
}

/* Addresses in every pattern of zero groups, read back by the C library. */
static void test_addresses(void) {
  for (unsigned pattern = 0; pattern < 6561; pattern++) { /* 3 to the 8th: each group zero, short or long */
    struct sockaddr_in6 address;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons((uint16_t)(pattern * 9));
    for (unsigned group = 0, left = pattern; group < 8; group++, left /= 3) {
      unsigned value = left % 3 == 0 ? 0 : left % 3 == 1 ? group + 1 : 0xffff;
      address.sin6_addr.s6_addr[2 * group] = (unsigned char)(value >> 8);
      address.sin6_addr.s6_addr[2 * group + 1] = (unsigned char)value;
    }
    char text[INET6_ADDRSTRLEN];
    char member[128];
    struct in6_addr back;
    char buffer[512];
    struct event_line line;
    event_begin(&line, buffer, sizeof buffer, &context, EVENT_CONNECT, 0);
    event_sockaddr(&line, &address, sizeof address);
    size_t length = event_end(&line);
    const char *start = memmem(buffer, length, "\"address\":\"", 11);
    const char *end = start == NULL ? NULL : memchr(start + 11, '"', length);
    if (end == NULL || (size_t)(end - start) - 11 >= sizeof text) {
      report("addresses", "none", buffer, length);
      continue;
    }
    memcpy(text, start + 11, (size_t)(end - start) - 11);
    text[end - start - 11] = '\0';
    if (inet_pton(AF_INET6, text, &back) != 1 || memcmp(&back, &address.sin6_addr, sizeof back) != 0)
      report("addresses", "another address", buffer, length);
    snprintf(member, sizeof member, "\"port\":%u}", (unsigned)(uint16_t)(pattern * 9));
    if (!has(&line, member)) report("addresses", "another port", buffer, length);
  }
}

/* sockaddrs of every length: nothing behind their end is read (the sanitizer watches). */
static void test_address_lengths(void) {
  for (int family = 0; family < 46; family++) {
    for (size_t length = 0; length <= sizeof(struct sockaddr_un) + 20; length++) {
      unsigned char *address = malloc(length + (length == 0));
      if (address == NULL) abort();
      memset(address, 'x', length);
      sa_family_t kind = (sa_family_t)family;
      if (length >= sizeof kind) memcpy(address, &kind, sizeof kind);
      char buffer[1024];
      struct event_line line;
      event_begin(&line, buffer, sizeof buffer, &context, EVENT_CONNECT, 0);
      event_sockaddr(&line, address, length);
      size_t written = event_end(&line);
      const char *wrong = strict_json_line(buffer, written);
      if (wrong != NULL) report("address lengths", wrong, buffer, written);
      if (!has(&line, "\"family\":\"")) report("address lengths", "no family", buffer, written);
      free(address);
    }
  }
}

int main(void) {
  size_t count = sizeof vectors / sizeof vectors[0];
  for (size_t index = 0; index < count; index++) {
    test_vector(&vectors[index]);
    test_capacities(&vectors[index]);
  }
  test_times();
  test_addresses();
  test_address_lengths();
  if (failures > 0) return 1;
  printf("protocol: %zu vectors, times and addresses agree\n", count);
  return 0;
}
