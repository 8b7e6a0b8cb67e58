#include "exec/rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Rules of one kind; a command line is never that long. */
enum { MAX_RULES = 4096 };

/* Room for one more element at the end of an array. */
static void *grown(void *array, size_t count, size_t size) {
  return count < MAX_RULES ? reallocarray(array, count + 1, size) : NULL;
}

/* ------------------------------------------------------------------------------------------------ globs */

/* A set at pattern[at], which is '['. Sets `end` behind it; a set that is not closed is a plain bracket. */
static bool in_set(const char *pattern, size_t length, size_t at, char byte, size_t *end) {
  unsigned char wanted = (unsigned char)byte;
  size_t i = at + 1;
  bool negated = i < length && (pattern[i] == '!' || pattern[i] == '^');
  bool found = false;
  if (negated) i++;
  for (size_t first = i; i < length && (pattern[i] != ']' || i == first); i++) {
    unsigned char low = (unsigned char)pattern[i];
    unsigned char high = low;
    if (i + 2 < length && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      high = (unsigned char)pattern[i + 2];
      i += 2;
    }
    if (wanted >= low && wanted <= high) found = true;
  }
  if (i >= length) {
    *end = at + 1;
    return byte == '[';
  }
  *end = i + 1;
  return found != negated;
}

/* Whether what stands at pattern[at], anything but '*', matches the byte. */
static bool matches_byte(const char *pattern, size_t length, size_t at, char byte, size_t *end) {
  *end = at + 1;
  if (pattern[at] == '?') return true;
  if (pattern[at] == '[') return in_set(pattern, length, at, byte, end);
  if (pattern[at] == '\\' && at + 1 < length) {
    *end = at + 2;
    return pattern[at + 1] == byte;
  }
  return pattern[at] == byte;
}

/* The guest chooses the text: this takes at most pattern times text steps, where backtracking at each star does not. */
bool glob_matches(const char *pattern, size_t pattern_length, const char *text, size_t length) {
  size_t at = 0;
  size_t star = SIZE_MAX;
  size_t resume = 0;
  for (size_t i = 0; i < length;) {
    size_t end = 0;
    if (at < pattern_length && pattern[at] == '*') {
      star = at++;
      resume = i;
    } else if (at < pattern_length && matches_byte(pattern, pattern_length, at, text[i], &end)) {
      at = end;
      i++;
    } else if (star != SIZE_MAX) {
      at = star + 1;
      i = ++resume;
    } else {
      return false;
    }
  }
  while (at < pattern_length && pattern[at] == '*') at++;
  return at == pattern_length;
}

/* ------------------------------------------------------------------------------------------------ making rules */

static int add_path(struct path_rule **rules, size_t *count, struct path_rule rule) {
  if (rule.length == 0 || (rule.text[0] != '/' && rule.text[0] != '*')) return -1;
  struct path_rule *more = grown(*rules, *count, sizeof **rules);
  if (more == NULL) return -1;
  *rules = more;
  more[(*count)++] = rule;
  return 0;
}

int rules_deny_exec(struct rules *rules, const char *text) {
  return add_path(&rules->execs, &rules->exec_count, (struct path_rule){text, strlen(text), 0});
}

int rules_deny_open(struct rules *rules, const char *text) {
  static const struct {
    const char *suffix;
    unsigned access;
  } suffixes[] = {{":rw", ACCESS_READ | ACCESS_WRITE}, {":r", ACCESS_READ}, {":w", ACCESS_WRITE}};
  struct path_rule rule = {text, strlen(text), ACCESS_READ | ACCESS_WRITE};
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    size_t length = strlen(suffixes[i].suffix);
    if (rule.length < length || strcmp(text + rule.length - length, suffixes[i].suffix) != 0) continue;
    rule.length -= length;
    rule.access = suffixes[i].access;
    break;
  }
  return add_path(&rules->opens, &rules->open_count, rule);
}

