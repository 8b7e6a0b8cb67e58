#include "shim/endpoint.h"

#include <string.h>

enum { FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10 };

static int starts(const char *text, size_t length, const char *prefix) {
  size_t at = 0;
  for (; prefix[at] != '\0'; at++)
    if (at >= length || text[at] != prefix[at]) return 0;
  return 1;
}

static int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

int parse_hex32(const char *text, size_t digits, uint32_t *value) {
  uint32_t sum = 0;
  for (size_t at = 0; at < digits; at++) {
    int digit = hex_value(text[at]);
    if (digit < 0) return 0;
    sum = sum << 4 | (uint32_t)digit;
  }
  *value = sum;
  return 1;
}

/* Reads a decimal number up to `most` at *at; no leading zeros. */
static int parse_number(const char *text, size_t length, size_t *at, unsigned most, unsigned *value) {
  size_t start = *at;
  unsigned sum = 0;
  while (*at < length && text[*at] >= '0' && text[*at] <= '9') {
    sum = sum * 10 + (unsigned)(text[*at] - '0');
    if (sum > most) return 0;
    (*at)++;
  }
  if (*at == start || (text[start] == '0' && *at - start > 1)) return 0;
  *value = sum;
  return 1;
}

static int parse_ipv4(const char *text, size_t length, unsigned char out[4]) {
  size_t at = 0;
  for (unsigned part = 0; part < 4; part++) {
    unsigned value;
    if (part > 0 && (at >= length || text[at++] != '.')) return 0;
    if (!parse_number(text, length, &at, 255, &value)) return 0;
    out[part] = (unsigned char)value;
  }
  return at == length;
}

/* RFC 4291, 2.2: groups of up to four digits, one "::", and perhaps an IPv4 address at the end. */
static int parse_ipv6(const char *text, size_t length, unsigned char out[16]) {
  unsigned char bytes[16] = {0};
  size_t count = 0;
  size_t gap = 17; /* none */
  size_t at = 0;
  if (length >= 2 && text[0] == ':' && text[1] == ':') {
    gap = 0;
    at = 2;
  }
  while (at < length) {
    size_t end = at;
    while (end < length && text[end] != ':') end++;
    if (count <= 12 && end == length && parse_ipv4(text + at, end - at, bytes + count)) {
      count += 4;
      at = end;
      break;
    }
    uint32_t group;
    if (count >= 16 || end == at || end - at > 4 || !parse_hex32(text + at, end - at, &group)) return 0;
    bytes[count++] = (unsigned char)(group >> 8);
    bytes[count++] = (unsigned char)group;
    at = end;
    if (at == length) break;
    at++;
    if (at < length && text[at] == ':') {
      if (gap != 17) return 0;
      gap = count;
      at++;
    } else if (at == length) {
      return 0;
    }
  }
  if (gap == 17 ? count != 16 : count > 14) return 0;
  if (gap == 17) gap = count;
  size_t tail = count - gap;
  memset(out, 0, 16);
  memcpy(out, bytes, gap);
  for (size_t next = 0; next < tail; next++) out[16 - tail + next] = bytes[gap + next];
  return 1;
}

static int parse_tcp(struct endpoint *endpoint, const char *text, size_t length) {
  unsigned char address[16];
  size_t host = 0;
  int six = length > 0 && text[0] == '[';
  while (host < length && text[host] != (six ? ']' : ':')) host++;
  size_t at = host + (six ? 1 : 0);
  unsigned port;
  if (at >= length || text[at++] != ':') return 0;
  if (!parse_number(text, length, &at, 65535, &port) || at != length || port == 0) return 0;
  if (six ? !parse_ipv6(text + 1, host - 1, address) : !parse_ipv4(text, host, address)) {
    if (six || host != 9 || !starts(text, host, "localhost")) return 0;
    memcpy(address, "\177\0\0\1", 4);
  }
  endpoint->family = six ? FAMILY_INET6 : FAMILY_INET;
  uint16_t family = (uint16_t)endpoint->family;
  memset(endpoint->address, 0, sizeof endpoint->address);
  memcpy(endpoint->address, &family, 2);
  endpoint->address[2] = (unsigned char)(port >> 8);
  endpoint->address[3] = (unsigned char)port;
  if (six) memcpy(endpoint->address + 8, address, 16);
  else memcpy(endpoint->address + 4, address, 4);
  endpoint->address_length = six ? 28 : 16;
  return 1;
}

int endpoint_parse(struct endpoint *endpoint, const char *text, size_t length) {
  static const char unix_scheme[] = "unix://";
  static const char tcp_scheme[] = "tcp://";
  endpoint->family = 0;
  if (starts(text, length, tcp_scheme)) {
    size_t scheme = sizeof tcp_scheme - 1;
    return parse_tcp(endpoint, text + scheme, length - scheme);
  }
  if (!starts(text, length, unix_scheme)) return 0;
  size_t scheme = sizeof unix_scheme - 1;
  size_t size = length - scheme;
  if (size < 2 || size >= ENDPOINT_PATH || text[scheme] != '/' || text[length - 1] == '/') return 0;
  for (size_t at = scheme; at < length; at++)
    if (text[at] == '\0') return 0;
  memcpy(endpoint->path, text + scheme, size);
  endpoint->path[size] = '\0';
  endpoint->family = FAMILY_UNIX;
  return 1;
}
