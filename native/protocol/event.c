#include "event.h"

#include <string.h>

enum { STATE_DEAD, STATE_PAYLOAD, STATE_ARRAY, STATE_ARRAY_FULL };

/* What event_end may have to write: "]", ",\"truncated\":true" and "}}\n". */
static const char truncated_member[] = ",\"truncated\":true";
#define END_BYTES (1 + (sizeof truncated_member - 1) + 3)

/* No pointers: nothing to relocate. */
static const char type_names[][8] = {"Exec", "Connect", "Open", "Deny", "Exit", "Start", "Drop"};

static const char hex[] = "0123456789abcdef";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ------------------------------------------------------------------------------------------------ raw output */

/* volatile: compilers would make a call of strlen out of this loop, and there is no libc. */
static size_t length_of(const volatile char *ascii) {
  size_t length = 0;
  while (ascii[length] != '\0') length++;
  return length;
}

/* The caller has checked that it fits. */
static void put(struct event_line *line, const char *bytes, size_t length) {
  memcpy(line->bytes + line->length, bytes, length);
  line->length += length;
}

static size_t room(const struct event_line *line) {
  size_t used = line->length + line->reserve;
  return used < line->limit && used >= line->reserve ? line->limit - used : 0;
}

/* Two digits or more, with leading zeros. */
static void put_digits(char *at, unsigned value, unsigned digits) {
  while (digits-- > 0) {
    at[digits] = (char)('0' + value % 10);
    value /= 10;
  }
}

/* ------------------------------------------------------------------------------------------------ UTF-8 */

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

static uint64_t load(const unsigned char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static uint64_t any_zero_byte(uint64_t word) {
  return (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
}

/* Whether eight bytes stand for themselves in a JSON string and are ASCII. */
static int is_plain(uint64_t word) {
  uint64_t special = word | ((word - EACH_BYTE(0x20)) & ~word) | any_zero_byte(word ^ EACH_BYTE('"')) |
                     any_zero_byte(word ^ EACH_BYTE('\\'));
  return (special & EACH_BYTE(0x80)) == 0;
}

/* Bytes of the character at `at`, or 0 when no well-formed one starts there (Unicode, table 3-7). */
static size_t character(const unsigned char *at, size_t left) {
  unsigned char first = at[0];
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  size_t length;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first < 0xe0) {
    length = 2;
  } else if (first < 0xf0) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  }
  if (left < length || at[1] < low || at[1] > high) return 0;
  for (size_t next = 2; next < length; next++)
    if ((at[next] & 0xc0) != 0x80) return 0;
  return length;
}

static int is_utf8(const unsigned char *bytes, size_t length) {
  size_t at = 0;
  while (at < length) {
    if (length - at >= 8 && (load(bytes + at) & EACH_BYTE(0x80)) == 0) {
      at += 8;
      continue;
    }
    size_t step = character(bytes + at, length - at);
    if (step == 0) return 0;
    at += step;
  }
  return 1;
}

/* ------------------------------------------------------------------------------------------------ texts */

/* Writes one character that needs an escape to `out` (6 bytes) and returns how many bytes that are (RFC 8785, 3.2.2.2). */
static size_t escape(char *out, unsigned char byte) {
  char letter = 0;
  switch (byte) {
    case '\b': letter = 'b'; break;
    case '\t': letter = 't'; break;
    case '\n': letter = 'n'; break;
    case '\f': letter = 'f'; break;
    case '\r': letter = 'r'; break;
    case '"': letter = '"'; break;
    case '\\': letter = '\\'; break;
    default: break;
  }
  out[0] = '\\';
  if (letter != 0) {
    out[1] = letter;
    return 2;
  }
  out[1] = 'u';
  out[2] = '0';
  out[3] = '0';
  out[4] = hex[byte >> 4];
  out[5] = hex[byte & 15];
  return 6;
}

/* Writes what fits of well-formed UTF-8 between quotes into at least 2 bytes of room; returns how much was read. */
static size_t put_string(struct event_line *line, const unsigned char *bytes, size_t length, size_t space) {
  char *out = line->bytes + line->length;
  char *const end = out + space - 1; /* the closing quote goes here at the latest */
  size_t at = 0;
  *out++ = '"';
  while (at < length) {
    size_t left = (size_t)(end - out);
    if (length - at >= 8 && left >= 8 && is_plain(load(bytes + at))) {
      memcpy(out, bytes + at, 8);
      out += 8;
      at += 8;
      continue;
    }
    unsigned char byte = bytes[at];
    if (byte < 0x20 || byte == '"' || byte == '\\') {
      char escaped[6];
      size_t count = escape(escaped, byte);
      if (left < count) break;
      for (size_t next = 0; next < count; next++) *out++ = escaped[next];
      at++;
    } else {
      size_t count = character(bytes + at, length - at);
      if (left < count) break;
      for (size_t next = 0; next < count; next++) *out++ = (char)bytes[at + next];
      at += count;
    }
  }
  *out++ = '"';
  line->length = (size_t)(out - line->bytes);
  return at;
}

