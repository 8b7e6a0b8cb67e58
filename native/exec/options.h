/* The command line of agent-exec. Nothing is copied: strings point into argv. */
#ifndef AGENTOPS_EXEC_OPTIONS_H
#define AGENTOPS_EXEC_OPTIONS_H

#include "exec/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What is observed, from most to least. */
enum record_mode { RECORD_HYBRID, RECORD_FULL, RECORD_SHIM, RECORD_NONE };

#define MAX_PROTECTED_OPTIONS 32

struct options {
  const char *endpoint; /* unix:///path or tcp://HOST:PORT */
  const char *secret_file;
  int secret_fd; /* -1: none */
  const char *session;
  const char *agent; /* NULL: none */
  enum record_mode record;
  const char *shim;           /* NULL: no shim */
  const char *guest_endpoint; /* of the shim; never NULL after parsing */
  bool closed;                /* the shim fails calls that it cannot report */
  bool keep_going;            /* an audit channel that is gone does not end the guest */
  bool own_group;
  bool no_fallback; /* what --record says, or nothing */
  bool quiet; /* who closes the audit channel says so itself */
  struct rules rules;
  pid_t protect[MAX_PROTECTED_OPTIONS];
  size_t protect_count;
  char **command; /* NULL-terminated */
};

const char *record_mode_name(enum record_mode mode);

/* Returns 0, or -1 with a message of one line in `problem`. On success the caller frees `options->rules`. */
int options_parse(struct options *options, int argc, char **argv, char *problem, size_t problem_capacity);

#endif
