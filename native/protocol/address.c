#include "address.h"

#include <string.h>

/* The same on every Linux architecture (uapi/linux/socket.h and its libc counterparts). */
enum { FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10 };
enum { INET_BYTES = 8, INET6_SHORT = 24, INET6_BYTES = 28, PATH_AT = 2, PATH_BYTES = 108 };

/* Longest text: 39 bytes of IPv6, '%', 10 digits, NUL. */
#define TEXT_BYTES 56

static char *put_decimal(char *at, uint32_t value) {
  char digits[10];
  unsigned count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (count > 0) *at++ = digits[--count];
  return at;
}

static char *put_inet(char *at, const unsigned char *bytes) {
  for (unsigned part = 0; part < 4; part++) {
    if (part > 0) *at++ = '.';
    at = put_decimal(at, bytes[part]);
  }
  return at;
}

static char *put_group(char *at, unsigned group) {
  static const char hex[] = "0123456789abcdef";
  int started = 0;
  for (int shift = 12; shift >= 0; shift -= 4) {
    unsigned digit = group >> shift & 15;
    started |= digit != 0 || shift == 0;
    if (started) *at++ = hex[digit];
  }
  return at;
}

/* RFC 5952: lower case, no leading zeros, "::" for the first longest run of two zero groups or more. */
static char *put_inet6(char *at, const unsigned char *bytes) {
  unsigned groups[8];
  unsigned best = 8;
  unsigned best_length = 1;
  for (unsigned group = 0; group < 8; group++) groups[group] = (unsigned)bytes[2 * group] << 8 | bytes[2 * group + 1];
  for (unsigned start = 0; start < 8; start++) {
    unsigned end = start;
    while (end < 8 && groups[end] == 0) end++;
    if (end - start > best_length) {
      best = start;
      best_length = end - start;
    }
  }
  if (best == 0 && best_length == 5 && groups[5] == 0xffff) { /* IPv4-mapped */
    memcpy(at, "::ffff:", 7);
    return put_inet(at + 7, bytes + 12);
  }
  for (unsigned group = 0; group < 8; group++) {
    if (group == best) {
      *at++ = ':';
      group += best_length - 1;
      if (group == 7) *at++ = ':';
      continue;
    }
    if (group > 0) *at++ = ':';
    at = put_group(at, groups[group]);
  }
  return at;
}

static void write_inet(struct event_line *line, const unsigned char *address, size_t length, int is_inet6) {
  char text[TEXT_BYTES];
  char *end = is_inet6 ? put_inet6(text, address + 8) : put_inet(text, address + 4);
  uint32_t scope = 0;
  if (is_inet6 && length >= INET6_BYTES) memcpy(&scope, address + 24, sizeof scope);
  if (scope != 0) {
    *end++ = '%';
    end = put_decimal(end, scope);
  }
  *end = '\0';
  event_string(line, "family", is_inet6 ? "inet6" : "inet");
  event_string(line, "address", text);
  event_number(line, "port", (int64_t)address[2] << 8 | address[3]);
}

static void write_unix(struct event_line *line, const unsigned char *address, size_t length) {
  char path[PATH_BYTES + 2];
  size_t given = length - PATH_AT < PATH_BYTES ? length - PATH_AT : PATH_BYTES;
  size_t at = 0;
  size_t from = 0;
  event_string(line, "family", "unix");
  if (given == 0) return;
  if (address[PATH_AT] == 0) { /* abstract: every byte counts, NUL too */
    path[at++] = '@';
    from = 1;
  } else {
    size_t end = 0;
    while (end < given && address[PATH_AT + end] != 0) end++;
    given = end;
    if (address[PATH_AT] == '@') {
      path[at++] = '.';
      path[at++] = '/';
    }
  }
  memcpy(path + at, address + PATH_AT + from, given - from);
  event_text(line, "path", path, at + given - from);
}

void event_sockaddr(struct event_line *line, const void *sockaddr, size_t length) {
  const unsigned char *address = sockaddr;
  uint16_t family;
  if (address == NULL || length < sizeof family) {
    event_string(line, "family", "other");
    return;
  }
  memcpy(&family, address, sizeof family);
  if (family == FAMILY_UNIX) write_unix(line, address, length);
  else if (family == FAMILY_INET && length >= INET_BYTES) write_inet(line, address, length, 0);
  else if (family == FAMILY_INET6 && length >= INET6_SHORT) write_inet(line, address, length, 1);
  else {
    event_string(line, "family", "other");
    event_number(line, "number", family);
  }
}
