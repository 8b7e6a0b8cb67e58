/* The filter's program, run by a small interpreter of the instructions that it is made of. */
#include "exec/filter.h"
#include "exec/syscalls.h"
#include "exec/test/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static struct sock_filter program[MAX_FILTER_LENGTH];
static size_t length;

enum { BAD_PROGRAM = 1 };

static uint32_t run(const struct seccomp_data *data) {
  uint32_t accumulator = 0;
  for (size_t at = 0; at < length;) {
    const struct sock_filter *step = &program[at++];
    switch (step->code) {
    case BPF_LD | BPF_W | BPF_ABS:
      if (step->k % 4 != 0 || step->k >= sizeof *data) return BAD_PROGRAM;
      memcpy(&accumulator, (const char *)data + step->k, sizeof accumulator);
      break;
    case BPF_JMP | BPF_JA:
      at += step->k;
      break;
    case BPF_JMP | BPF_JEQ | BPF_K:
      at += accumulator == step->k ? step->jt : step->jf;
      break;
    case BPF_JMP | BPF_JGE | BPF_K:
      at += accumulator >= step->k ? step->jt : step->jf;
      break;
    case BPF_JMP | BPF_JSET | BPF_K:
      at += (accumulator & step->k) != 0 ? step->jt : step->jf;
      break;
    case BPF_RET | BPF_K:
      return step->k;
    default:
      return BAD_PROGRAM;
    }
  }
  return BAD_PROGRAM;
}

static uint32_t call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
  const struct seccomp_data data = {.nr = (int)number, .arch = NATIVE_ARCH, .args = {a, b, c, d, e, f}};
  return run(&data);
}

#define ASKED SECCOMP_RET_USER_NOTIF
#define FINE SECCOMP_RET_ALLOW
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)

static void build(bool notify, bool pass_marked, bool connect_rules) {
  const struct filter_plan plan = {.notify = notify, .pass_marked = pass_marked, .connect_rules = connect_rules,
                                   .mark = {0xdeadbeef, 0x01020304}, .targets = {100, 101, -90}, .target_count = 3};
  length = filter_build(&plan, program);
  CHECK(length > 0);
}

static uint32_t openat_with(uint64_t flags, uint64_t fifth, uint64_t sixth) {
  return call(__NR_openat, (uint64_t)AT_FDCWD, 4096, flags, 0, fifth, sixth);
}

static void passes_marked_reads_only(void) {
  static const uint64_t writes[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE | O_RDWR, O_CREAT | O_CLOEXEC, 3};
  build(true, true, false);
  CHECK(openat_with(O_RDONLY, 0xdeadbeef, 0x01020304) == FINE);
  CHECK(openat_with(O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_PATH, 0xdeadbeef, 0x01020304) == FINE);
  CHECK(openat_with(O_RDONLY, 0xdeadbeef, 0) == ASKED && openat_with(O_RDONLY, 0, 0x01020304) == ASKED);
  CHECK(openat_with(O_RDONLY, 0x01020304, 0xdeadbeef) == ASKED && openat_with(O_RDONLY, 0, 0) == ASKED);
  for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
    CHECK(openat_with(writes[i], 0xdeadbeef, 0x01020304) == ASKED);
  }
  build(true, false, false);
  CHECK(openat_with(O_RDONLY, 0xdeadbeef, 0x01020304) == ASKED);
}

static void asks_about_what_is_recorded(void) {
  build(true, true, false);
  CHECK(call(__NR_execve, 0, 0, 0, 0, 0, 0) == ASKED && call(__NR_execveat, 0, 0, 0, 0, 0, 0) == ASKED);
  CHECK(call(__NR_connect, 0, 0, 0, 0, 0, 0) == ASKED && call(SYSCALL_OPENAT2, 0, 0, 0, 0, 0, 0) == ASKED);
#ifdef __NR_open
  CHECK(call(__NR_open, 0, 0, 0, 0, 0xdeadbeef, 0x01020304) == ASKED && call(__NR_creat, 0, 0, 0, 0, 0, 0) == ASKED);
#endif
  CHECK(call(__NR_read, 0, 0, 0, 0, 0, 0) == FINE && call(__NR_close, 0, 0, 0, 0, 0, 0) == FINE);
  CHECK(call(__NR_sendto, 0, 0, 0, MSG_FASTOPEN, 0, 0) == FINE);
  build(true, true, true);
  CHECK(call(__NR_sendto, 0, 0, 0, MSG_FASTOPEN, 0, 0) == (SECCOMP_RET_ERRNO | EOPNOTSUPP));
  CHECK(call(__NR_sendmsg, 0, 0, MSG_FASTOPEN | MSG_DONTWAIT, 0, 0, 0) == (SECCOMP_RET_ERRNO | EOPNOTSUPP));
  CHECK(call(__NR_sendmmsg, 0, 0, 0, MSG_FASTOPEN, 0, 0) == (SECCOMP_RET_ERRNO | EOPNOTSUPP));
  CHECK(call(__NR_sendto, 0, 0, 0, 0, 0, 0) == FINE);
}

