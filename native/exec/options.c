#include "exec/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_names[] = {"hybrid", "full", "shim", "none"};

const char *record_mode_name(enum record_mode mode) {
  return mode_names[mode];
}

struct parser {
  struct options *options;
  char *problem;
  size_t capacity;
};

__attribute__((format(printf, 2, 3))) static int fail(const struct parser *parser, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(parser->problem, parser->capacity, format, arguments);
  va_end(arguments);
  return -1;
}

/* A whole decimal number from 0 to `most`, without sign or blanks; -1 otherwise. */
static long number(const char *text, long most) {
  long value = 0;
  if (*text == '\0') return -1;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return -1;
    value = value * 10 + (*text - '0');
    if (value > most) return -1;
  }
  return value;
}

static int set_record(const struct parser *parser, const char *value) {
  for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++) {
    if (strcmp(value, mode_names[i]) != 0) continue;
    parser->options->record = (enum record_mode)i;
    return 0;
  }
  return fail(parser, "--record is hybrid, full, shim or none, not \"%s\"", value);
}

static int set_mode(const struct parser *parser, const char *value) {
  if (strcmp(value, "open") != 0 && strcmp(value, "closed") != 0) {
    return fail(parser, "--mode is open or closed, not \"%s\"", value);
  }
  parser->options->closed = value[0] == 'c';
  return 0;
}

static int set_secret_fd(const struct parser *parser, const char *value) {
  long fd = number(value, 1 << 20);
  if (fd < 0) return fail(parser, "--secret-fd is a file descriptor, not \"%s\"", value);
  parser->options->secret_fd = (int)fd;
  return 0;
}

static int add_protected(const struct parser *parser, const char *value) {
  struct options *options = parser->options;
  long pid = number(value, 1 << 22);
  if (pid <= 0) return fail(parser, "--protect is a process id, not \"%s\"", value);
  if (options->protect_count == MAX_PROTECTED_OPTIONS) {
    return fail(parser, "--protect more than %d times", MAX_PROTECTED_OPTIONS);
  }
  options->protect[options->protect_count++] = (pid_t)pid;
  return 0;
}

static int add_rule(const struct parser *parser, int outcome, const char *name, const char *value) {
  if (outcome == 0) return 0;
  return fail(parser, "%s cannot be \"%s\"", name, value);
}

/* An option that takes a value; 1 when there is none of that name. */
static int take(const struct parser *parser, const char *name, const char *value) {
  struct options *options = parser->options;
  const struct {
    const char *name;
    const char **place;
  } texts[] = {
      {"--endpoint", &options->endpoint}, {"--secret-file", &options->secret_file},
      {"--session", &options->session},   {"--agent", &options->agent},
      {"--shim", &options->shim},         {"--guest-endpoint", &options->guest_endpoint},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (strcmp(name, texts[i].name) != 0) continue;
    if (*value == '\0') return fail(parser, "%s is empty", name);
    *texts[i].place = value;
    return 0;
  }
  if (strcmp(name, "--record") == 0) return set_record(parser, value);
  if (strcmp(name, "--mode") == 0) return set_mode(parser, value);
  if (strcmp(name, "--secret-fd") == 0) return set_secret_fd(parser, value);
  if (strcmp(name, "--protect") == 0) return add_protected(parser, value);
  if (strcmp(name, "--deny-exec") == 0) return add_rule(parser, rules_deny_exec(&options->rules, value), name, value);
  if (strcmp(name, "--deny-open") == 0) return add_rule(parser, rules_deny_open(&options->rules, value), name, value);
  if (strcmp(name, "--deny-connect") == 0) {
    return add_rule(parser, rules_deny_connect(&options->rules, value), name, value);
  }
  return 1;
}

/* An option without a value; 1 when there is none of that name. */
static int take_switch(struct options *options, const char *name) {
  if (strcmp(name, "--own-group") == 0) options->own_group = true;
  else if (strcmp(name, "--keep-going") == 0) options->keep_going = true;
  else if (strcmp(name, "--no-fallback") == 0) options->no_fallback = true;
  else if (strcmp(name, "--quiet") == 0) options->quiet = true;
  else return 1;
  return 0;
}

static int take_all(const struct parser *parser, int argc, char **argv) {
  int i = 1;
  for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
    char name[32];
    const char *value = strchr(argv[i], '=');
    size_t length = value == NULL ? strlen(argv[i]) : (size_t)(value - argv[i]);
    if (take_switch(parser->options, argv[i]) == 0) continue;
    if (length >= sizeof name || strncmp(argv[i], "--", 2) != 0) return fail(parser, "unknown option \"%s\"", argv[i]);
    memcpy(name, argv[i], length);
    name[length] = '\0';
    if (value == NULL && i + 1 >= argc) return fail(parser, "%s needs a value, or is unknown", name);
    int outcome = take(parser, name, value == NULL ? argv[++i] : value + 1);
    if (outcome > 0) return fail(parser, "unknown option \"%s\"", name);
    if (outcome < 0) return outcome;
  }
  if (i + 1 >= argc) return fail(parser, "no command after --");
  parser->options->command = argv + i + 1;
  return 0;
}

static int check(const struct parser *parser) {
  struct options *options = parser->options;
  if (options->endpoint == NULL) return fail(parser, "--endpoint is missing");
  if (options->session == NULL) return fail(parser, "--session is missing");
  if ((options->secret_file == NULL) == (options->secret_fd < 0)) {
    return fail(parser, "one of --secret-file and --secret-fd is needed");
  }
  if (options->shim != NULL && options->shim[0] != '/') return fail(parser, "--shim is not an absolute path");
  if (options->shim != NULL && strpbrk(options->shim, " :") != NULL) {
    return fail(parser, "--shim cannot have blanks or colons: LD_PRELOAD splits there");
  }
  if (options->record == RECORD_SHIM && options->shim == NULL) return fail(parser, "--record shim needs --shim");
  if (options->record >= RECORD_SHIM && rules_any(&options->rules)) {
    return fail(parser, "deny rules need --record hybrid or full: nothing else enforces them");
  }
  if (options->guest_endpoint == NULL) options->guest_endpoint = options->endpoint;
  return 0;
}

int options_parse(struct options *options, int argc, char **argv, char *problem, size_t problem_capacity) {
  const struct parser parser = {options, problem, problem_capacity};
  *options = (struct options){.secret_fd = -1, .record = RECORD_HYBRID};
  if (take_all(&parser, argc, argv) == 0 && check(&parser) == 0) return 0;
  rules_free(&options->rules);
  return -1;
}
