/*
 * Everything that is parsed: the first byte chooses what. Options and rules come from who starts a guest; addresses,
 * arguments and paths come from the guest.
 */
#include "exec/arguments.h"
#include "exec/channel.h"
#include "exec/environment.h"
#include "exec/options.h"
#include "exec/resolve.h"
#include "protocol/address.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Strings of an input: each ends with a NUL. */
enum { MAX_TEXTS = 64 };
static size_t split(char *text, size_t size, char *texts[MAX_TEXTS + 1]) {
  size_t count = 0;
  for (char *at = text; at < text + size && count < MAX_TEXTS; at += strlen(at) + 1) texts[count++] = at;
  texts[count] = NULL;
  return count;
}

static void fuzz_options(char *text, size_t size) {
  static const char *const words[] = {"--endpoint",  "--session",   "--secret-fd", "--deny-open", "--deny-connect",
                                      "--deny-exec", "--record",    "--protect",   "--",          "--shim"};
  char *texts[MAX_TEXTS + 1];
  char problem[128];
  struct options options;
  size_t count = split(text, size, texts);
  for (size_t i = 0; i < count; i++) { /* random bytes hardly ever spell an option */
    unsigned char first = (unsigned char)texts[i][0];
    if (first >= 'a' && first < 'a' + sizeof words / sizeof *words) texts[i] = (char *)words[first - 'a'];
  }
  if (options_parse(&options, (int)count, texts, problem, sizeof problem) == 0) rules_free(&options.rules);
}

static void fuzz_rules(char *text, size_t size) {
  struct rules rules = {0};
  struct sockaddr_storage address = {0};
  char *texts[MAX_TEXTS + 1];
  size_t count = split(text, size, texts);
  for (size_t i = 0; i < count; i++) {
    rules_deny_exec(&rules, texts[i]);
    rules_deny_open(&rules, texts[i]);
    rules_deny_connect(&rules, texts[i]);
    channel_address(texts[i], &address);
  }
  for (size_t i = 0; i < count; i++) {
    rules_forbid_exec(&rules, texts[i]);
    rules_forbid_open(&rules, texts[i], ACCESS_READ);
  }
  rules_free(&rules);
}

/* An address of exactly that size: a byte too far is found. */
static void fuzz_address(char *bytes, size_t size) {
  static struct rules rules;
  static char buffer[EVENT_MAX_BYTES];
  struct event_line line;
  const struct event_context context = {"Runner", "fuzz", NULL};
  if (rules.connect_count == 0) {
    rules_deny_connect(&rules, "10.0.0.0/9:80");
    rules_deny_connect(&rules, "2001:db8::/33");
    rules_deny_connect(&rules, "unix:@a*b");
  }
  sa_family_t family = size > 0 ? (sa_family_t[]){AF_UNIX, AF_INET, AF_INET6, AF_UNSPEC}[(unsigned char)bytes[0] % 4] : 0;
  if (size >= sizeof family) memcpy(bytes, &family, sizeof family);
  rules_forbid_connect(&rules, bytes, size, NULL);
  event_begin(&line, buffer, sizeof buffer, &context, EVENT_CONNECT, 0);
  event_sockaddr(&line, bytes, size);
  event_end(&line);
}

/* An array of pointers, of which some lead into the input and some nowhere. */
static void fuzz_arguments(char *text, size_t size) {
  static char bytes[512];
  const char *array[MAX_TEXTS + 65] = {0};
  struct arguments arguments = {.bytes = bytes, .capacity = 1 + (size_t)(unsigned char)text[0] * 2};
  char *texts[MAX_TEXTS + 1];
  size_t count = split(text, size, texts);
  for (size_t i = 0; i < count; i++) array[i] = texts[i][0] == (char)0xff ? (const char *)8 : texts[i];
  arguments_read(&arguments, getpid(), (uint64_t)(uintptr_t)array, NULL);
  if (arguments.length > arguments.capacity || arguments.count > arguments.total) abort();
  arguments_read(&arguments, getpid(), (uint64_t)(uintptr_t)array, environment_shown);
  if (arguments.length > arguments.capacity || arguments.count > arguments.total) abort();
}

static void fuzz_path(char *text) {
  static struct resolved resolved;
  resolve_path(getpid(), getpid(), AT_FDCWD, text, true, &resolved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  char *text = malloc(size);
  if (text == NULL) abort();
  memcpy(text, data + 1, size - 1);
  text[size - 1] = '\0';
  switch (data[0] % 5) {
  case 0:
    fuzz_options(text, size);
    break;
  case 1:
    fuzz_rules(text, size);
    break;
  case 2: {
    char *exact = malloc(size - 1);
    if (exact == NULL) abort();
    memcpy(exact, text, size - 1);
    fuzz_address(exact, size - 1 > sizeof(struct sockaddr_storage) ? sizeof(struct sockaddr_storage) : size - 1);
    free(exact);
    break;
  }
  case 3:
    fuzz_arguments(text, size);
    break;
  default:
    fuzz_path(text);
  }
  free(text);
  return 0;
}