static const char base64_open[] = "{\"$b64\":\"";
#define BASE64_BYTES (sizeof base64_open - 1 + 2)

/* Writes what fits as {"$b64":"..."} into at least BASE64_BYTES of room; returns how much was read. */
static size_t put_base64(struct event_line *line, const unsigned char *bytes, size_t length, size_t space) {
  size_t groups = (space - BASE64_BYTES) / 4;
  size_t count = groups < length / 3 + (length % 3 != 0) ? groups * 3 : length;
  put(line, base64_open, sizeof base64_open - 1);
  char *out = line->bytes + line->length;
  for (size_t at = 0; at < count; at += 3) {
    size_t left = count - at;
    unsigned one = bytes[at];
    unsigned two = left > 1 ? bytes[at + 1] : 0;
    unsigned three = left > 2 ? bytes[at + 2] : 0;
    *out++ = base64[one >> 2];
    *out++ = base64[(one & 3) << 4 | two >> 4];
    *out++ = left > 1 ? base64[(two & 15) << 2 | three >> 6] : '=';
    *out++ = left > 2 ? base64[three & 63] : '=';
  }
  *out++ = '"';
  *out++ = '}';
  line->length = (size_t)(out - line->bytes);
  return count;
}

/* Writes a text, cut if need be; returns 0, and writes nothing, when not even a part of it fits. */
static int put_text(struct event_line *line, const void *bytes, size_t length) {
  size_t space = room(line);
  int plain = is_utf8(bytes, length);
  if (space < (plain ? 2 : BASE64_BYTES)) return 0;
  size_t start = line->length;
  size_t read = plain ? put_string(line, bytes, length, space) : put_base64(line, bytes, length, space);
  if (read == length) return 1;
  line->truncated = 1;
  if (read > 0) return 1;
  line->length = start;
  return 0;
}

/* ------------------------------------------------------------------------------------------------ the envelope */

struct date {
  unsigned year;
  unsigned month;
  unsigned day;
};

/* The Gregorian date of a day since 1970-01-01: whole eras of 400 years, counted from a 1st of March. */
static struct date date_of(uint64_t day) {
  uint64_t from_march = day + 719468;
  uint64_t era = from_march / 146097;
  unsigned in_era = (unsigned)(from_march % 146097);
  unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
  unsigned month = (5 * in_year + 2) / 153;
  struct date date;
  date.day = in_year - (153 * month + 2) / 5 + 1;
  date.month = month < 10 ? month + 3 : month - 9;
  date.year = (unsigned)(era * 400) + year + (date.month <= 2);
  return date;
}

#define TIME_BYTES 24
#define LAST_MILLISECOND INT64_C(253402300799999)

static void put_time(struct event_line *line, int64_t unix_ms) {
  uint64_t time = unix_ms < 0 ? 0 : (uint64_t)(unix_ms > LAST_MILLISECOND ? LAST_MILLISECOND : unix_ms);
  struct date date = date_of(time / 86400000);
  unsigned in_day = (unsigned)(time % 86400000);
  char *at = line->bytes + line->length;
  memcpy(at, "0000-00-00T00:00:00.000Z", TIME_BYTES);
  put_digits(at, date.year, 4);
  put_digits(at + 5, date.month, 2);
  put_digits(at + 8, date.day, 2);
  put_digits(at + 11, in_day / 3600000, 2);
  put_digits(at + 14, in_day / 60000 % 60, 2);
  put_digits(at + 17, in_day / 1000 % 60, 2);
  put_digits(at + 20, in_day % 1000, 3);
  line->length += TIME_BYTES;
}

static size_t name_length(const char *name) {
  size_t length = 0;
  while (length < EVENT_MAX_NAME && name[length] != '\0') length++;
  return length;
}

static void put_name(struct event_line *line, const char *name, size_t length) {
  char *at = line->bytes + line->length;
  for (size_t next = 0; next < length; next++) {
    char byte = name[next];
    at[next] = byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\' ? '?' : byte;
  }
  line->length += length;
}

#define PUT(line, constant) put(line, constant, sizeof constant - 1)

