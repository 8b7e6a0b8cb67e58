/* AUDIT_ENDPOINT: unix:///PATH or tcp://HOST:PORT, where HOST is an IPv4 address, an IPv6 address in brackets, or
 * "localhost" (127.0.0.1). The shim resolves no names. */
#ifndef AGENTOPS_SHIM_ENDPOINT_H
#define AGENTOPS_SHIM_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#define ENDPOINT_PATH 4096

struct endpoint {
  int family;                /* 1 (unix), 2 (inet), 10 (inet6), or 0: not valid */
  char path[ENDPOINT_PATH];  /* unix: absolute, NUL-terminated */
  unsigned char address[28]; /* sockaddr_in or sockaddr_in6 */
  size_t address_length;
};

/* Returns 1 when text (of that length, NUL not needed) is an endpoint. */
int endpoint_parse(struct endpoint *endpoint, const char *text, size_t length);

/* Reads hexadecimal digits of either case; returns 1 when all `digits` are. */
int parse_hex32(const char *text, size_t digits, uint32_t *value);

#endif
