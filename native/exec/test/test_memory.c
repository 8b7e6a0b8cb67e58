/* The readers of a guest's memory, on this very process, with pages that are not there. */
#include "exec/arguments.h"
#include "exec/environment.h"
#include "exec/memory.h"
#include "exec/test/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* Two pages, and nothing behind them. */
static char *pages(void) {
  char *start = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED || munmap(start + 2 * PAGE, PAGE) != 0) abort();
  memset(start, 'x', 2 * PAGE);
  return start;
}

static uint64_t address(const void *at) {
  return (uint64_t)(uintptr_t)at;
}

static void reads_strings(char *start) {
  char text[3 * PAGE];
  char *end = start + 2 * PAGE;
  end[-1] = '\0';
  CHECK(memory_string(getpid(), address(end - 5), text, sizeof text) == 4 && strcmp(text, "xxxx") == 0);
  CHECK(memory_string(getpid(), address(start), text, sizeof text) == 2 * PAGE - 1);
  CHECK(memory_string(getpid(), address(start), text, 2 * PAGE) == 2 * PAGE - 1);
  CHECK(memory_string(getpid(), address(start), text, 2 * PAGE - 1) == -ENAMETOOLONG && text[2 * PAGE - 2] == '\0');
  CHECK(memory_string(getpid(), address(end - 1), text, 1) == 0);
  end[-1] = 'x';
  CHECK(memory_string(getpid(), address(end - 5), text, sizeof text) == -EFAULT);
  CHECK(memory_string(getpid(), 8, text, sizeof text) == -EFAULT);
  CHECK(memory_string(getpid(), UINT64_MAX - 3, text, sizeof text) == -EFAULT);
  CHECK(memory_string(getpid(), address(end), text, sizeof text) == -EFAULT);
}

static void reads_bytes(char *start) {
  char bytes[3 * PAGE];
  CHECK(memory_read(getpid(), address(start), bytes, sizeof bytes) == 2 * PAGE);
  CHECK(memory_read_all(getpid(), address(start), bytes, 2 * PAGE) == 0);
  CHECK(memory_read_all(getpid(), address(start), bytes, 2 * PAGE + 1) == -EFAULT);
  CHECK(memory_read(getpid(), 0, bytes, 1) == -EFAULT && memory_read(getpid(), 0, bytes, 0) == 0);
  CHECK(memory_read(0x3fffffff, address(start), bytes, 1) == -EPERM); /* no such process */
}

static struct arguments arguments;

static int read_array(const void *array, size_t capacity, argument_choice choose) {
  static char bytes[8 * PAGE];
  arguments.bytes = bytes;
  arguments.capacity = capacity;
  return arguments_read(&arguments, getpid(), address(array), choose);
}

static void reads_arguments(char *start) {
  char *long_text = start;
  const char *texts[] = {"one", "", "three", NULL};
  const char *too_long[] = {"a", long_text, "b", NULL};
  const char *bad[] = {"a", (const char *)8, NULL};
  start[2 * PAGE - 1] = '\0';
  CHECK(read_array(texts, PAGE, NULL) == 0 && arguments.count == 3 && arguments.total == 3 && arguments.complete);
  CHECK(arguments.length == 4 + 1 + 6 && memcmp(arguments.bytes, "one\0\0three", 11) == 0);
  CHECK(read_array(texts, 5, NULL) == 0 && arguments.count == 1 && arguments.total == 3 && !arguments.complete);
  CHECK(read_array(texts, 7, NULL) == 0 && arguments.count == 3 && !arguments.complete);
  CHECK(strcmp(arguments.bytes + 5, "t") == 0);
  CHECK(read_array(texts, 1, NULL) == 0 && arguments.count == 0 && arguments.total == 3);
  CHECK(read_array(too_long, PAGE, NULL) == 0 && arguments.total == 3 && !arguments.complete);
  CHECK(arguments.length <= PAGE && arguments.bytes[PAGE - 1] == '\0');
  CHECK(read_array(NULL, PAGE, NULL) == 0 && arguments.count == 0 && arguments.complete);
  CHECK(read_array(bad, PAGE, NULL) == -EFAULT);
  CHECK(read_array(start + 2 * PAGE - 8, PAGE, NULL) == -EFAULT);
  const char **last = (const char **)(void *)(start + 2 * PAGE - 16); /* the array ends where the memory does */
  last[0] = texts[0];
  last[1] = NULL;
  CHECK(read_array(last, PAGE, NULL) == 0 && arguments.count == 1 && arguments.complete);
}

static void shows_environments(void) {
  static char long_value[2000] = "PATH=";
  static char secret[2000] = "API_KEY=";
  static char nameless[2000];
  memset(long_value + 5, 'p', sizeof long_value - 6);
  memset(secret + 8, 's', sizeof secret - 9);
  memset(nameless, 'n', sizeof nameless - 1);
  const char *texts[] = {"HOME=/root", secret, long_value, "=odd", "", nameless, "LC_ALL=C", NULL};
  CHECK(read_array(texts, 4 * PAGE, environment_shown) == 0 && arguments.count == 7 && arguments.complete);
  const char *expected[] = {"HOME=/root", "API_KEY", long_value, "", "", NULL, "LC_ALL=C"};
  const char *at = arguments.bytes;
  for (size_t i = 0; i < 7; i++) {
    if (expected[i] != NULL) CHECK(strcmp(at, expected[i]) == 0);
    else CHECK(strlen(at) == 64);
    at += strlen(at) + 1;
  }
}

void test_memory(void) {
  char *start = pages();
  reads_strings(start);
  reads_bytes(start);
  reads_arguments(start);
  shows_environments();
  munmap(start, 2 * PAGE);
}