void event_begin(struct event_line *line, char *buffer, size_t capacity, const struct event_context *context,
                 enum event_type type, int64_t unix_ms) {
  static const char parts[] =
      "{\"timestamp\":\"\",\"source\":\"\",\"event_type\":\"\",\"metadata\":{\"session_id\":\"\"},\"payload\":{";
  static const char agent_part[] = "\",\"agent\":\"";
  const char *source = context->source;
  const char *session = context->session;
  size_t session_length = name_length(session);
  if (session_length == 0) {
    session = "?";
    session_length = 1;
  }
  size_t agent_length = context->agent == NULL ? 0 : name_length(context->agent);
  size_t source_length = name_length(source);
  size_t type_length = length_of(type_names[type]);
  memset(line, 0, sizeof *line);
  line->bytes = buffer;
  line->capacity = capacity;
  line->state = STATE_DEAD;
  size_t agent_need = agent_length > 0 ? sizeof agent_part - 1 + agent_length : 0;
  size_t need = sizeof parts - 1 + TIME_BYTES + source_length + type_length + session_length + agent_need + END_BYTES;
  if (capacity < need) return;
  line->limit = capacity - END_BYTES;
  line->state = STATE_PAYLOAD;
  PUT(line, "{\"timestamp\":\"");
  put_time(line, unix_ms);
  PUT(line, "\",\"source\":\"");
  put_name(line, source, source_length);
  PUT(line, "\",\"event_type\":\"");
  put(line, type_names[type], type_length);
  PUT(line, "\",\"metadata\":{\"session_id\":\"");
  put_name(line, session, session_length);
  if (agent_length > 0) {
    PUT(line, agent_part);
    put_name(line, context->agent, agent_length);
  }
  PUT(line, "\"},\"payload\":{");
}

/* ------------------------------------------------------------------------------------------------ members */

/* Writes ,"name": and returns whether that and `more` bytes fit; if not, the member is dropped and the line is cut. */
static int put_member(struct event_line *line, const char *name, size_t more) {
  if (line->state == STATE_DEAD) return 0;
  event_array_end(line);
  size_t length = length_of(name);
  if (room(line) < length + 4 || room(line) - length - 4 < more) {
    line->truncated = 1;
    return 0;
  }
  if (line->members) line->bytes[line->length++] = ',';
  line->bytes[line->length++] = '"';
  put(line, name, length);
  line->bytes[line->length++] = '"';
  line->bytes[line->length++] = ':';
  line->members = 1;
  return 1;
}

#define NUMBER_BYTES 17 /* a sign and 16 digits */

void event_number(struct event_line *line, const char *name, int64_t value) {
  char digits[NUMBER_BYTES];
  size_t at = sizeof digits;
  uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
  if (left > (uint64_t)EVENT_MAX_NUMBER) {
    left = (uint64_t)EVENT_MAX_NUMBER;
    event_cut(line);
  }
  do {
    digits[--at] = (char)('0' + left % 10);
    left /= 10;
  } while (left != 0);
  if (value < 0) digits[--at] = '-';
  if (put_member(line, name, sizeof digits - at)) put(line, digits + at, sizeof digits - at);
}

void event_text(struct event_line *line, const char *name, const void *bytes, size_t length) {
  event_array_end(line);
  unsigned char members = line->members;
  size_t start = line->length;
  if (!put_member(line, name, 2)) return;
  if (put_text(line, bytes, length)) return;
  line->truncated = 1;
  line->length = start;
  line->members = members;
}

void event_string(struct event_line *line, const char *name, const char *ascii) {
  size_t length = length_of(ascii);
  if (!put_member(line, name, length + 2)) return;
  line->bytes[line->length++] = '"';
  put(line, ascii, length);
  line->bytes[line->length++] = '"';
}

void event_true(struct event_line *line, const char *name) {
  if (put_member(line, name, 4)) put(line, "true", 4);
}

void event_array(struct event_line *line, const char *name) {
  if (!put_member(line, name, 2)) return; /* items outside an array are ignored */
  line->bytes[line->length++] = '[';
  line->items = 0;
  line->state = STATE_ARRAY;
}

void event_item(struct event_line *line, const void *bytes, size_t length) {
  if (line->state != STATE_ARRAY) return;
  size_t start = line->length;
  unsigned before = line->truncated;
  line->truncated = 0;
  int written = room(line) > 1;
  if (written && line->items) line->bytes[line->length++] = ',';
  if (written) written = put_text(line, bytes, length);
  if (written) line->items = 1;
  else line->length = start;
  if (!written || line->truncated) {
    line->truncated = 1;
    line->state = STATE_ARRAY_FULL;
  } else {
    line->truncated = before;
  }
}

void event_array_end(struct event_line *line) {
  if (line->state != STATE_ARRAY && line->state != STATE_ARRAY_FULL) return;
  line->bytes[line->length++] = ']';
  line->state = STATE_PAYLOAD;
}

void event_reserve(struct event_line *line, size_t bytes) {
  line->reserve = bytes;
}

void event_cut(struct event_line *line) {
  line->truncated = 1;
}

size_t event_end(struct event_line *line) {
  if (line->state == STATE_DEAD) return line->length; /* nothing was begun, or it has ended already */
  event_array_end(line);
  if (line->truncated) put(line, truncated_member + !line->members, sizeof truncated_member - 1 - !line->members);
  put(line, "}}\n", 3);
  line->state = STATE_DEAD;
  return line->length;
}