/* At most 5 digits up to 65535; -1 otherwise. */
static int port_of(const char *text) {
  int port = 0;
  size_t digits = strspn(text, "0123456789");
  if (digits == 0 || digits > 5 || text[digits] != '\0') return -1;
  for (; *text != '\0'; text++) port = port * 10 + (*text - '0');
  return port <= 65535 ? port : -1;
}

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* ADDR or ADDR/BITS, without brackets. */
static int parse_network(struct address_rule *rule, char *text) {
  char *slash = strchr(text, '/');
  int bits = -1;
  int most = 128;
  if (slash != NULL) {
    *slash = '\0';
    bits = port_of(slash + 1);
    if (bits < 0) return -1;
  }
  if (inet_pton(AF_INET, text, rule->network + 12) == 1) {
    memcpy(rule->network, mapped_prefix, sizeof mapped_prefix);
    most = 32;
  } else if (inet_pton(AF_INET6, text, rule->network) != 1) {
    return -1;
  }
  if (bits > most) return -1;
  rule->prefix = (unsigned)((bits < 0 ? most : bits) + (128 - most));
  rule->six = rule->prefix < 96;
  return 0;
}

/* Takes a port from the end: ADDR:PORT, [ADDR]:PORT; an IPv6 address without brackets has none. */
static int split_port(struct address_rule *rule, char **text) {
  char *start = *text;
  char *colon = strrchr(start, ':');
  if (start[0] == '[') {
    char *close = strchr(start, ']');
    if (close == NULL) return -1;
    colon = close[1] == '\0' ? NULL : close + 1;
    if (colon != NULL && *colon != ':') return -1;
    *close = '\0';
    *text = start + 1;
  } else if (colon != NULL && strchr(start, ':') != colon) {
    colon = NULL;
  }
  if (colon == NULL) return 0;
  *colon = '\0';
  rule->port = port_of(colon + 1);
  return rule->port < 0 ? -1 : 0;
}

static int parse_address(struct address_rule *rule) {
  char copy[64];
  char *text = copy;
  if (strncmp(rule->text, "unix:", 5) == 0) {
    rule->kind = ADDRESS_UNIX;
    rule->pattern = rule->text + 5;
    return *rule->pattern == '\0' ? -1 : 0;
  }
  if (strlen(rule->text) >= sizeof copy) return -1;
  strcpy(copy, rule->text);
  if (split_port(rule, &text) != 0) return -1;
  if (strcmp(text, "*") == 0) {
    rule->kind = rule->port < 0 ? ADDRESS_ANY : ADDRESS_INTERNET;
    return 0;
  }
  rule->kind = ADDRESS_INTERNET;
  return parse_network(rule, text);
}

int rules_deny_connect(struct rules *rules, const char *text) {
  struct address_rule rule = {.text = text, .port = -1};
  if (parse_address(&rule) != 0) return -1;
  struct address_rule *more = grown(rules->connects, rules->connect_count, sizeof *more);
  if (more == NULL) return -1;
  rules->connects = more;
  more[rules->connect_count++] = rule;
  return 0;
}

bool rules_any(const struct rules *rules) {
  return rules->exec_count + rules->open_count + rules->connect_count > 0;
}

bool rules_about_reading(const struct rules *rules) {
  for (size_t i = 0; i < rules->open_count; i++) {
    if ((rules->opens[i].access & ACCESS_READ) != 0) return true;
  }
  return false;
}

void rules_free(struct rules *rules) {
  free(rules->execs);
  free(rules->opens);
  free(rules->connects);
  *rules = (struct rules){0};
}

/* ------------------------------------------------------------------------------------------------ matching */

const char *rules_forbid_exec(const struct rules *rules, const char *path) {
  for (size_t i = 0; i < rules->exec_count; i++) {
    const struct path_rule *rule = &rules->execs[i];
    if (glob_matches(rule->text, rule->length, path, strlen(path))) return rule->text;
  }
  return NULL;
}

