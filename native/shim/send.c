/* One connection of the process to the collector, and what happens when there is none. */
#include <string.h>

#include "shim/raw.h"
#include "shim/shim.h"

#define SOCK_STREAM_CLOEXEC (1 | 02000000)
#define SOL_SOCKET_ 1
#define SO_SNDBUF_ 7
#define SO_SNDTIMEO_ 21
#define SO_COOKIE_ 57
#define NO_DELAY 1
#define IPPROTO_TCP_ 6
#define DO_NOT_WAIT 0x40
#define NO_SIGPIPE 0x4000
#define F_DUPFD_CLOEXEC_ 1030
#define E_INTR 4
#define E_AGAIN 11
#define SEND_BUFFER (4 << 20)
#define FIRST_BACKOFF_MS 20
#define LAST_BACKOFF_MS 1000
#define DROP_BYTES 1024
/* Programs expect low numbers for their own files; this one is where the table of descriptors has one page. */
#define PREFERRED_FD 480

enum outcome { SENT, TIMED_OUT, BROKEN };

/* Inherited by forked children: Unix lines stay whole when several processes write to one socket. */
static struct {
  int fd;
  uint64_t cookie;
} connection = {-1, 0};

static uint64_t cookie_of(int fd) {
  uint64_t cookie = 0;
  uint32_t size = sizeof cookie;
  if (RAW_5(__NR_getsockopt, fd, SOL_SOCKET_, SO_COOKIE_, &cookie, &size) != 0) return 0;
  return cookie;
}

static int is_tcp(void) {
  return settings.endpoint.family != 1;
}

/* ------------------------------------------------------------------------------------------------ connecting */

struct unix_address {
  uint16_t family;
  char path[108];
};

/* A path that is too long for an address is reached through a descriptor of its folder (of up to 511 bytes). */
NO_INLINE static int unix_address_make_long(struct unix_address *address, int *folder) {
  static const char descriptors[] = "/proc/self/fd/";
  const char *path = settings.endpoint.path;
  size_t length = text_length(path);
  size_t at = sizeof descriptors - 1;
  size_t base = length;
  char name[512];
  while (path[base - 1] != '/') base--;
  if (base > sizeof name || length - base + at + 12 > sizeof address->path) return 0;
  memcpy(name, path, base);
  name[base - 1] = '\0';
  const long path_only = 010000000 | 02000000;
  long fd = RAW_4(__NR_openat, AT_CURRENT, name, path_only, 0);
  if (fd < 0) return 0;
  *folder = (int)fd;
  memcpy(address->path, descriptors, at);
  char digits[12];
  size_t count = 0;
  do digits[count++] = (char)('0' + fd % 10);
  while ((fd /= 10) != 0);
  while (count > 0) address->path[at++] = digits[--count];
  address->path[at++] = '/';
  memcpy(address->path + at, path + base, length - base);
  return 1;
}

static int unix_address_make(struct unix_address *address, int *folder) {
  size_t length = text_length(settings.endpoint.path);
  memset(address, 0, sizeof *address);
  address->family = 1;
  if (length >= sizeof address->path) return unix_address_make_long(address, folder);
  memcpy(address->path, settings.endpoint.path, length);
  return 1;
}

/* Bounded by SO_SNDTIMEO. A stream socket whose connect was interrupted goes on connecting: ask again. */
static int connect_bounded(int fd, const void *address, size_t length, unsigned wait_ms) {
  const long already = -114;
  const long is_connected = -106;
  int64_t end = clock_ms(CLOCK_STEADY) + wait_ms;
  for (;;) {
    long result = RAW_3(__NR_connect, fd, address, length);
    if (result == 0 || result == is_connected) return 1;
    if ((result != -E_INTR && result != already) || clock_ms(CLOCK_STEADY) > end) return 0;
  }
}

NO_INLINE static int connect_unix(int fd, unsigned wait_ms) {
  struct unix_address address;
  int folder = -1;
  if (!unix_address_make(&address, &folder)) return 0;
  int connected = connect_bounded(fd, &address, sizeof address, wait_ms);
  if (folder >= 0) RAW_1(__NR_close, folder);
  return connected;
}

NO_INLINE static int connect_tcp(int fd, unsigned wait_ms) {
  const int on = 1;
  if (!connect_bounded(fd, settings.endpoint.address, settings.endpoint.address_length, wait_ms)) return 0;
  RAW_5(__NR_setsockopt, fd, IPPROTO_TCP_, NO_DELAY, &on, sizeof on);
  size_t length = settings.token_length;
  return RAW_6(__NR_sendto, fd, settings.token, length, NO_SIGPIPE, 0, 0) == (long)length;
}

