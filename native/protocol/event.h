/*
 * One event as one line of JSON, written into a buffer of the caller's (docs/protocol.md says what a line means).
 *
 * For hooks inside foreign programs: no allocation, no locks, no static mutable state, no libc but memcpy and memset,
 * errno untouched, less than 512 bytes of stack. A line belongs to one thread at a time.
 *
 * What does not fit is cut where a character, an item or a member ends, and "truncated":true is added. In every order of
 * calls and with every buffer, event_end returns a whole valid line, or 0 when not even an empty payload fits.
 */
#ifndef AGENTOPS_EVENT_H
#define AGENTOPS_EVENT_H

#include <stddef.h>
#include <stdint.h>

/* Largest line that a sender may make, in bytes with its LF: larger ones interleave on a shared stream. */
#define EVENT_MAX_BYTES 32768

/* Longest session and agent name, in bytes. */
#define EVENT_MAX_NAME 128

/* Largest magnitude of a number: 2^53 - 1. Numbers beyond it are written as this, and count as cut. */
#define EVENT_MAX_NUMBER INT64_C(9007199254740991)

enum event_type { EVENT_EXEC, EVENT_CONNECT, EVENT_OPEN, EVENT_DENY, EVENT_EXIT, EVENT_START, EVENT_DROP };

/* Who speaks. Bytes of the names that are not printable ASCII, quotes and backslashes are written as '?'. */
struct event_context {
  const char *source;  /* "Shim" or "Runner" */
  const char *session; /* 1 to EVENT_MAX_NAME bytes; more are cut */
  const char *agent;   /* the same, or NULL or empty when it has none */
};

struct event_line {
  char *bytes;
  size_t capacity;
  size_t length;      /* bytes written so far; after event_end, of the whole line */
  unsigned truncated; /* not 0 when something was cut */
  /* private: */
  size_t limit;   /* length that no member may pass: the end of the line fits behind it */
  size_t reserve; /* part of that kept for later members */
  unsigned char state;
  unsigned char members; /* whether the payload has a member already */
  unsigned char items;   /* whether the open array has an item already */
};

/* Starts a line. Times are unix milliseconds, clamped to the years 1970 to 9999. */
void event_begin(struct event_line *line, char *buffer, size_t capacity, const struct event_context *context,
                 enum event_type type, int64_t unix_ms);

/* Member names are plain ASCII constants that the protocol knows, each at most once a line. */
void event_number(struct event_line *line, const char *name, int64_t value);

/* Bytes from outside: a string, or {"$b64":...} when they are not UTF-8 as a whole. */
void event_text(struct event_line *line, const char *name, const void *bytes, size_t length);

/* A NUL-terminated string that is known to be plain ASCII: written whole or not at all. */
void event_string(struct event_line *line, const char *name, const char *ascii);

/* "name":true */
void event_true(struct event_line *line, const char *name);

/* An array of texts. After an item that was cut, the rest of the array is dropped. */
void event_array(struct event_line *line, const char *name);
void event_item(struct event_line *line, const void *bytes, size_t length);
void event_array_end(struct event_line *line);

/* Keeps so many bytes of what is left out of reach until it is called with 0: room for members still to come. */
void event_reserve(struct event_line *line, size_t bytes);

/* Marks the line as cut: for callers that could not hand over everything. */
void event_cut(struct event_line *line);

/* Ends the line with LF and returns its length in bytes; 0 when the buffer was too small for an empty payload. */
size_t event_end(struct event_line *line);

#endif
