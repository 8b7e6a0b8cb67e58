/* Fuzzer of what the shim parses: AUDIT_ENDPOINT, LD_PRELOAD, and environments. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/variable.h"
#include "shim/endpoint.h"
#include "shim/real.h"
#include "shim/shim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 64

static long check(void *context, strings environment) {
  const char *const *kept = context;
  int found = kept[0] == NULL;
  for (size_t at = 0; environment[at] != NULL; at++) {
    size_t length = strlen(environment[at]);
    if (variable_shown(environment[at], length) > length) abort();
    if (kept[0] != NULL && strcmp(environment[at], kept[0]) == 0) found++;
  }
  if (found != 1) abort(); /* ours is there, once */
  return 0;
}

/* Splits the input at NULs into strings of their exact size. */
static size_t split(const uint8_t *data, size_t size, char **out) {
  size_t count = 0;
  while (size > 0 && count < MOST) {
    size_t length = 0;
    while (length < size && data[length] != 0) length++;
    out[count] = malloc(length + 1);
    memcpy(out[count], data, length);
    out[count++][length] = '\0';
    data += length;
    size -= length;
    if (size > 0) data++, size--;
  }
  out[count] = NULL;
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const heads[] = {"tcp://[", "tcp://", "unix://", "unix:///"};
  static char *own[] = {"AUDIT_ENDPOINT=unix:///s", "LD_PRELOAD=/opt/libauditshim.so", NULL};
  struct endpoint endpoint;
  endpoint_parse(&endpoint, (const char *)data, size);
  for (size_t at = 0; at < sizeof heads / sizeof *heads; at++) {
    size_t head = strlen(heads[at]);
    char *text = malloc(head + size);
    memcpy(text, heads[at], head);
    memcpy(text + head, data, size);
    if (endpoint_parse(&endpoint, text, head + size) && endpoint.family == 0) abort();
    free(text);
  }
  char *strings_of[MOST + 1];
  size_t count = split(data, size, strings_of);
  environment_keep(own);
  /* Every third entry is one that matters. */
  for (size_t at = 0; at < count; at += 3) {
    const char *name = at % 2 == 0 ? "LD_PRELOAD=" : "AUDIT_ENDPOINT=";
    char *longer = malloc(strlen(name) + strlen(strings_of[at]) + 1);
    strcpy(longer, name);
    strcat(longer, strings_of[at]);
    free(strings_of[at]);
    strings_of[at] = longer;
  }
  struct call call;
  call_begin(&call);
  const char *kept[] = {own[0]};
  for (call.borrowed = 0; call.borrowed < 2; call.borrowed++)
    environment_complete(&call, strings_of, 0, check, kept);
  settings_read(strings_of);
  for (size_t at = 0; at < count; at++) free(strings_of[at]);
  return 0;
}
