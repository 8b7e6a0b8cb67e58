/* The program's memory, read without trusting its pointers. */
#include "shim/raw.h"
#include "shim/shim.h"

#define PAGE 4096 /* the smallest there is: more questions than needed where pages are larger */

/*
 * rt_sigprocmask reads the new mask before it looks at what to do with it: with an impossible `how` it changes nothing
 * and says whether 8 bytes could be read.
 */
static int word_readable(uintptr_t word) {
  return RAW_4(__NR_rt_sigprocmask, -1, word, 0, 8) != -14;
}

int probe_readable(struct probe *probe, const void *at, size_t length) {
  uintptr_t first = (uintptr_t)at;
  if (length == 0 || probe->off) return 1;
  if (first < PAGE || first + length < first) return 0; /* the first page is nobody's; NULL means no question */
  for (uintptr_t page = first & ~(uintptr_t)(PAGE - 1); page < first + length; page += PAGE) {
    if (page + 1 == probe->page) continue;
    uintptr_t word = (page < first ? first : page) & ~(uintptr_t)7;
    if (!word_readable(word)) return 0;
    probe->page = page + 1;
  }
  return 1;
}

long copy_string(struct probe *probe, char *to, size_t capacity, const char *from, int *cut) {
  size_t at = 0;
  if (from == NULL) return -1;
  for (;;) {
    if ((at == 0 || ((uintptr_t)(from + at) & (PAGE - 1)) == 0) && !probe_readable(probe, from + at, 1)) return -1;
    char byte = from[at];
    if (byte == '\0') return (long)at;
    if (at == capacity) break;
    to[at++] = byte;
  }
  *cut = 1;
  return (long)at;
}

size_t text_length(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

int text_equal(const char *one, const char *other) {
  size_t at = 0;
  while (one[at] != '\0' && one[at] == other[at]) at++;
  return one[at] == other[at];
}

int text_starts(const char *text, const char *prefix) {
  size_t at = 0;
  while (prefix[at] != '\0' && text[at] == prefix[at]) at++;
  return prefix[at] == '\0';
}
