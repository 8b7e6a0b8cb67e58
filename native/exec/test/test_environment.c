#include "exec/environment.h"
#include "exec/search.h"
#include "exec/test/unit.h"

#include <errno.h>
#include <stdlib.h>

static const uint32_t mark[2] = {0x01234567, 0x89abcdef};

static const char *value(char **environment, const char *name) {
  size_t length = strlen(name);
  const char *found = NULL;
  for (; *environment != NULL; environment++) {
    if (strncmp(*environment, name, length) != 0 || (*environment)[length] != '=') continue;
    CHECK(found == NULL); /* once at most */
    found = *environment + length + 1;
  }
  return found;
}

/* What is added is the guest's for good: freed here only. */
static void free_added(char **environment, char *const *ours) {
  for (size_t i = 0; environment[i] != NULL; i++) {
    size_t k = 0;
    while (ours[k] != NULL && ours[k] != environment[i]) k++;
    if (ours[k] == NULL) free(environment[i]);
  }
  free(environment);
}

void test_environment(void) {
  char *ours[] = {"A=1", "LD_PRELOAD=/theirs.so", "AUDIT_TOKEN=t", "AUDIT_SHIM=lies", "AUDIT_MARK=lies", "B=2", NULL};
  struct options options = {.session = "run_1", .agent = "agent", .guest_endpoint = "unix:///s", .shim = "/shim.so"};
  char **environment = environment_of_guest(ours, &options, RECORD_HYBRID, mark);
  CHECK(strcmp(value(environment, "LD_PRELOAD"), "/shim.so:/theirs.so") == 0);
  CHECK(strcmp(value(environment, "AUDIT_MARK"), "0123456789abcdef") == 0);
  CHECK(strcmp(value(environment, "AUDIT_SHIM"), "hybrid") == 0 && strcmp(value(environment, "AUDIT_TOKEN"), "t") == 0);
  CHECK(strcmp(value(environment, "AUDIT_ENDPOINT"), "unix:///s") == 0);
  CHECK(strcmp(value(environment, "AUDIT_SESSION_ID"), "run_1") == 0);
  CHECK(strcmp(value(environment, "AUDIT_AGENT"), "agent") == 0 && strcmp(value(environment, "AUDIT_MODE"), "open") == 0);
  CHECK(strcmp(value(environment, "A"), "1") == 0 && strcmp(value(environment, "B"), "2") == 0);
  free_added(environment, ours);
  environment = environment_of_guest(ours, &options, RECORD_SHIM, mark);
  CHECK(strcmp(value(environment, "AUDIT_SHIM"), "full") == 0 && value(environment, "AUDIT_MARK") == NULL);
  free_added(environment, ours);
  environment = environment_of_guest(ours, &options, RECORD_FULL, mark); /* the supervisor sees everything */
  CHECK(strcmp(value(environment, "LD_PRELOAD"), "/theirs.so") == 0 && value(environment, "AUDIT_SHIM") == NULL);
  free_added(environment, ours);
  char *nothing[] = {"", NULL};
  char *missing[] = {"no-such-command", NULL};
  char *directory[] = {"/tmp", NULL};
  CHECK(command_execute(nothing, ours) == ENOENT && command_execute(missing, ours) == ENOENT);
  CHECK(command_execute(directory, ours) == EACCES);
}