static void protects(bool notify) {
  static const long first[] = {__NR_kill, __NR_tkill, __NR_tgkill, __NR_rt_sigqueueinfo, __NR_rt_tgsigqueueinfo,
                               SYSCALL_PIDFD_OPEN, __NR_process_vm_readv, __NR_process_vm_writev, __NR_prlimit64,
                               __NR_sched_setparam, __NR_sched_setattr, __NR_sched_setscheduler,
                               __NR_sched_setaffinity};
  uint32_t no = notify ? ASKED : REFUSED;
  build(notify, false, false);
  for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
    CHECK(call(first[i], 100, 9, 0, 0, 0, 0) == no && call(first[i], 101, 9, 0, 0, 0, 0) == no);
    CHECK(call(first[i], UINT64_C(0xffffffff00000064), 9, 0, 0, 0, 0) == no); /* the kernel sees an int */
    CHECK(call(first[i], 102, 9, 0, 0, 0, 0) == FINE);
  }
  CHECK(call(__NR_kill, (uint64_t)-1, 9, 0, 0, 0, 0) == no && call(__NR_kill, (uint64_t)-90, 9, 0, 0, 0, 0) == no);
  CHECK(call(__NR_kill, (uint32_t)-1, 9, 0, 0, 0, 0) == no && call(__NR_kill, (uint64_t)-91, 9, 0, 0, 0, 0) == FINE);
  CHECK(call(__NR_kill, 0, 9, 0, 0, 0, 0) == (notify ? ASKED : FINE));
  CHECK(call(__NR_ptrace, 16, 100, 0, 0, 0, 0) == no && call(__NR_ptrace, 16, 5, 0, 0, 0, 0) == FINE);
  CHECK(call(__NR_setpriority, PRIO_PROCESS, 100, 0, 0, 0, 0) == no);
  CHECK(call(__NR_setpriority, PRIO_PROCESS, 0, 0, 0, 0, 0) == FINE && call(__NR_setpriority, PRIO_USER, 0, 0, 0, 0, 0) == no);
  CHECK(call(__NR_ioprio_set, IOPRIO_PROCESS, 101, 0, 0, 0, 0) == no);
  CHECK(call(__NR_fcntl, 0, F_SETOWN, 100, 0, 0, 0) == no && call(__NR_fcntl, 0, F_SETOWN, 5, 0, 0, 0) == FINE);
  CHECK(call(__NR_fcntl, 0, F_SETOWN_EX, 0, 0, 0, 0) == no && call(__NR_fcntl, 0, F_GETFL, 100, 0, 0, 0) == FINE);
  CHECK(call(__NR_ioctl, 0, IOCTL_SIOCSPGRP, 0, 0, 0, 0) == no && call(__NR_ioctl, 0, 0x5401, 0, 0, 0, 0) == FINE);
  CHECK(call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0) == SECCOMP_RET_ERRNO);
  CHECK(call(__NR_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0, 0) == FINE && call(__NR_prctl, PR_SET_NAME, 0, 0, 0, 0, 0) == FINE);
  CHECK(call(SYSCALL_IO_URING_SETUP, 1, 0, 0, 0, 0, 0) == no && call(__NR_open_by_handle_at, 1, 0, 0, 0, 0, 0) == no);
  CHECK(call(SYSCALL_PIDFD_SEND_SIGNAL, 3, 9, 0, 0, 0, 0) == (notify ? ASKED : (SECCOMP_RET_ERRNO | ENOSYS)));
}

static void refuses_other_interfaces(void) {
  struct seccomp_data data = {.nr = __NR_read, .arch = NATIVE_ARCH ^ 0x80000000U};
  build(true, true, false);
  CHECK(run(&data) == ASKED);
#ifdef X32_BIT
  CHECK(call(__NR_read | X32_BIT, 0, 0, 0, 0, 0, 0) == ASKED && call(-1, 0, 0, 0, 0, 0, 0) == ASKED);
#endif
  build(false, false, false);
  CHECK(run(&data) == REFUSED);
  CHECK(call(__NR_execve, 0, 0, 0, 0, 0, 0) == FINE && openat_with(O_RDWR, 0, 0) == FINE);
}

static void fits(void) {
  struct filter_plan plan = {.notify = true, .pass_marked = true, .connect_rules = true};
  for (; plan.target_count < MAX_FILTER_TARGETS; plan.target_count++) {
    plan.targets[plan.target_count] = (int32_t)(1000 + plan.target_count);
  }
  length = filter_build(&plan, program);
  CHECK(length > 0 && length <= MAX_FILTER_LENGTH);
  CHECK(call(__NR_sched_setaffinity, 1000 + MAX_FILTER_TARGETS - 1, 0, 0, 0, 0, 0) == ASKED);
  plan.all_targets = true;
  length = filter_build(&plan, program);
  CHECK(call(__NR_tgkill, 5, 5, 0, 0, 0, 0) == ASKED);
}

/* Not one random call makes the program end anywhere but in a return. */
static void always_ends(void) {
  build(true, true, true);
  for (size_t i = 0; i < length; i++) {
    if (BPF_CLASS(program[i].code) == BPF_JMP && BPF_OP(program[i].code) != BPF_JA) {
      CHECK(i + 1 + program[i].jt < length && i + 1 + program[i].jf < length);
    }
  }
  srand(2);
  for (int round = 0; round < 100000; round++) {
    uint64_t args[6];
    for (size_t i = 0; i < 6; i++) args[i] = rand() % 2 == 0 ? (uint64_t)(rand() % 128) : (uint64_t)rand() << 20;
    if (call(rand() % 500, args[0], args[1], args[2], args[3], args[4], args[5]) == BAD_PROGRAM) {
      CHECK(false);
      return;
    }
  }
}

void test_filter(void) {
  passes_marked_reads_only();
  asks_about_what_is_recorded();
  protects(true);
  protects(false);
  refuses_other_interfaces();
  fits();
  always_ends();
}
