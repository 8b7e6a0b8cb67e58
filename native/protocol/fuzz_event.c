/*
 * Any calls in any order with any bytes into a buffer of any size: the line is whole and valid, fits, and says that it
 * was cut when it was. Memory errors are the sanitizers' to find: every buffer has exactly the size that is promised.
 */
#include "address.h"
#include "strict_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
  const uint8_t *at;
  size_t left;
};

static unsigned next(struct input *input) {
  if (input->left == 0) return 0;
  input->left--;
  return *input->at++;
}

/* Up to `most` of the bytes that come next, in memory of their own. */
static unsigned char *take(struct input *input, size_t most, size_t *length) {
  *length = most < input->left ? most : input->left;
  unsigned char *copy = malloc(*length + (*length == 0));
  if (copy == NULL) abort();
  memcpy(copy, input->at, *length);
  input->at += *length;
  input->left -= *length;
  return copy;
}

static void check(int holds, const char *what, const struct event_line *line, size_t length) {
  if (holds) return;
  fprintf(stderr, "%s (capacity %zu, length %zu): ", what, line->capacity, length);
  fwrite(line->bytes, 1, length <= line->capacity ? length : 0, stderr);
  abort();
}

/* Member names that were not used yet: a name twice is the caller's mistake. */
static const char *fresh_name(unsigned choice, char *name) {
  static const char *const starts[] = {"pid", "path", "a", "minor_faults_and_more"};
  static const char digits[] = "0123456789abcdef";
  static unsigned used;
  const char *start = starts[choice % 4];
  size_t length = strlen(start);
  used++;
  memcpy(name, start, length);
  for (unsigned shift = 0; shift < 16; shift += 4) name[length++] = digits[used >> shift & 15];
  name[length] = '\0';
  return name;
}

static void call(struct event_line *line, struct input *input) {
  static const char *const words[] = {"", "inet", "a string that is somewhat longer"};
  char name[40];
  unsigned choice = next(input);
  size_t length;
  unsigned char *bytes;
  switch (choice % 11) {
    case 0: {
      uint64_t value = 0;
      for (unsigned at = choice >> 4 & 7; at < 8; at++) value = value << 8 | next(input);
      event_number(line, fresh_name(choice, name), (int64_t)value);
      break;
    }
    case 1:
    case 2:
      bytes = take(input, next(input), &length);
      event_text(line, fresh_name(choice, name), bytes, length);
      free(bytes);
      break;
    case 3: event_string(line, fresh_name(choice, name), words[next(input) % 3]); break;
    case 4: event_array(line, fresh_name(choice, name)); break;
    case 5:
    case 6:
      bytes = take(input, next(input) % 32, &length);
      event_item(line, bytes, length);
      free(bytes);
      break;
    case 7: event_array_end(line); break;
    case 8: event_reserve(line, next(input) % 16 == 0 ? SIZE_MAX - next(input) : next(input)); break;
    case 9: event_cut(line); break;
    default: event_true(line, fresh_name(choice, name)); break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  unsigned first = next(&input);
  size_t capacity = next(&input) | (first & 7) << 8;
  int64_t time = (int64_t)((uint64_t)next(&input) << 56 | (uint64_t)next(&input) << 40 | (uint64_t)next(&input) << 32);
  size_t length;
  unsigned char *session = take(&input, next(&input), &length);
  if (length > 0) session[length - 1] = '\0';
  else session[0] = '\0';
  struct event_context context = {first & 8 ? "Shim" : "Runner", (char *)session, first & 16 ? (char *)session : NULL};
  char *buffer = malloc(capacity + (capacity == 0));
  if (buffer == NULL) abort();
  struct event_line line;
  event_begin(&line, buffer, capacity, &context, first >> 5 < 7 ? (enum event_type)(first >> 5) : EVENT_EXEC, time);
  if (first & 4) {
    unsigned char *address = take(&input, next(&input) % 140, &length);
    event_sockaddr(&line, address, length);
    free(address);
  }
  while (input.left > 0) call(&line, &input);
  size_t written = event_end(&line);
  check(written <= capacity, "overflow", &line, written);
  check(event_end(&line) == written, "a second end", &line, written);
  if (written == 0) {
    check(capacity < 600, "no line", &line, 0);
  } else {
    const char *wrong = strict_json_line(buffer, written);
    check(wrong == NULL, wrong, &line, written);
    static const char mark[] = "\"truncated\":true}}\n";
    int marked = written > sizeof mark && memcmp(buffer + written - (sizeof mark - 1), mark, sizeof mark - 1) == 0;
    check(marked == (line.truncated != 0), "the mark", &line, written);
  }
  free(buffer);
  free(session);
  return 0;
}
