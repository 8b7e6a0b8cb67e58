/*
 * Addresses that the program speaks to. In hybrid mode the supervisor sees connect, but not the addressed sends of UDP and
 * TCP fast open: those are reported in both modes.
 */
#include "shim/calls.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/shim.h"

#define E_CONNREFUSED 111

struct io_message {
  const void *address;
  unsigned address_length;
  void *parts;
  size_t part_count;
  void *control;
  size_t control_length;
  int flags;
};

struct many_message {
  struct io_message message;
  unsigned length;
};

/* Closed mode reports first, without a result. Returns 0 when the call must not happen. */
static int allowed(int fd, const void *address, size_t length) {
  if (!settings.closed || report_connect(fd, address, length, UNKNOWN_RESULT)) return 1;
  shim_errno = E_CONNREFUSED;
  return 0;
}

static void tell(int fd, const void *address, size_t length, long result) {
  if (!settings.closed) report_connect(fd, address, length, result < 0 ? shim_errno : 0);
}

static int connect_real(int fd, const void *address, unsigned length) {
  if (real.connect != NULL) return real.connect(fd, address, length);
  return (int)libc_result(RAW_3(__NR_connect, fd, address, length));
}

int connect_run(int fd, const void *address, unsigned length) {
  if (!shim_ready() || settings.hybrid) return connect_real(fd, address, length);
  if (!allowed(fd, address, length)) return -1;
  int result = connect_real(fd, address, length);
  tell(fd, address, length, result);
  return result;
}

HOOK(int, connect, (int fd, const void *address, unsigned length)) {
  return connect_run(fd, address, length);
}

HOOK(int, __connect, (int fd, const void *address, unsigned length)) {
  return connect_run(fd, address, length);
}

static long sendto_real(int fd, const void *bytes, size_t size, int flags, const void *address, unsigned length) {
  if (real.sendto != NULL) return real.sendto(fd, bytes, size, flags, address, length);
  return libc_result(RAW_6(__NR_sendto, fd, bytes, size, flags, address, length));
}

long sendto_run(int fd, const void *bytes, size_t size, int flags, const void *address, unsigned length) {
  if (!shim_ready() || address == NULL || length == 0) return sendto_real(fd, bytes, size, flags, address, length);
  if (!allowed(fd, address, length)) return -1;
  long result = sendto_real(fd, bytes, size, flags, address, length);
  tell(fd, address, length, result);
  return result;
}

HOOK(long, sendto, (int fd, const void *bytes, size_t size, int flags, const void *address, unsigned length)) {
  return sendto_run(fd, bytes, size, flags, address, length);
}

static long sendmsg_real(int fd, const void *message, int flags) {
  if (real.sendmsg != NULL) return real.sendmsg(fd, message, flags);
  return libc_result(RAW_3(__NR_sendmsg, fd, message, flags));
}

/* The address of a message, or NULL. `read`: the kernel has read the message. */
static const void *address_of(const struct io_message *message, int read, unsigned *length) {
  struct probe probe = {0, read};
  if (message == NULL || !probe_readable(&probe, message, sizeof *message)) return NULL;
  *length = message->address_length;
  return *length == 0 ? NULL : message->address;
}

long sendmsg_run(int fd, const struct io_message *message, int flags) {
  unsigned length;
  if (!shim_ready()) return sendmsg_real(fd, message, flags);
  if (settings.closed) {
    const void *address = address_of(message, 0, &length);
    if (address != NULL && !allowed(fd, address, length)) return -1;
    return sendmsg_real(fd, message, flags);
  }
  long result = sendmsg_real(fd, message, flags);
  const void *address = address_of(message, result >= 0, &length);
  if (address != NULL) tell(fd, address, length, result);
  return result;
}

HOOK(long, sendmsg, (int fd, const struct io_message *message, int flags)) {
  return sendmsg_run(fd, message, flags);
}

static int sendmmsg_real(int fd, struct many_message *messages, unsigned count, int flags) {
  if (real.sendmmsg != NULL) return real.sendmmsg(fd, messages, count, flags);
  return (int)libc_result(RAW_4(__NR_sendmmsg, fd, messages, count, flags));
}

static int same_address(const struct many_message *one, const struct many_message *other) {
  unsigned length = one->message.address_length;
  if (length != other->message.address_length) return 0;
  const unsigned char *left = one->message.address;
  const unsigned char *right = other->message.address;
  if (left == right) return 1;
  if (left == NULL || right == NULL) return 0;
  for (unsigned at = 0; at < length; at++)
    if (left[at] != right[at]) return 0;
  return 1;
}

/* One event for each row of messages to the same address. */
static int tell_many(int fd, const struct many_message *messages, unsigned count, int read, int before) {
  struct probe probe = {0, read};
  for (unsigned at = 0; at < count; at++) {
    unsigned length;
    if (!probe_readable(&probe, &messages[at], sizeof messages[at])) return 1;
    const void *address = address_of(&messages[at].message, read, &length);
    if (address == NULL || (read && at > 0 && same_address(&messages[at - 1], &messages[at]))) continue;
    if (before && !allowed(fd, address, length)) return 0;
    if (!before) tell(fd, address, length, 0);
  }
  return 1;
}

int sendmmsg_run(int fd, struct many_message *messages, unsigned count, int flags) {
  const unsigned most = 1024; /* the kernel sends no more */
  if (!shim_ready()) return sendmmsg_real(fd, messages, count, flags);
  if (settings.closed) {
    if (!tell_many(fd, messages, count < most ? count : most, 0, 1)) return -1;
    return sendmmsg_real(fd, messages, count, flags);
  }
  int result = sendmmsg_real(fd, messages, count, flags);
  if (result > 0) tell_many(fd, messages, (unsigned)result, 1, 0);
  if (result < 0 && messages != NULL && count > 0) {
    unsigned length;
    const void *address = address_of(&messages[0].message, 0, &length);
    if (address != NULL) tell(fd, address, length, result);
  }
  return result;
}

HOOK(int, sendmmsg, (int fd, struct many_message *messages, unsigned count, int flags)) {
  return sendmmsg_run(fd, messages, count, flags);
}
