/* Events from what hooks know. Strings of the program are copied first: another thread may be changing them. */
#include <string.h>

#include "protocol/address.h"
#include "protocol/variable.h"
#include "shim/raw.h"
#include "shim/shim.h"

#define E_NOENT 2
#define E_FAULT 14
#define E_INVAL 22
#define O_CREAT_ 0100
#define PATH_MOST 4096
#define X_OK_ 1
#define EMPTY_PATH 0x1000

/* Room that arguments leave for the rest of an exec event, and that names of variables leave for numbers. */
#define KEEP_FOR_ENVIRONMENT 10240
#define KEEP_FOR_NUMBERS 128

static int deliver(struct call *call, struct slot *slot, struct event_line *line) {
  int sent = send_event(call, slot->line, event_end(line));
  slot_release(call, slot);
  return sent;
}

static struct slot *claim(struct call *call) {
  call_begin(call);
  struct slot *slot = slot_claim(call);
  if (slot == NULL) count_drop(call);
  return slot;
}

/* ------------------------------------------------------------------------------------------------ open, connect */

int report_open(const struct open_event *event, int result) {
  if (result == E_FAULT) return 1;
  struct call call;
  struct slot *slot = claim(&call);
  if (slot == NULL) return 0;
  /* Success and most errors mean that the kernel has read the path. */
  struct probe probe = {0, result == 0 || result == E_NOENT};
  int cut = 0;
  long length = copy_string(&probe, slot->text, PATH_MOST, event->path, &cut);
  if (length < 0) {
    slot_release(&call, slot);
    return 1;
  }
  struct event_line line;
  event_begin(&line, slot->line, sizeof slot->line, &settings.context, EVENT_OPEN, clock_ms(CLOCK_WALL));
  event_number(&line, "pid", call.pid);
  event_text(&line, "path", slot->text, (size_t)length);
  event_number(&line, "flags", (uint32_t)event->flags);
  if (event->has_mode) event_number(&line, "mode", event->mode);
  if (event->dirfd != AT_CURRENT && slot->text[0] != '/') event_number(&line, "dirfd", event->dirfd);
  if (result != UNKNOWN_RESULT) event_number(&line, "result", result);
  if (cut) event_cut(&line);
  return deliver(&call, slot, &line);
}

int report_connect(int fd, const void *address, size_t length, int result) {
  if (result == E_FAULT || address == NULL) return 1;
  char copy[128];
  struct probe probe = {0, 0};
  size_t size = length < sizeof copy ? length : sizeof copy;
  if (!probe_readable(&probe, address, size)) return 1;
  memcpy(copy, address, size);
  struct call call;
  struct slot *slot = claim(&call);
  if (slot == NULL) return 0;
  struct event_line line;
  event_begin(&line, slot->line, sizeof slot->line, &settings.context, EVENT_CONNECT, clock_ms(CLOCK_WALL));
  event_number(&line, "pid", call.pid);
  event_number(&line, "fd", fd);
  event_sockaddr(&line, copy, size);
  if (result != UNKNOWN_RESULT) event_number(&line, "result", result);
  return deliver(&call, slot, &line);
}

/* ------------------------------------------------------------------------------------------------ exec */

static size_t put_digits(char *at, unsigned value) {
  char digits[12];
  size_t count = 0;
  size_t length = 0;
  do digits[count++] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  while (count > 0) at[length++] = digits[--count];
  return length;
}

static int accessible(int dirfd, const char *path) {
  return (int)RAW_3(__NR_faccessat, dirfd, path, X_OK_);
}

/* Where execvp is going to find `name` (of `length` bytes, at text): written behind it; 0 when it is nowhere. */
static size_t search_path(struct slot *slot, size_t length) {
  const char *name = slot->text;
  char *to = slot->text + PATH_MOST;
  char *const *environment = current_environment();
  const char *path = "/bin:/usr/bin";
  for (; environment != NULL && *environment != NULL; environment++)
    if (text_starts(*environment, "PATH=")) {
      path = *environment + 5;
      break;
    }
  for (;;) {
    size_t folder = 0;
    while (path[folder] != '\0' && path[folder] != ':') folder++;
    if (folder + length + 4 < PATH_MOST) {
      size_t size = folder;
      memcpy(to, path, folder);
      if (folder > 0) to[size++] = '/';
      memcpy(to + size, name, length);
      size += length;
      memcpy(to + size, "/.", 3); /* a folder of that name is passed over */
      int is_folder = accessible(AT_CURRENT, to) == 0;
      to[size] = '\0';
      if (!is_folder && accessible(AT_CURRENT, to) == 0) return size;
    }
    if (path[folder] == '\0') return 0;
    path += folder + 1;
  }
}