const char *rules_forbid_open(const struct rules *rules, const char *path, unsigned access) {
  for (size_t i = 0; i < rules->open_count; i++) {
    const struct path_rule *rule = &rules->opens[i];
    if ((rule->access & access) == 0) continue;
    if (glob_matches(rule->text, rule->length, path, strlen(path))) return rule->text;
  }
  return NULL;
}

static bool in_network(const struct address_rule *rule, const uint8_t address[16]) {
  unsigned whole = rule->prefix / 8;
  unsigned rest = rule->prefix % 8;
  if (memcmp(rule->network, address, whole) != 0) return false;
  return rest == 0 || ((rule->network[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

/* The address that is really reached: a connect to "any" goes to this machine (ip(7)). */
static void reached(uint8_t address[16]) {
  static const uint8_t any[16];
  uint8_t mapped_any[16] = {0};
  memcpy(mapped_any, mapped_prefix, sizeof mapped_prefix);
  if (memcmp(address, any, 16) == 0) {
    address[15] = 1;
  } else if (memcmp(address, mapped_any, 16) == 0) {
    address[12] = 127;
    address[15] = 1;
  }
}

static bool internet_matches(const struct address_rule *rule, const void *sockaddr, size_t length, sa_family_t family) {
  uint8_t given[16] = {0};
  uint8_t real[16];
  in_port_t port;
  if (family == AF_INET && rule->six) return false;
  if (family == AF_INET && length >= sizeof(struct sockaddr_in)) {
    struct sockaddr_in inet;
    memcpy(&inet, sockaddr, sizeof inet);
    memcpy(given, mapped_prefix, sizeof mapped_prefix);
    memcpy(given + 12, &inet.sin_addr, 4);
    port = ntohs(inet.sin_port);
  } else if (family == AF_INET6 && length >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
    struct sockaddr_in6 inet6 = {0};
    memcpy(&inet6, sockaddr, length < sizeof inet6 ? length : sizeof inet6);
    memcpy(given, &inet6.sin6_addr, 16);
    port = ntohs(inet6.sin6_port);
  } else {
    return false;
  }
  if (rule->port >= 0 && rule->port != port) return false;
  memcpy(real, given, 16);
  reached(real);
  return in_network(rule, given) || in_network(rule, real);
}

static bool unix_matches(const struct address_rule *rule, const void *sockaddr, size_t length, const char *resolved) {
  struct sockaddr_un name = {0};
  size_t start = offsetof(struct sockaddr_un, sun_path);
  size_t pattern_length = strlen(rule->pattern);
  if (resolved != NULL && glob_matches(rule->pattern, pattern_length, resolved, strlen(resolved))) return true;
  if (length <= start) return false;
  memcpy(&name, sockaddr, length < sizeof name ? length : sizeof name);
  size_t bytes = (length < sizeof name ? length : sizeof name) - start;
  if (name.sun_path[0] == '\0') {
    name.sun_path[0] = '@'; /* as events write abstract names */
    return glob_matches(rule->pattern, pattern_length, name.sun_path, bytes);
  }
  return glob_matches(rule->pattern, pattern_length, name.sun_path, strnlen(name.sun_path, bytes));
}

const char *rules_forbid_connect(const struct rules *rules, const void *address, size_t length, const char *unix_path) {
  sa_family_t family = AF_UNSPEC;
  if (length >= sizeof family) memcpy(&family, address, sizeof family);
  for (size_t i = 0; i < rules->connect_count; i++) {
    const struct address_rule *rule = &rules->connects[i];
    if (rule->kind == ADDRESS_ANY) return rule->text;
    if (rule->kind == ADDRESS_INTERNET && internet_matches(rule, address, length, family)) return rule->text;
    if (rule->kind == ADDRESS_UNIX && family == AF_UNIX && unix_matches(rule, address, length, unix_path)) {
      return rule->text;
    }
  }
  return NULL;
}
