/*
 * Deny rules, matched on text and on copies of addresses: nothing here looks at the file system or at a process.
 *
 * Patterns are absolute paths or globs: * (also across slashes), ?, [a-z], [!a-z], and \ before a special character.
 */
#ifndef AGENTOPS_EXEC_RULES_H
#define AGENTOPS_EXEC_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ACCESS_READ = 1, ACCESS_WRITE = 2 };

struct path_rule {
  const char *text; /* as it was given: the rule's name in events */
  size_t length;    /* of its pattern, a prefix of text */
  unsigned access;  /* for opens */
};

enum address_kind { ADDRESS_ANY, ADDRESS_INTERNET, ADDRESS_UNIX };

struct address_rule {
  const char *text;
  enum address_kind kind;
  uint8_t network[16]; /* IPv4 as ::ffff:a.b.c.d */
  unsigned prefix;     /* bits of network that count */
  bool six;            /* a network of IPv6 so large that IPv4 would be in it */
  int port;            /* -1: all */
  const char *pattern; /* of Unix-domain paths */
};

struct rules {
  struct path_rule *execs;
  struct path_rule *opens;
  struct address_rule *connects;
  size_t exec_count;
  size_t open_count;
  size_t connect_count;
};

/* Add a rule from its text, which must outlive the rules. Return -1 when it is none. */
int rules_deny_exec(struct rules *rules, const char *text);
int rules_deny_open(struct rules *rules, const char *text);
int rules_deny_connect(struct rules *rules, const char *text);

bool rules_any(const struct rules *rules);
/* Whether some rule forbids opens for reading. */
bool rules_about_reading(const struct rules *rules);
void rules_free(struct rules *rules);

bool glob_matches(const char *pattern, size_t pattern_length, const char *text, size_t length);

/* The text of the first rule that forbids it, or NULL. Paths are absolute; two of them: as given, and without links. */
const char *rules_forbid_exec(const struct rules *rules, const char *path);
const char *rules_forbid_open(const struct rules *rules, const char *path, unsigned access);

/* `unix_path` is what the socket's path resolves to, or NULL: then the path in the address counts. */
const char *rules_forbid_connect(const struct rules *rules, const void *address, size_t length, const char *unix_path);

#endif
