#include "exec/filter.h"

#include "exec/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Bits of the flags of an open that write, create or truncate. O_TMPFILE without O_DIRECTORY is a bit of its own. */
#define WRITE_BITS ((uint32_t)(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)))

struct builder {
  const struct filter_plan *plan;
  struct sock_filter *program;
  size_t length;
};

static void put(struct builder *builder, struct sock_filter instruction) {
  if (builder->length < MAX_FILTER_LENGTH) builder->program[builder->length] = instruction;
  builder->length++;
}

static void load(struct builder *builder, size_t offset) {
  put(builder, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* The low half of an argument: all that the kernel looks at where the parameter is an int. */
static void load_argument(struct builder *builder, unsigned index) {
  load(builder, offsetof(struct seccomp_data, args) + index * sizeof(uint64_t));
}

static void give(struct builder *builder, uint32_t action) {
  put(builder, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static uint32_t asked(const struct builder *builder, uint32_t otherwise) {
  return builder->plan->notify ? SECCOMP_RET_USER_NOTIF : otherwise;
}

static uint32_t refused(const struct builder *builder) {
  return asked(builder, SECCOMP_RET_ERRNO | EPERM);
}

/* Begins what is done for one call; 32 bits of jump, because blocks are long. end_call sets where the others go on. */
static size_t begin_call(struct builder *builder, long number) {
  put(builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 1, 0));
  put(builder, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
  return builder->length;
}

/* What no instruction of the block has decided is allowed. */
static void end_call(struct builder *builder, size_t start) {
  give(builder, SECCOMP_RET_ALLOW);
  if (builder->length <= MAX_FILTER_LENGTH) builder->program[start - 1].k = (uint32_t)(builder->length - start);
}

static void when_equal(struct builder *builder, uint32_t value, uint32_t action) {
  put(builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
  give(builder, action);
}

static void when_any_bit(struct builder *builder, uint32_t bits, uint32_t action) {
  put(builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
  give(builder, action);
}

static void always(struct builder *builder, long number, uint32_t action) {
  put(builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1));
  give(builder, action);
}

/* ------------------------------------------------------------------------------------------------ recorded calls */

static void put_openat(struct builder *builder) {
  if (!builder->plan->pass_marked) {
    always(builder, __NR_openat, SECCOMP_RET_USER_NOTIF);
    return;
  }
  size_t start = begin_call(builder, __NR_openat);
  load_argument(builder, 2);
  when_any_bit(builder, WRITE_BITS, SECCOMP_RET_USER_NOTIF);
  for (unsigned i = 0; i < 2; i++) {
    load_argument(builder, 4 + i);
    put(builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, builder->plan->mark[i], 1, 0));
    give(builder, SECCOMP_RET_USER_NOTIF);
  }
  end_call(builder, start);
}

static void put_recorded(struct builder *builder) {
  put_openat(builder);
#ifdef __NR_open
  always(builder, __NR_open, SECCOMP_RET_USER_NOTIF);
  always(builder, __NR_creat, SECCOMP_RET_USER_NOTIF);
#endif
  always(builder, SYSCALL_OPENAT2, SECCOMP_RET_USER_NOTIF);
  always(builder, __NR_execve, SECCOMP_RET_USER_NOTIF);
  always(builder, __NR_execveat, SECCOMP_RET_USER_NOTIF);
  always(builder, __NR_connect, SECCOMP_RET_USER_NOTIF);
}

/* Connects that hide in a send: refused where addresses are, so that programs fall back to connect(2). */
static void put_fast_open(struct builder *builder, long number, unsigned argument) {
  size_t start = begin_call(builder, number);
  load_argument(builder, argument);
  when_any_bit(builder, MSG_FASTOPEN, SECCOMP_RET_ERRNO | EOPNOTSUPP);
  end_call(builder, start);
}

/* ------------------------------------------------------------------------------------------------ protection */

/* Asks when the argument names somebody protected. */
static void put_targets(struct builder *builder, unsigned argument) {
  const struct filter_plan *plan = builder->plan;
  if (plan->all_targets) {
    give(builder, refused(builder));
    return;
  }
  load_argument(builder, argument);
  for (size_t i = 0; i < plan->target_count; i++) when_equal(builder, (uint32_t)plan->targets[i], refused(builder));
}

static void put_aimed(struct builder *builder, long number, unsigned argument) {
  size_t start = begin_call(builder, number);
  put_targets(builder, argument);
  end_call(builder, start);
}

static void put_kill(struct builder *builder) {
  size_t start = begin_call(builder, __NR_kill);
  load_argument(builder, 0);
  when_equal(builder, (uint32_t)-1, refused(builder));
  when_equal(builder, 0, asked(builder, SECCOMP_RET_ALLOW));
  put_targets(builder, 0);
  end_call(builder, start);
}

/* setpriority and ioprio_set by group or by user reach everybody in it. */
static void put_which_who(struct builder *builder, long number, uint32_t process, uint32_t group, uint32_t user) {
  size_t start = begin_call(builder, number);
  load_argument(builder, 0);
  when_equal(builder, user, refused(builder));
  when_equal(builder, group, asked(builder, SECCOMP_RET_ALLOW));
  put(builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, process, 1, 0));
  give(builder, SECCOMP_RET_ALLOW);
  put_targets(builder, 1);
  end_call(builder, start);
}

/* The supervisor could not read the memory of a process that is not dumpable: it believes that it is not. */
static void put_dumpable(struct builder *builder) {
  size_t start = begin_call(builder, __NR_prctl);
  load_argument(builder, 0);
  put(builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_DUMPABLE, 1, 0));
  give(builder, SECCOMP_RET_ALLOW);
  load_argument(builder, 1);
  when_equal(builder, 0, SECCOMP_RET_ERRNO | 0);
  end_call(builder, start);
}

/* F_SETOWN makes the kernel send signals, of any number with F_SETSIG, when the descriptor is ready. */
static void put_owner(struct builder *builder) {
  size_t start = begin_call(builder, __NR_fcntl);
  load_argument(builder, 1);
  when_equal(builder, F_SETOWN_EX, refused(builder));
  put(builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETOWN, 1, 0));
  give(builder, SECCOMP_RET_ALLOW);
  put_targets(builder, 2);
  end_call(builder, start);
  start = begin_call(builder, __NR_ioctl);
  load_argument(builder, 1);
  when_equal(builder, IOCTL_FIOSETOWN, refused(builder));
  when_equal(builder, IOCTL_SIOCSPGRP, refused(builder));
  end_call(builder, start);
}

static void put_protection(struct builder *builder) {
  static const long aimed_first[] = {
      __NR_tkill,           __NR_tgkill,           __NR_rt_sigqueueinfo,       __NR_rt_tgsigqueueinfo,
      SYSCALL_PIDFD_OPEN,   __NR_process_vm_readv, __NR_process_vm_writev,     __NR_prlimit64,
      __NR_sched_setparam,  __NR_sched_setattr,    __NR_sched_setscheduler,    __NR_sched_setaffinity,
  };
  static const long refused_calls[] = {SYSCALL_IO_URING_SETUP, SYSCALL_IO_URING_ENTER, SYSCALL_IO_URING_REGISTER,
                                       __NR_open_by_handle_at};
  put_kill(builder);
  for (size_t i = 0; i < sizeof aimed_first / sizeof *aimed_first; i++) put_aimed(builder, aimed_first[i], 0);
  put_aimed(builder, __NR_ptrace, 1);
  put_which_who(builder, __NR_setpriority, PRIO_PROCESS, PRIO_PGRP, PRIO_USER);
  put_which_who(builder, __NR_ioprio_set, IOPRIO_PROCESS, IOPRIO_GROUP, IOPRIO_USER);
  for (size_t i = 0; i < sizeof refused_calls / sizeof *refused_calls; i++) {
    always(builder, refused_calls[i], refused(builder));
  }
  /* Whom it is aimed at is not in its arguments; without it, programs use kill(2). */
  always(builder, SYSCALL_PIDFD_SEND_SIGNAL, asked(builder, SECCOMP_RET_ERRNO | ENOSYS));
  put_dumpable(builder);
  put_owner(builder);
}

size_t filter_build(const struct filter_plan *plan, struct sock_filter program[MAX_FILTER_LENGTH]) {
  struct builder builder = {plan, program, 0};
  load(&builder, offsetof(struct seccomp_data, arch));
  put(&builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0));
  give(&builder, refused(&builder));
  load(&builder, offsetof(struct seccomp_data, nr));
#ifdef X32_BIT
  put(&builder, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
  give(&builder, refused(&builder));
#endif
  if (plan->notify) put_recorded(&builder);
  if (plan->notify && plan->connect_rules) {
    put_fast_open(&builder, __NR_sendto, 3);
    put_fast_open(&builder, __NR_sendmsg, 2);
    put_fast_open(&builder, __NR_sendmmsg, 3);
  }
  put_protection(&builder);
  give(&builder, SECCOMP_RET_ALLOW);
  return builder.length <= MAX_FILTER_LENGTH ? builder.length : 0;
}

/* ------------------------------------------------------------------------------------------------ installing */

static int install(const struct sock_filter *program, size_t length, unsigned long flags) {
  const struct sock_fprog filter = {(unsigned short)length, (struct sock_filter *)program};
  long outcome = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  if (outcome >= 0 || errno != EACCES) return (int)outcome;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

int filter_install(const struct sock_filter *program, size_t length, bool listen) {
  if (!listen) return install(program, length, 0);
  int listener = install(program, length, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (listener >= 0 || errno != EINVAL) return listener;
  return install(program, length, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

const char *filter_obstacle(void) {
  struct utsname system;
  if (uname(&system) != 0) return "uname failed";
  if (strstr(system.release, "icrosoft") != NULL || strstr(system.release, "WSL") != NULL) {
    return "a WSL2 kernel: seccomp notification does not work there";
  }
  return NULL;
}
