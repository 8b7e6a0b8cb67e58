/* Environment of programs that are started: what must not get lost from it. */
#include <string.h>

#include "shim/raw.h"
#include "shim/shim.h"

extern char **environ __attribute__((weak));

char *const *current_environment(void) {
  return &environ == NULL ? NULL : environ;
}

/* ------------------------------------------------------------------------------------------------ what is kept */

static const char *const kept_names[] = {"AUDIT_ENDPOINT=", "AUDIT_TOKEN=", "AUDIT_SESSION_ID=", "AUDIT_AGENT=",
                                         "AUDIT_MODE=",     "AUDIT_SHIM=",  "AUDIT_MARK=",       "AUDIT_WAIT_MS="};
#define KEPT (sizeof kept_names / sizeof kept_names[0])
#define STORE 12288

static const char preload_name[] = "LD_PRELOAD=";
static const char library_name[] = "libauditshim.so";

static char store[STORE];
static size_t stored;
static const char *kept[KEPT];   /* NULL: was not there */
static const char *preload;      /* "LD_PRELOAD=/path/of/libauditshim.so", or NULL: not loaded that way */
static const char *preload_path; /* the path in it */

static const char *keep(const char *start, size_t length, const char *before) {
  size_t prefix = text_length(before);
  if (STORE - stored < prefix + length + 1) return NULL;
  char *at = store + stored;
  memcpy(at, before, prefix);
  memcpy(at + prefix, start, length);
  at[prefix + length] = '\0';
  stored += prefix + length + 1;
  return at;
}

static int is_separator(char byte) {
  return byte == ':' || byte == ' ';
}

/* The part of an LD_PRELOAD value that ends at or after `from`; returns its length, 0 at the end. */
static size_t preload_part(const char **from) {
  const char *at = *from;
  while (is_separator(*at)) at++;
  *from = at;
  size_t length = 0;
  while (at[length] != '\0' && !is_separator(at[length])) length++;
  return length;
}

static void keep_preload(const char *value) {
  size_t name = sizeof library_name - 1;
  for (size_t length; (length = preload_part(&value)) != 0; value += length) {
    if (value[0] != '/' || length <= name || value[length - name - 1] != '/') continue;
    if (memcmp(value + length - name, library_name, name) != 0) continue;
    preload = keep(value, length, preload_name);
    preload_path = preload == NULL ? NULL : preload + sizeof preload_name - 1;
    return;
  }
}

void environment_keep(char *const *environment) {
  stored = 0;
  preload = preload_path = NULL;
  for (size_t name = 0; name < KEPT; name++) {
    kept[name] = NULL;
    for (size_t at = 0; environment[at] != NULL && kept[name] == NULL; at++)
      if (text_starts(environment[at], kept_names[name])) kept[name] = keep(environment[at], text_length(environment[at]), "");
  }
  for (size_t at = 0; environment[at] != NULL && preload == NULL; at++)
    if (text_starts(environment[at], preload_name)) keep_preload(environment[at] + sizeof preload_name - 1);
}

/* ------------------------------------------------------------------------------------------------ completing */

/* Events that were lost and not yet told when the process executed another program, which tells them. */
static const char dropped_name[] = "AUDIT_DROPPED=";
#define DROPPED_BYTES (sizeof dropped_name + 20)

struct plan {
  size_t count;        /* variables that the program gave */
  unsigned missing;    /* bit i: kept[i] is not there, or differs */
  int needs_preload;   /* LD_PRELOAD is not there, or lacks our library */
  const char *preload; /* the value of the program's LD_PRELOAD, or NULL */
  size_t preload_length;
  uint64_t dropped;
  size_t bytes; /* for the new array and the new LD_PRELOAD */
};

static int names_library(const char *value) {
  for (size_t length; (length = preload_part(&value)) != 0; value += length)
    if (text_length(preload_path) == length && memcmp(value, preload_path, length) == 0) return 1;
  return 0;
}

/* Which kept variable an entry is, or -1. */
static int kept_index(const char *entry) {
  if (!text_starts(entry, "AUDIT_")) return -1;
  for (size_t name = 0; name < KEPT; name++)
    if (kept[name] != NULL && text_starts(entry, kept_names[name])) return (int)name;
  return -1;
}

/* 0 when nothing has to change, or when the environment cannot be read: then the call fails by itself. */
static int plan_make(struct plan *plan, char *const *environment, uint64_t dropped) {
  struct probe probe = {0, 0};
  unsigned wrong = 0;
  memset(plan, 0, sizeof *plan);
  plan->dropped = dropped;
  for (size_t name = 0; name < KEPT; name++)
    if (kept[name] != NULL) plan->missing |= 1u << name;
  plan->needs_preload = preload != NULL;
  for (; environment != NULL; plan->count++) {
    if (!probe_readable(&probe, &environment[plan->count], sizeof *environment)) return 0;
    const char *entry = environment[plan->count];
    if (entry == NULL) break;
    if (!probe_readable(&probe, entry, 1)) return 0;
    if (entry[0] == 'A') {
      int name = kept_index(entry);
      if (name < 0) continue;
      if (text_equal(entry, kept[name])) plan->missing &= ~(1u << name);
      else wrong |= 1u << name;
    } else if (entry[0] == 'L' && preload != NULL && text_starts(entry, preload_name)) {
      plan->preload = entry + sizeof preload_name - 1;
      plan->needs_preload = !names_library(plan->preload);
    }
  }
  plan->missing |= wrong;
  if (plan->missing == 0 && !plan->needs_preload && dropped == 0) return 0;
  plan->preload_length = plan->preload == NULL ? 0 : text_length(plan->preload);
  size_t text = plan->preload_length == 0 ? 0 : text_length(preload) + 1 + plan->preload_length + 1;
  plan->bytes = (plan->count + KEPT + 3) * sizeof(char *) + DROPPED_BYTES + text;
  return 1;
}