/* The path that a descriptor stands for, with what follows in it; returns its length, 0 when that is not known. */
static size_t descriptor_path(struct slot *slot, int fd, size_t length) {
  char link[32] = "/proc/self/fd/";
  char *to = slot->text + PATH_MOST;
  link[14 + put_digits(link + 14, (unsigned)fd)] = '\0';
  long size = fd < 0 ? -1 : RAW_4(__NR_readlinkat, AT_CURRENT, link, to, PATH_MOST);
  if (size <= 0 || size >= PATH_MOST) return 0;
  if (length == 0) return (size_t)size;
  to[size] = '/';
  memcpy(to + size + 1, slot->text, length);
  return (size_t)size + 1 + length;
}

static int has_slash(const char *text, size_t length) {
  for (size_t at = 0; at < length; at++)
    if (text[at] == '/') return 1;
  return 0;
}

/* Items that fit are copied one by one; the others are only counted. Returns -1 when the array cannot be read. */
static long put_array(struct event_line *line, struct slot *slot, const char *name, char *const *items, int is_environment) {
  struct probe probe = {0, 0};
  long count = 0;
  unsigned before = line->truncated;
  line->truncated = 0;
  event_array(line, name);
  for (; items != NULL; count++) {
    if (!probe_readable(&probe, &items[count], sizeof *items)) return -1;
    const char *item = items[count];
    if (item == NULL) break;
    if (line->truncated) continue;
    int cut = 0;
    long length = copy_string(&probe, slot->text, sizeof slot->text, item, &cut);
    if (length < 0) return -1;
    if (is_environment) event_item(line, slot->text, variable_shown(slot->text, (size_t)length));
    else event_item(line, slot->text, (size_t)length);
    if (cut && !is_environment) event_cut(line);
  }
  event_array_end(line);
  line->truncated |= before;
  return count;
}

/* Copies the path and finds what it means. Returns the errno that is to be expected, or -1: it cannot be read. */
static int put_path(struct event_line *line, struct slot *slot, const struct exec_event *event) {
  struct probe probe = {0, 0};
  int cut = 0;
  long copied = copy_string(&probe, slot->text, PATH_MOST - 1, event->path, &cut);
  if (copied < 0) return -1;
  size_t length = (size_t)copied;
  slot->text[length] = '\0';
  const char *found = slot->text + PATH_MOST;
  size_t size = 0;
  int expected = 0;
  if (event->search && length > 0 && !has_slash(slot->text, length)) {
    size = search_path(slot, length);
    if (size == 0) expected = E_NOENT;
  } else {
    if (event->dirfd != AT_CURRENT && slot->text[0] != '/') size = descriptor_path(slot, event->dirfd, length);
    /* Existence alone: whether it may be executed is not for the caller's real user id to say. */
    if (length > 0) expected = (int)-RAW_3(__NR_faccessat, event->dirfd, slot->text, 0);
  }
  if (size > 0) event_text(line, "path", found, size);
  else event_text(line, "path", slot->text, length);
  if (cut) event_cut(line);
  return expected;
}

static void put_cwd(struct event_line *line, struct slot *slot) {
  long length = RAW_2(__NR_getcwd, slot->text, PATH_MOST);
  if (length > 1 && slot->text[0] == '/') event_text(line, "cwd", slot->text, (size_t)length - 1);
}

int report_exec(const struct exec_event *event, int result, int *known) {
  struct call call;
  *known = 0;
  struct slot *slot = claim(&call);
  if (slot == NULL) return 0;
  struct event_line line;
  event_begin(&line, slot->line, sizeof slot->line, &settings.context, EVENT_EXEC, clock_ms(CLOCK_WALL));
  event_number(&line, "pid", event->pid == 0 ? call.pid : event->pid);
  event_number(&line, "ppid", event->pid == 0 ? RAW_0(__NR_getppid) : call.pid);
  int expected = put_path(&line, slot, event);
  put_cwd(&line, slot);
  event_reserve(&line, KEEP_FOR_ENVIRONMENT);
  long argc = expected < 0 ? -1 : put_array(&line, slot, "argv", event->argv, 0);
  event_reserve(&line, KEEP_FOR_NUMBERS);
  long envc = argc < 0 ? -1 : put_array(&line, slot, "env", event->environment, 1);
  if (envc < 0) { /* EFAULT is what the call returns */
    slot_release(&call, slot);
    return 1;
  }
  event_reserve(&line, 0);
  if (line.truncated) {
    event_number(&line, "argc", argc);
    event_number(&line, "envc", envc);
  }
  if (result == UNKNOWN_RESULT && expected > 0) result = *known = expected;
  if (result != UNKNOWN_RESULT) event_number(&line, "result", result);
  return deliver(&call, slot, &line);
}
