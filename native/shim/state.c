/* Life of the shim in one process: start, fork, slots. */
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/shim.h"

enum { NOT_STARTED, STARTING, STARTED };

static int stage = NOT_STARTED;
static int silent;
static struct live without_page; /* where the kernel cannot empty a page on fork: children are taken for vfork children */
static struct live *live = &without_page;
static struct slot slots[SLOTS] __attribute__((aligned(4096)));

static struct live *live_map(void) {
  const long read_write = 3;
  const long private_anonymous = 0x22;
  const long wipe_on_fork = 18;
  const size_t size = (sizeof(struct live) + 65535) & ~(size_t)65535;
  long page = RAW_6(__NR_mmap, 0, size, read_write, private_anonymous, -1, 0);
  if (page < 0 && page > -4096) return &without_page;
  if (RAW_3(__NR_madvise, page, size, wipe_on_fork) != 0) {
    RAW_2(__NR_munmap, page, size);
    return &without_page;
  }
  return (struct live *)page;
}

NO_INLINE static void start(void) {
  stage = STARTING;
  real_resolve();
  settings_read(current_environment());
  if (settings.enabled) live = live_map();
  live->pid = (int)RAW_0(__NR_getpid);
  if (settings.enabled) live->dropped = environment_take_dropped();
  stage = STARTED;
}

int shim_ready(void) {
  if (__builtin_expect(stage == NOT_STARTED, 0)) start();
  return settings.enabled && stage == STARTED && !silent;
}

int shim_is_silent(void) {
  return silent;
}

void shim_silence(int on) {
  silent = on;
}

void call_begin(struct call *call) {
  call->pid = (int)RAW_0(__NR_getpid);
  call->live = live;
  int owner = __atomic_load_n(&live->pid, __ATOMIC_RELAXED);
  if (owner == 0) {
    __atomic_store_n(&live->pid, call->pid, __ATOMIC_RELAXED);
    owner = call->pid;
  }
  call->borrowed = owner != call->pid;
}

int64_t clock_ms(int clock) {
  int64_t now[2] = {0, 0};
  RAW_2(__NR_clock_gettime, clock, now);
  return now[0] * 1000 + now[1] / 1000000;
}

static struct slot *slot_try(struct live *of) {
  for (int at = 0; at < SLOTS; at++)
    if (__atomic_load_n(&of->slots[at], __ATOMIC_RELAXED) == 0 &&
        __atomic_exchange_n(&of->slots[at], 1, __ATOMIC_ACQUIRE) == 0)
      return &slots[at];
  return NULL;
}

/* All are taken when as many threads wait for the collector: then this one waits as long as they do. */
NO_INLINE static struct slot *slot_wait(struct call *call) {
  int64_t end = clock_ms(CLOCK_STEADY) + settings.wait_ms;
  do {
    const int64_t millisecond[2] = {0, 1000000};
    RAW_2(__NR_nanosleep, millisecond, 0);
    struct slot *slot = slot_try(call->live);
    if (slot != NULL) return slot;
  } while (clock_ms(CLOCK_STEADY) < end);
  return NULL;
}

struct slot *slot_claim(struct call *call) {
  struct slot *slot = slot_try(call->live);
  return slot != NULL ? slot : slot_wait(call);
}

void slot_release(struct call *call, struct slot *slot) {
  __atomic_store_n(&call->live->slots[slot - slots], 0, __ATOMIC_RELEASE);
}

#ifndef SHIM_UNIT_TEST
__attribute__((constructor)) static void on_load(void) {
  shim_ready();
}

__attribute__((destructor)) static void on_exit_of_program(void) {
  if (!shim_ready()) return;
  struct call call;
  call_begin(&call);
  send_last_drops(&call);
}
#endif
