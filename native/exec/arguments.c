#include "exec/arguments.h"

#include "exec/memory.h"

#include <errno.h>
#include <string.h>

/* Strings of an exec stand close together: what was read of a page serves for the next ones. */
static ssize_t read_near(struct arguments *arguments, uint64_t address, char *bytes, size_t length) {
  uint64_t page = address - address % sizeof arguments->cache;
  size_t offset = (size_t)(address - page);
  if (arguments->cached == 0 || arguments->page != page) {
    ssize_t got = memory_read(arguments->thread, page, arguments->cache, sizeof arguments->cache);
    if (got < 0) return got;
    arguments->page = page;
    arguments->cached = (size_t)got;
  }
  if (offset >= arguments->cached) return -EFAULT;
  if (length > arguments->cached - offset) length = arguments->cached - offset;
  memcpy(bytes, arguments->cache + offset, length);
  return (ssize_t)length;
}

/* Up to `capacity` bytes of a string: how many there are, and whether that is all of it. */
static ssize_t read_string(struct arguments *arguments, uint64_t address, char *bytes, size_t capacity, bool *whole) {
  size_t done = 0;
  *whole = false;
  while (done < capacity) {
    ssize_t got = read_near(arguments, address + done, bytes + done, capacity - done);
    if (got < 0) return got;
    const char *end = memchr(bytes + done, '\0', (size_t)got);
    if (end != NULL) {
      *whole = true;
      return end - bytes;
    }
    done += (size_t)got;
  }
  return (ssize_t)done;
}

/* Enough for a name; values are read only where they are wanted. */
enum { FIRST_BYTES = 256 };

static int copy_one(struct arguments *arguments, uint64_t address, argument_choice choose) {
  size_t room = arguments->capacity - arguments->length;
  char *at = arguments->bytes + arguments->length;
  bool whole;
  if (room < 2) {
    arguments->complete = false;
    return 0;
  }
  size_t first = choose != NULL && room - 1 > FIRST_BYTES ? FIRST_BYTES : room - 1;
  ssize_t length = read_string(arguments, address, at, first, &whole);
  if (length < 0) return (int)length;
  size_t keep = (size_t)length;
  if (choose != NULL) {
    keep = choose(at, (size_t)length, whole);
    if (keep == (size_t)length && !whole) {
      length = read_string(arguments, address, at, room - 1, &whole);
      if (length < 0) return (int)length;
      keep = choose(at, (size_t)length, whole);
    }
  }
  if (keep == (size_t)length && !whole) arguments->complete = false;
  at[keep] = '\0';
  arguments->length += keep + 1;
  arguments->count++;
  return 0;
}

int arguments_read(struct arguments *arguments, pid_t thread, uint64_t array, argument_choice choose) {
  uint64_t pointers[64];
  arguments->thread = thread;
  arguments->cached = 0;
  arguments->length = 0;
  arguments->count = 0;
  arguments->total = 0;
  arguments->complete = true;
  arguments->counted = true;
  if (array == 0) return 0;
  while (arguments->total < MAX_ARGUMENTS) {
    uint64_t from = array + arguments->total * sizeof *pointers;
    ssize_t got = memory_read(thread, from, pointers, sizeof pointers);
    if (got < 0) return (int)got;
    if ((size_t)got < sizeof *pointers) return -EFAULT;
    for (size_t i = 0; i < (size_t)got / sizeof *pointers; i++) {
      if (pointers[i] == 0) return 0;
      arguments->total++;
      int outcome = copy_one(arguments, pointers[i], choose);
      if (outcome < 0) return outcome;
    }
  }
  arguments->counted = false;
  arguments->complete = false;
  return 0;
}