/* LD_PRELOAD with our library first: its own libraries stay. */
static char *preload_join(char *at, const struct plan *plan) {
  size_t length = text_length(preload);
  if (plan->preload_length == 0) return (char *)(uintptr_t)preload;
  memcpy(at, preload, length);
  at[length] = ':';
  memcpy(at + length + 1, plan->preload, plan->preload_length);
  at[length + 1 + plan->preload_length] = '\0';
  return at;
}

static char *dropped_write(char *at, uint64_t dropped) {
  char digits[20];
  size_t count = 0;
  char *text = at;
  memcpy(at, dropped_name, sizeof dropped_name - 1);
  at += sizeof dropped_name - 1;
  do digits[count++] = (char)('0' + dropped % 10);
  while ((dropped /= 10) != 0);
  while (count > 0) *at++ = digits[--count];
  *at = '\0';
  return text;
}

static void plan_build(const struct plan *plan, char *const *environment, char **out) {
  size_t count = 0;
  char *texts = (char *)(out + plan->count + KEPT + 3);
  if (plan->dropped > 0) out[count++] = dropped_write(texts, plan->dropped);
  if (plan->needs_preload) out[count++] = preload_join(texts + DROPPED_BYTES, plan);
  for (size_t at = 0; at < plan->count; at++) {
    char *entry = environment[at];
    if (entry[0] == 'A') {
      int name = kept_index(entry);
      if (name >= 0 && (plan->missing & 1u << name) != 0) continue;
    }
    if (plan->needs_preload && entry[0] == 'L' && text_starts(entry, preload_name)) continue;
    out[count++] = entry;
  }
  for (size_t name = 0; name < KEPT; name++)
    if ((plan->missing & 1u << name) != 0) out[count++] = (char *)(uintptr_t)kept[name];
  out[count] = NULL;
}

#define SMALL_BYTES 768
#define STACK_BYTES 262144

NO_INLINE static long use_small(const struct plan *plan, char *const *environment, environment_use use, void *context) {
  char *small[SMALL_BYTES / sizeof(char *)];
  plan_build(plan, environment, small);
  return use(context, small);
}

/* Between vfork and exec memory is the parent's and would never be given back: the stack, which the parent gets back. */
NO_INLINE static long use_stack(const struct plan *plan, char *const *environment, environment_use use, void *context) {
  char **out = __builtin_alloca_with_align(plan->bytes, 128);
  plan_build(plan, environment, out);
  return use(context, out);
}

NO_INLINE static long use_pages(const struct plan *plan, char *const *environment, environment_use use, void *context) {
  long pages = RAW_6(__NR_mmap, 0, plan->bytes, 3, 0x22, -1, 0);
  if (pages < 0 && pages > -4096) {
    struct call call;
    call_begin(&call);
    count_drop(&call); /* what the program does is going to be missed */
    return use(context, environment);
  }
  plan_build(plan, environment, (char **)pages);
  long result = use(context, (char **)pages);
  RAW_2(__NR_munmap, pages, plan->bytes);
  return result;
}

/*
 * Small environments are completed on the stack, within what a signal handler's stack has. Larger ones go to pages of
 * their own, which exec or the end of the call frees; in a vfork child, to the stack, up to 256 KiB (32 000 variables).
 */
long environment_complete(struct call *call, char *const *environment, int ends, environment_use use, void *context) {
  struct plan plan;
  uint64_t dropped = ends && !call->borrowed ? __atomic_load_n(&call->live->dropped, __ATOMIC_RELAXED) : 0;
  if (!plan_make(&plan, environment, dropped)) return use(context, environment);
  if (plan.bytes <= SMALL_BYTES) return use_small(&plan, environment, use, context);
  if (call->borrowed && plan.bytes <= STACK_BYTES) return use_stack(&plan, environment, use, context);
  return use_pages(&plan, environment, use, context);
}

uint64_t environment_take_dropped(void) {
  char **at = &environ == NULL ? NULL : environ;
  while (at != NULL && *at != NULL && !text_starts(*at, dropped_name)) at++;
  if (at == NULL || *at == NULL) return 0;
  uint64_t count = 0;
  for (const char *digit = *at + sizeof dropped_name - 1; *digit >= '0' && *digit <= '9'; digit++) {
    count = count * 10 + (uint64_t)(*digit - '0');
    if (count > (uint64_t)EVENT_MAX_NUMBER) return 0;
  }
  for (; *at != NULL; at++) at[0] = at[1]; /* its children shall not tell them again */
  return count;
}
