#include "exec/environment.h"

#include "protocol/variable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t environment_shown(const char *entry, size_t length, bool whole) {
  (void)whole;
  return variable_shown(entry, length);
}

struct list {
  char **entries;
  size_t count;
  bool failed;
};

static void add(struct list *list, const char *name, const char *value) {
  size_t length = strlen(name) + strlen(value) + 2;
  char *entry = malloc(length);
  if (entry == NULL) {
    list->failed = true;
    return;
  }
  snprintf(entry, length, "%s=%s", name, value);
  list->entries[list->count++] = entry;
}

static const char *value_in(char *const *environment, const char *name) {
  size_t length = strlen(name);
  for (; *environment != NULL; environment++) {
    if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') return *environment + length + 1;
  }
  return NULL;
}

/* Ours comes first; what the user preloads stays behind it. */
static void add_preload(struct list *list, const char *shim, const char *theirs) {
  size_t length = strlen(shim) + (theirs == NULL ? 0 : strlen(theirs)) + 2;
  char *value = malloc(length);
  if (value == NULL) {
    list->failed = true;
    return;
  }
  if (theirs == NULL || *theirs == '\0') snprintf(value, length, "%s", shim);
  else snprintf(value, length, "%s:%s", shim, theirs);
  add(list, "LD_PRELOAD", value);
  free(value);
}

static void add_shim(struct list *list, char *const *ours, const struct options *options, enum record_mode mode,
                     const uint32_t mark[2]) {
  const char *token = value_in(ours, "AUDIT_TOKEN");
  char digits[17];
  snprintf(digits, sizeof digits, "%08x%08x", mark[0], mark[1]);
  add_preload(list, options->shim, value_in(ours, "LD_PRELOAD"));
  add(list, "AUDIT_ENDPOINT", options->guest_endpoint);
  if (token != NULL) add(list, "AUDIT_TOKEN", token);
  add(list, "AUDIT_SESSION_ID", options->session);
  if (options->agent != NULL) add(list, "AUDIT_AGENT", options->agent);
  add(list, "AUDIT_MODE", options->closed ? "closed" : "open");
  add(list, "AUDIT_SHIM", mode == RECORD_HYBRID ? "hybrid" : "full");
  if (mode == RECORD_HYBRID) add(list, "AUDIT_MARK", digits);
}

char **environment_of_guest(char *const *ours, const struct options *options, enum record_mode mode,
                            const uint32_t mark[2]) {
  enum { MORE = 8 };
  bool preload = options->shim != NULL && (mode == RECORD_HYBRID || mode == RECORD_SHIM);
  struct list list = {NULL, 0, false};
  size_t count = 0;
  while (ours[count] != NULL) count++;
  list.entries = calloc(count + MORE + 1, sizeof *list.entries);
  if (list.entries == NULL) return NULL;
  for (size_t i = 0; i < count; i++) {
    if (strncmp(ours[i], "AUDIT_", 6) == 0) continue;
    if (preload && strncmp(ours[i], "LD_PRELOAD=", 11) == 0) continue;
    list.entries[list.count++] = ours[i];
  }
  if (preload) add_shim(&list, ours, options, mode, mark);
  return list.failed ? NULL : list.entries;
}
