#include "exec/channel.h"
#include "exec/options.h"
#include "exec/secret.h"
#include "exec/test/unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define NEEDED "--endpoint", "unix:///s", "--session=run_1", "--secret-fd", "3"

static struct options options;
static char problem[256];

/* Parses a NULL-terminated command line; options point into a copy, which stays. */
static int parse(char **arguments) {
  static char *kept[64];
  int count = 0;
  for (; arguments[count] != NULL; count++) kept[count] = arguments[count];
  kept[count] = NULL;
  return options_parse(&options, count, kept, problem, sizeof problem);
}

#define PARSE(...) parse((char *[]){"agent-exec", __VA_ARGS__, NULL})

static void reads_everything(void) {
  CHECK(PARSE(NEEDED, "--agent", "a", "--record=full", "--shim", "/lib/s.so", "--mode", "closed", "--deny-exec", "/x",
              "--deny-open=/y:w", "--deny-connect", "10.0.0.0/8:80", "--protect", "7", "--protect=8", "--own-group",
              "--keep-going", "--no-fallback", "--quiet", "--", "ls", "--", "-l") == 0);
  CHECK(strcmp(options.endpoint, "unix:///s") == 0 && strcmp(options.guest_endpoint, "unix:///s") == 0);
  CHECK(strcmp(options.session, "run_1") == 0 && strcmp(options.agent, "a") == 0);
  CHECK(options.record == RECORD_FULL && options.closed && options.own_group && options.keep_going);
  CHECK(options.no_fallback && options.quiet);
  CHECK(options.secret_fd == 3 && options.secret_file == NULL);
  CHECK(options.rules.exec_count == 1 && options.rules.open_count == 1 && options.rules.connect_count == 1);
  CHECK(options.protect_count == 2 && options.protect[1] == 8);
  CHECK(strcmp(options.command[0], "ls") == 0 && strcmp(options.command[1], "--") == 0);
  rules_free(&options.rules);
}

static void refuses(void) {
  CHECK(PARSE(NEEDED) != 0 && strstr(problem, "no command") != NULL);
  CHECK(PARSE(NEEDED, "--") != 0);
  CHECK(PARSE(NEEDED, "--endpoints", "x", "--", "ls") != 0 && strstr(problem, "--endpoints") != NULL);
  CHECK(PARSE(NEEDED, "ls", "--", "ls") != 0);
  CHECK(PARSE(NEEDED, "--record", "most", "--", "ls") != 0);
  CHECK(PARSE(NEEDED, "--protect", "0", "--", "ls") != 0);
  CHECK(PARSE(NEEDED, "--protect", "99999999999999999999", "--", "ls") != 0);
  CHECK(PARSE(NEEDED, "--secret-file", "/f", "--", "ls") != 0);
  CHECK(PARSE("--endpoint", "unix:///s", "--session", "x", "--", "ls") != 0 && strstr(problem, "secret") != NULL);
  CHECK(PARSE("--session", "x", "--secret-fd", "3", "--", "ls") != 0 && strstr(problem, "endpoint") != NULL);
  CHECK(PARSE(NEEDED, "--shim", "lib.so", "--", "ls") != 0);
  CHECK(PARSE(NEEDED, "--record", "shim", "--", "ls") != 0);
  CHECK(PARSE(NEEDED, "--record", "none", "--deny-exec", "/x", "--", "ls") != 0);
  CHECK(PARSE(NEEDED, "--deny-connect", "example.org", "--", "ls") != 0);
  CHECK(PARSE(NEEDED, "--deny-open", "relative", "--", "ls") != 0);
}

static void reads_endpoints(void) {
  struct sockaddr_storage address;
  char path[200] = "unix:///";
  CHECK(channel_address("unix:///run/s", &address) == sizeof(struct sockaddr_un));
  CHECK(channel_address("unix://run/s", &address) == 0);
  memset(path + 8, 'a', 107);
  CHECK(channel_address(path, &address) == 0);
  path[8 + 106] = '\0';
  CHECK(channel_address(path, &address) != 0);
  CHECK(channel_address("tcp://127.0.0.1:80", &address) == sizeof(struct sockaddr_in));
  CHECK(((const struct sockaddr_in *)&address)->sin_port == htons(80));
  CHECK(channel_address("tcp://localhost:80", &address) == sizeof(struct sockaddr_in));
  CHECK(channel_address("tcp://[::1]:65535", &address) == sizeof(struct sockaddr_in6));
  CHECK(channel_address("tcp://[::1]:65536", &address) == 0);
  CHECK(channel_address("tcp://127.0.0.1:80x", &address) == 0);
  CHECK(channel_address("tcp://127.0.0.1", &address) == 0);
  CHECK(channel_address("http://127.0.0.1:80", &address) == 0);
}

static int take(const char *text, struct secret *secret) {
  const char *why = NULL;
  int ends[2];
  if (pipe(ends) != 0 || write(ends[1], text, strlen(text)) < 0) return -2;
  close(ends[1]);
  int outcome = secret_take(secret, NULL, ends[0], &why);
  CHECK(fcntl(ends[0], F_GETFD) < 0);
  CHECK((outcome == 0) == (why == NULL));
  return outcome;
}

static void reads_secrets(void) {
#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  struct secret secret;
  const char *why = NULL;
  char path[] = "/tmp/agentops-secret-XXXXXX";
  CHECK(take(DIGITS, &secret) == 0 && memcmp(secret.line, DIGITS "\n", 65) == 0);
  CHECK(take(DIGITS "\n", &secret) == 0);
  CHECK(take(DIGITS "\n\n", &secret) != 0);
  CHECK(take(DIGITS "0", &secret) != 0);
  CHECK(take("0123", &secret) != 0);
  CHECK(take("", &secret) != 0);
  CHECK(take("ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", &secret) != 0);
  int fd = mkstemp(path);
  CHECK(fd >= 0 && write(fd, DIGITS, 64) == 64 && close(fd) == 0);
  CHECK(secret_take(&secret, path, -1, &why) == 0 && access(path, F_OK) != 0);
  CHECK(secret_take(&secret, path, -1, &why) != 0 && why != NULL);
  secret_forget(&secret);
  CHECK(secret.line[0] == '\0');
}

void test_options(void) {
  reads_everything();
  refuses();
  reads_endpoints();
  reads_secrets();
}
