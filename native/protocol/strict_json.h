/* For tests and fuzzers only: an independent, strict reader of one line, which shares no code with the encoder. */
#ifndef AGENTOPS_STRICT_JSON_H
#define AGENTOPS_STRICT_JSON_H

#include <stddef.h>

/*
 * NULL when the bytes are one JSON object (RFC 8259, UTF-8, no white space, integers of at most 16 digits, no member
 * name twice, strings escaped as RFC 8785 does) and a final LF, and nothing else; otherwise what is wrong.
 */
const char *strict_json_line(const char *bytes, size_t length);

#endif