/* A connected socket, or -1. Who waited in vain before does not wait again. */
NO_INLINE static int open_connection(struct call *call) {
  if (settings.endpoint.family == 0) return -1;
  int fd = (int)RAW_3(__NR_socket, settings.endpoint.family, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int buffer = SEND_BUFFER;
  unsigned wait_ms = call->live->hung ? 1 : settings.wait_ms;
  int64_t wait[2] = {wait_ms / 1000, wait_ms % 1000 * 1000};
  RAW_5(__NR_setsockopt, fd, SOL_SOCKET_, SO_SNDBUF_, &buffer, sizeof buffer);
  RAW_5(__NR_setsockopt, fd, SOL_SOCKET_, SO_SNDTIMEO_, wait, sizeof wait);
  int64_t start = clock_ms(CLOCK_STEADY);
  if (is_tcp() ? connect_tcp(fd, wait_ms) : connect_unix(fd, wait_ms)) return fd;
  RAW_1(__NR_close, fd);
  if (clock_ms(CLOCK_STEADY) - start + 20 >= wait_ms) call->live->hung = 1;
  return -1;
}

static int move_up(int fd) {
  static const int wanted[] = {PREFERRED_FD, 100, 20};
  for (unsigned at = 0; at < sizeof wanted / sizeof wanted[0]; at++) {
    long moved = RAW_3(__NR_fcntl, fd, F_DUPFD_CLOEXEC_, wanted[at]);
    if (moved < 0) continue;
    RAW_1(__NR_close, fd);
    return (int)moved;
  }
  return fd;
}

static void fail_for_a_while(struct live *live) {
  unsigned backoff = live->backoff_ms == 0 ? FIRST_BACKOFF_MS : live->backoff_ms * 2;
  if (backoff > LAST_BACKOFF_MS) backoff = LAST_BACKOFF_MS;
  live->backoff_ms = backoff;
  __atomic_store_n(&live->retry_at, clock_ms(CLOCK_STEADY) + backoff, __ATOMIC_RELAXED);
}

int send_is_failing(struct call *call) {
  int64_t retry_at = __atomic_load_n(&call->live->retry_at, __ATOMIC_RELAXED);
  return retry_at != 0 && clock_ms(CLOCK_STEADY) < retry_at;
}

/* Our descriptor, if it still is the socket that we opened. */
static int connection_check(void) {
  int fd = __atomic_load_n(&connection.fd, __ATOMIC_ACQUIRE);
  return fd >= 0 && cookie_of(fd) == connection.cookie ? fd : -1;
}

static void connection_forget(int fd) {
  if (connection_check() == fd) RAW_1(__NR_close, fd);
  __atomic_store_n(&connection.fd, -1, __ATOMIC_RELEASE);
}

/* The connection of this process: -1 when there is none, -2 when another thread (or this one, below) is making it. */
#define BUSY (-2)
static int connection_get(struct call *call) {
  struct live *live = call->live;
  int fd = connection_check();
  int foreign = is_tcp() && (call->borrowed || !live->owns_connection);
  if (fd >= 0 && !foreign) return fd;
  if (call->borrowed) return BUSY;
  if (__atomic_exchange_n(&live->connecting, 1, __ATOMIC_ACQUIRE) != 0) return BUSY;
  if (fd >= 0) connection_forget(fd);
  fd = open_connection(call);
  if (fd < 0) {
    fail_for_a_while(live);
  } else {
    fd = move_up(fd);
    connection.cookie = cookie_of(fd);
    live->owns_connection = 1;
    live->backoff_ms = 0;
    __atomic_store_n(&connection.fd, fd, __ATOMIC_RELEASE);
  }
  __atomic_store_n(&live->connecting, 0, __ATOMIC_RELEASE);
  return fd < 0 ? -1 : fd;
}

/* ------------------------------------------------------------------------------------------------ sending */

/* A Unix line goes whole or not at all. Half a TCP line breaks the connection: the collector sees that it is cut. */
static enum outcome transmit(struct call *call, int fd, const char *line, size_t length) {
  size_t sent = 0;
  long flags = NO_SIGPIPE | DO_NOT_WAIT;
  int64_t end = 0;
  while (sent < length) {
    long count = RAW_6(__NR_sendto, fd, line + sent, length - sent, flags, 0, 0);
    if (count > 0) {
      sent += (size_t)count;
    } else if (count == -E_AGAIN && (flags & DO_NOT_WAIT) != 0 && !(call->live->hung && sent == 0)) {
      end = clock_ms(CLOCK_STEADY) + settings.wait_ms;
      flags = NO_SIGPIPE;
    } else if (count == -E_INTR && (end == 0 || clock_ms(CLOCK_STEADY) < end)) {
      continue;
    } else if (count == -E_AGAIN || count == -E_INTR) {
      call->live->hung = 1;
      return sent == 0 ? TIMED_OUT : BROKEN;
    } else {
      return BROKEN;
    }
  }
  struct live *live = call->live;
  if (live->hung || live->retry_at != 0) {
    live->hung = 0;
    live->backoff_ms = 0;
    __atomic_store_n(&live->retry_at, 0, __ATOMIC_RELAXED);
  }
  return SENT;
}

/* For who may not keep, or not wait for, the process's own connection. */
NO_INLINE static int send_alone(struct call *call, const char *line, size_t length) {
  int fd = open_connection(call);
  if (fd < 0) {
    if (!call->borrowed) fail_for_a_while(call->live);
    return 0;
  }
  enum outcome outcome = transmit(call, fd, line, length);
  RAW_1(__NR_close, fd);
  return outcome == SENT;
}

/* Lines of two threads must not mix where a line may be sent in parts. */
static int tcp_lock(struct live *live) {
  for (int tries = 0; tries < 64; tries++) {
    if (__atomic_exchange_n(&live->tcp_sending, 1, __ATOMIC_ACQUIRE) == 0) return 1;
    RAW_0(__NR_sched_yield);
  }
  return 0;
}

static enum outcome transmit_whole(struct call *call, int fd, const char *line, size_t length) {
  if (!is_tcp()) return transmit(call, fd, line, length);
  enum outcome outcome = transmit(call, fd, line, length);
  __atomic_store_n(&call->live->tcp_sending, 0, __ATOMIC_RELEASE);
  return outcome;
}

static int send_line(struct call *call, const char *line, size_t length) {
  if (send_is_failing(call)) return 0;
  for (int attempt = 0; attempt < 2; attempt++) {
    int fd = connection_get(call);
    if (fd == BUSY) break;
    if (fd < 0) return 0;
    if (is_tcp() && !tcp_lock(call->live)) break;
    switch (transmit_whole(call, fd, line, length)) {
      case SENT: return 1;
      case TIMED_OUT: fail_for_a_while(call->live); return 0;
      case BROKEN: break;
    }
    if (call->borrowed) break;
    connection_forget(fd);
  }
  return send_alone(call, line, length);
}

void count_drop(struct call *call) {
  __atomic_fetch_add(&call->live->dropped, 1, __ATOMIC_RELAXED);
}

/* Returns 0 when the count could not be sent: it is kept. */
NO_INLINE static int send_count(struct call *call, uint64_t count, const char *reason) {
  struct slot *slot = slot_claim(call);
  if (slot == NULL) return 0;
  struct event_line line;
  event_begin(&line, slot->line, DROP_BYTES, &settings.context, EVENT_DROP, clock_ms(CLOCK_WALL));
  event_number(&line, "pid", call->pid);
  event_number(&line, "count", (int64_t)count);
  event_string(&line, "reason", reason);
  int sent = send_line(call, slot->line, event_end(&line));
  slot_release(call, slot);
  return sent;
}

static int send_drops_first(struct call *call) {
  uint64_t count = __atomic_exchange_n(&call->live->dropped, 0, __ATOMIC_RELAXED);
  if (count == 0 || send_count(call, count, "no collector took them in time")) return 1;
  __atomic_fetch_add(&call->live->dropped, count, __ATOMIC_RELAXED);
  return 0;
}

void send_drops(struct call *call) {
  if (__atomic_load_n(&call->live->dropped, __ATOMIC_RELAXED) != 0) send_drops_first(call);
}

void send_last_drops(struct call *call) {
  struct live *live = call->live;
  if (call->borrowed || __atomic_load_n(&live->dropped, __ATOMIC_RELAXED) == 0) return;
  live->hung = 0;
  __atomic_store_n(&live->retry_at, 0, __ATOMIC_RELAXED);
  send_drops_first(call);
}

void send_gap(struct call *call, const char *reason) {
  send_drops(call);
  if (!send_count(call, 1, reason)) count_drop(call);
}

int send_event(struct call *call, const char *line, size_t length) {
  int in_order = __atomic_load_n(&call->live->dropped, __ATOMIC_RELAXED) == 0 || send_drops_first(call);
  if (in_order && length > 0 && send_line(call, line, length)) return 1;
  count_drop(call);
  return 0;
}
