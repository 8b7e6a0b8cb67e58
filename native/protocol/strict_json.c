#include "strict_json.h"

#include <string.h>

#define MAX_DEPTH 16
#define MAX_MEMBERS 256

struct reader {
  const unsigned char *at;
  const unsigned char *end;
  const char *wrong;
};

struct span {
  const unsigned char *start;
  size_t length;
};

static int fail(struct reader *reader, const char *wrong) {
  if (reader->wrong == NULL) reader->wrong = wrong;
  return 0;
}

static int peek(const struct reader *reader) {
  return reader->at < reader->end ? *reader->at : -1;
}

static int take(struct reader *reader, int byte) {
  if (peek(reader) != byte) return fail(reader, "another character was expected");
  reader->at++;
  return 1;
}

/* One scalar value by arithmetic: decode, then ask whether the form was the shortest and the value allowed. */
static int scalar(struct reader *reader) {
  static const unsigned long smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  unsigned char first = *reader->at;
  int length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (length == 0 || reader->end - reader->at < length) return fail(reader, "not UTF-8");
  unsigned long value = length == 1 ? first : first & (0xffu >> (length + 1));
  for (int next = 1; next < length; next++) {
    if (reader->at[next] >> 6 != 2) return fail(reader, "not UTF-8");
    value = value << 6 | (reader->at[next] & 0x3f);
  }
  if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
    return fail(reader, "not UTF-8");
  reader->at += length;
  return 1;
}

static int escape(struct reader *reader) {
  int letter = peek(reader);
  if (letter < 0) return fail(reader, "half an escape");
  reader->at++;
  if (strchr("\"\\bfnrt", letter) != NULL) return 1;
  if (letter != 'u' || reader->end - reader->at < 4) return fail(reader, "not an escape");
  int value = 0;
  for (int digit = 0; digit < 4; digit++) {
    const char *found = memchr("0123456789abcdef", *reader->at++, 16);
    if (found == NULL) return fail(reader, "not an escape");
    value = value * 16 + (int)(found - "0123456789abcdef");
  }
  if (value >= 0x20 || value == 8 || value == 9 || value == 10 || value == 12 || value == 13)
    return fail(reader, "an escape that RFC 8785 does not write");
  return 1;
}

static int string(struct reader *reader) {
  if (!take(reader, '"')) return 0;
  for (;;) {
    int byte = peek(reader);
    if (byte < 0) return fail(reader, "half a string");
    if (byte < 0x20) return fail(reader, "a control character in a string");
    if (byte == '"') return take(reader, '"');
    if (byte == '\\') {
      reader->at++;
      if (!escape(reader)) return 0;
    } else if (!scalar(reader)) {
      return 0;
    }
  }
}

static int number(struct reader *reader) {
  if (peek(reader) == '-') {
    reader->at++;
    if (peek(reader) == '0') return fail(reader, "minus zero");
  }
  const unsigned char *start = reader->at;
  while (peek(reader) >= '0' && peek(reader) <= '9') reader->at++;
  size_t digits = (size_t)(reader->at - start);
  if (digits == 0 || digits > 16) return fail(reader, "not an integer of 1 to 16 digits");
  if (digits > 1 && start[0] == '0') return fail(reader, "a leading zero");
  return 1;
}

static int value(struct reader *reader, int depth);

static int object(struct reader *reader, int depth) {
  struct span names[MAX_MEMBERS];
  size_t count = 0;
  if (!take(reader, '{')) return 0;
  if (peek(reader) == '}') return take(reader, '}');
  for (;;) {
    const unsigned char *start = reader->at;
    if (!string(reader)) return 0;
    struct span name = {start, (size_t)(reader->at - start)};
    for (size_t other = 0; other < count; other++)
      if (names[other].length == name.length && memcmp(names[other].start, name.start, name.length) == 0)
        return fail(reader, "a member name twice");
    if (count == MAX_MEMBERS) return fail(reader, "too many members");
    names[count++] = name;
    if (!take(reader, ':') || !value(reader, depth)) return 0;
    if (peek(reader) != ',') return take(reader, '}');
    reader->at++;
  }
}

static int array(struct reader *reader, int depth) {
  if (!take(reader, '[')) return 0;
  if (peek(reader) == ']') return take(reader, ']');
  for (;;) {
    if (!value(reader, depth)) return 0;
    if (peek(reader) != ',') return take(reader, ']');
    reader->at++;
  }
}

static int value(struct reader *reader, int depth) {
  if (depth == MAX_DEPTH) return fail(reader, "too deep");
  switch (peek(reader)) {
    case '{': return object(reader, depth + 1);
    case '[': return array(reader, depth + 1);
    case '"': return string(reader);
    case 't':
      if (reader->end - reader->at < 4 || memcmp(reader->at, "true", 4) != 0) return fail(reader, "not a literal");
      reader->at += 4;
      return 1;
    default: return number(reader);
  }
}

const char *strict_json_line(const char *bytes, size_t length) {
  struct reader reader = {(const unsigned char *)bytes, (const unsigned char *)bytes + length, NULL};
  if (object(&reader, 0) && take(&reader, '\n') && reader.at != reader.end) fail(&reader, "more than one line");
  return reader.wrong;
}
