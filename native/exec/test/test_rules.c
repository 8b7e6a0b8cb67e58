#include "exec/rules.h"
#include "exec/test/unit.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>

static bool matches(const char *pattern, const char *text) {
  return glob_matches(pattern, strlen(pattern), text, strlen(text));
}

static void matches_globs(void) {
  CHECK(matches("/etc/shadow", "/etc/shadow") && !matches("/etc/shadow", "/etc/shadow2"));
  CHECK(matches("/etc/*", "/etc/a/b") && matches("*", "") && matches("/a**b", "/ab"));
  CHECK(matches("/?.[a-c0-9]x", "/q.bx") && !matches("/?.[a-c]x", "/q.dx"));
  CHECK(matches("[!a]", "b") && !matches("[!a]", "a") && matches("[]]", "]") && matches("[a-]", "-"));
  CHECK(matches("[ab", "[ab") && !matches("[ab", "a") && matches("\\*", "*") && !matches("\\*", "x"));
  CHECK(matches("\\", "\\") && !matches("", "x") && matches("", ""));
}

/* Against fnmatch(3), on short random texts of the characters that matter. */
static void agrees_with_libc(void) {
  static const char letters[] = "ab*?/\\";
  srand(1);
  for (int round = 0; round < 200000; round++) {
    char pattern[9] = {0};
    char text[9] = {0};
    for (int i = rand() % 8; i >= 0; i--) pattern[i] = letters[(size_t)rand() % 6];
    for (int i = rand() % 8; i >= 0; i--) text[i] = "ab/"[rand() % 3];
    if (pattern[strlen(pattern) - 1] == '\\') continue; /* libc never matches those */
    bool expected = fnmatch(pattern, text, 0) == 0;
    if (matches(pattern, text) != expected) {
      fprintf(stderr, "%s against %s\n", pattern, text);
      CHECK(false);
      return;
    }
  }
}

static void takes_bounded_time(void) {
  char text[4096];
  memset(text, 'a', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  CHECK(!matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void denies_paths(void) {
  struct rules rules = {0};
  CHECK(rules_deny_open(&rules, "/r:r") == 0 && rules_deny_open(&rules, "/w:w") == 0);
  CHECK(!rules_forbid_exec(&rules, "/r") && rules_about_reading(&rules));
  CHECK(rules_forbid_open(&rules, "/r", ACCESS_READ) && !rules_forbid_open(&rules, "/r", ACCESS_WRITE));
  CHECK(rules_forbid_open(&rules, "/w", ACCESS_READ | ACCESS_WRITE) && !rules_forbid_open(&rules, "/w", ACCESS_READ));
  CHECK(rules_deny_open(&rules, "/both") == 0 && rules_forbid_open(&rules, "/both", ACCESS_READ) != NULL);
  CHECK(rules_deny_open(&rules, "/odd:x") == 0 && rules_forbid_open(&rules, "/odd:x", ACCESS_READ) != NULL);
  CHECK(rules_deny_open(&rules, ":rw") != 0 && rules_deny_exec(&rules, "") != 0 && rules_deny_exec(&rules, "ls") != 0);
  CHECK(rules_deny_exec(&rules, "*/ssh") == 0 && rules_forbid_exec(&rules, "/usr/bin/ssh") != NULL);
  rules_free(&rules);
  CHECK(!rules_any(&rules) && !rules_about_reading(&rules));
}

/* Whether one rule forbids one address. */
static bool forbids(const char *text, const char *host, int port) {
  struct rules rules = {0};
  struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
  struct sockaddr_in6 inet6 = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)port)};
  CHECK(rules_deny_connect(&rules, text) == 0);
  bool is_inet = inet_pton(AF_INET, host, &inet.sin_addr) == 1;
  CHECK(is_inet || inet_pton(AF_INET6, host, &inet6.sin6_addr) == 1);
  const char *rule = is_inet ? rules_forbid_connect(&rules, &inet, sizeof inet, NULL)
                             : rules_forbid_connect(&rules, &inet6, sizeof inet6, NULL);
  rules_free(&rules);
  return rule != NULL;
}

static void denies_addresses(void) {
  CHECK(forbids("10.1.2.3", "10.1.2.3", 80) && !forbids("10.1.2.3", "10.1.2.4", 80));
  CHECK(forbids("10.1.2.3:80", "10.1.2.3", 80) && !forbids("10.1.2.3:80", "10.1.2.3", 81));
  CHECK(forbids("10.0.0.0/9", "10.127.255.255", 1) && !forbids("10.0.0.0/9", "10.128.0.0", 1));
  CHECK(forbids("0.0.0.0/0", "8.8.8.8", 1) && !forbids("0.0.0.0/0", "2001:db8::1", 1));
  CHECK(forbids("::/0", "2001:db8::1", 1) && !forbids("::/0", "8.8.8.8", 1));
  CHECK(forbids("2001:db8::/32", "2001:db8:ffff::1", 1) && !forbids("2001:db8::/32", "2001:db9::", 1));
  CHECK(forbids("[2001:db8::1]:443", "2001:db8::1", 443) && !forbids("[2001:db8::1]:443", "2001:db8::1", 80));
  CHECK(forbids("127.0.0.0/8", "::ffff:127.0.0.1", 1) && forbids("::ffff:127.0.0.1", "127.0.0.1", 1));
  CHECK(forbids("127.0.0.1", "0.0.0.0", 1) && forbids("::1", "::", 1) && forbids("127.0.0.1", "::ffff:0.0.0.0", 1));
  CHECK(forbids("*", "8.8.8.8", 1) && forbids("*:22", "2001:db8::1", 22) && !forbids("*:22", "8.8.8.8", 23));
}

static void refuses_addresses(void) {
  static const char *const wrong[] = {"",     "10.0.0",     "10.0.0.0/33", "::/129", "10.0.0.1:", "10.0.0.1:65536",
                                      "unix:", "[::1",      "[::1]x",      "a",      "10.0.0.1/", "10.0.0.1:1x"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct rules rules = {0};
    CHECK(rules_deny_connect(&rules, wrong[i]) != 0);
    rules_free(&rules);
  }
}

static void denies_unix_sockets(void) {
  struct rules rules = {0};
  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "../run/docker.sock"};
  struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0hidden"};
  size_t start = offsetof(struct sockaddr_un, sun_path);
  CHECK(rules_deny_connect(&rules, "unix:/run/docker.sock") == 0 && rules_deny_connect(&rules, "unix:@hid*") == 0);
  CHECK(!rules_forbid_connect(&rules, &path, sizeof path, NULL));
  CHECK(rules_forbid_connect(&rules, &path, sizeof path, "/run/docker.sock") != NULL);
  CHECK(rules_forbid_connect(&rules, &abstract, start + 7, NULL) != NULL);
  CHECK(!rules_forbid_connect(&rules, &abstract, start + 3, NULL));
  CHECK(!rules_forbid_connect(&rules, &abstract, start, NULL) && !rules_forbid_connect(&rules, &abstract, 0, NULL));
  rules_free(&rules);
}

void test_rules(void) {
  matches_globs();
  agrees_with_libc();
  takes_bounded_time();
  denies_paths();
  denies_addresses();
  refuses_addresses();
  denies_unix_sockets();
}
