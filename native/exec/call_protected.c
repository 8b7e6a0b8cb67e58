/*
 * Calls that could blind, stop or replace the supervisor. The filter asks about them only when they are aimed at somebody
 * protected, or at a set that may hold somebody protected; what they are aimed at is in registers, so answers hold,
 * except where this says otherwise.
 */
#include "exec/calls.h"
#include "exec/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char protected_rule[] = "protected process";

/* The process of any thread of it. */
static bool is_protected(const struct protection *protection, pid_t target) {
  struct process_facts facts;
  pid_t process = process_facts(target, &facts) ? facts.process : target;
  for (size_t i = 0; i < protection->count; i++) {
    if (protection->processes[i] == target || protection->processes[i] == process) return true;
  }
  return false;
}

static bool is_group_of_protected(const struct protection *protection, pid_t group) {
  for (size_t i = 0; i < protection->count; i++) {
    if (getpgid(protection->processes[i]) == group) return true;
  }
  return false;
}

static struct answer deny_target(const struct call *call, const char *action, const char *name, int64_t target) {
  draft_begin_deny(call->draft, action, protected_rule);
  event_number(&call->draft->line, "pid", call->process);
  event_string(&call->draft->line, "call", name);
  event_number(&call->draft->line, "target", target);
  return call_deny(call);
}

/* ------------------------------------------------------------------------------------------------ signals */

struct delivery {
  const struct call *call;
  int signal;
  size_t reached;
};

static void deliver(pid_t process, void *context) {
  struct delivery *delivery = context;
  if (is_protected(delivery->call->protection, process)) return;
  if (kill(process, delivery->signal) == 0) delivery->reached++;
}

/*
 * A signal to a group that has protected members, such as the kill 0 of a script: the others get it, from us. Only for a
 * guest that could have sent it itself.
 */
static struct answer signal_group(const struct call *call, pid_t group, int signal) {
  struct delivery delivery = {call, signal, 0};
  if (!is_group_of_protected(call->protection, group)) return ANSWER_GO_ON;
  if (!process_is_like_us(call->thread) || signal < 0 || signal > 64) {
    return deny_target(call, "Signal", "kill", -(int64_t)group);
  }
  process_group_members(group, deliver, &delivery);
  return ANSWER_ERROR(delivery.reached > 0 ? 0 : ESRCH);
}

static struct answer on_kill(const struct call *call) {
  pid_t target = (pid_t)call->data->args[0];
  int signal = (int)call->data->args[1];
  pid_t own_group = getpgid(call->thread);
  if (target == 0) return signal_group(call, own_group, signal);
  if (!process_shares_pids(call->thread)) return ANSWER_GO_ON; /* a number of another space: none of ours */
  if (target == -1) return deny_target(call, "Signal", "kill", target);
  if (target < 0) return signal_group(call, -target, signal);
  if (signal == 0 || !is_protected(call->protection, target)) return ANSWER_GO_ON;
  return deny_target(call, "Signal", "kill", target);
}

/* A copy of a descriptor of the guest, or -1. */
static int copy_of(const struct call *call, int fd) {
  int process = (int)syscall(SYSCALL_PIDFD_OPEN, call->process, 0);
  if (process < 0) return -1;
  int copy = (int)syscall(SYSCALL_PIDFD_GETFD, process, fd, 0);
  close(process);
  return copy;
}

/* Which process a pidfd is about, or a directory /proc/<number>, which old kernels accept too; -1: none. */
static pid_t process_behind(int fd) {
  char path[48];
  char target[64];
  int process;
  char rest;
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  long number = process_field(path, "Pid");
  if (number > 0) return (pid_t)number;
  snprintf(path, sizeof path, "fd/%d", fd);
  if (process_link(getpid(), path, target, sizeof target) <= 0) return -1;
  return sscanf(target, "/proc/%d%c", &process, &rest) == 1 ? (pid_t)process : -1;
}

/* Sent by us on a copy of the descriptor, because the guest could exchange it after we looked. */
static struct answer on_pidfd_send_signal(const struct call *call) {
  const __u64 *args = call->data->args;
  int copy = copy_of(call, (int)args[0]);
  if (copy < 0) return ANSWER_ERROR(EBADF);
  pid_t target = process_behind(copy);
  struct answer answer;
  if (target > 0 && is_protected(call->protection, target)) {
    answer = deny_target(call, "Signal", "pidfd_send_signal", target);
  } else if (args[2] != 0 || (args[3] & ~7ULL) != 0 || !process_is_like_us(call->thread)) {
    answer = deny_target(call, "Signal", "pidfd_send_signal", target > 0 ? target : 0);
  } else {
    long outcome = syscall(SYSCALL_PIDFD_SEND_SIGNAL, copy, (int)args[1], NULL, (unsigned)args[3]);
    answer = ANSWER_ERROR(outcome == 0 ? 0 : errno);
  }
  close(copy);
  return answer;
}

/* ------------------------------------------------------------------------------------------------ limits and others */

struct aimed {
  int number;
  unsigned char argument;
  const char *action;
  const char *name;
};

static const struct aimed aimed_calls[] = {
    {__NR_tkill, 0, "Signal", "tkill"},
    {__NR_tgkill, 0, "Signal", "tgkill"},
    {__NR_rt_sigqueueinfo, 0, "Signal", "rt_sigqueueinfo"},
    {__NR_rt_tgsigqueueinfo, 0, "Signal", "rt_tgsigqueueinfo"},
    {SYSCALL_PIDFD_OPEN, 0, "Signal", "pidfd_open"},
    {__NR_fcntl, 2, "Signal", "fcntl"},
    {__NR_ptrace, 1, "Ptrace", "ptrace"},
    {__NR_process_vm_readv, 0, "Ptrace", "process_vm_readv"},
    {__NR_process_vm_writev, 0, "Ptrace", "process_vm_writev"},
    {__NR_prlimit64, 0, "Limit", "prlimit64"},
    {__NR_sched_setparam, 0, "Limit", "sched_setparam"},
    {__NR_sched_setattr, 0, "Limit", "sched_setattr"},
    {__NR_sched_setscheduler, 0, "Limit", "sched_setscheduler"},
    {__NR_sched_setaffinity, 0, "Limit", "sched_setaffinity"},
};

static struct answer on_aimed(const struct call *call, const struct aimed *aimed) {
  pid_t target = (pid_t)call->data->args[aimed->argument];
  bool group = target < 0;
  if (!process_shares_pids(call->thread)) return ANSWER_GO_ON;
  if (group ? !is_group_of_protected(call->protection, -target) : !is_protected(call->protection, target)) {
    return ANSWER_GO_ON;
  }
  return deny_target(call, aimed->action, aimed->name, target);
}

/* setpriority and ioprio_set have the same shape; their numbers for a group and a user differ. */
static struct answer on_which_who(const struct call *call, const char *name, int group, int user) {
  int which = (int)call->data->args[0];
  pid_t who = (pid_t)call->data->args[1];
  if (which == user) return deny_target(call, "Limit", name, who);
  if (which == group) {
    pid_t wanted = who == 0 ? getpgid(call->thread) : who;
    if (!is_group_of_protected(call->protection, wanted)) return ANSWER_GO_ON;
    return deny_target(call, "Limit", name, -(int64_t)wanted);
  }
  if (!process_shares_pids(call->thread) || !is_protected(call->protection, who)) return ANSWER_GO_ON;
  return deny_target(call, "Limit", name, who);
}

/*
 * F_SETOWN_EX, FIOSETOWN and SIOCSPGRP have their target in memory, where it may change after it was read: they are
 * refused, whomever they name; F_SETOWN does the same with a register.
 */
static struct answer on_owner_in_memory(const struct call *call, const char *name) {
  return call_deny_named(call, "Signal", "owner of signals", name);
}

static struct answer on_foreign(const struct call *call) {
  char name[48];
  snprintf(name, sizeof name, "arch_%08x_%u", call->data->arch, (unsigned)call->data->nr);
  return call_deny_named(call, "Syscall", "foreign system call interface", name);
}

struct answer call_protected(const struct call *call) {
  int number = call->data->nr;
  if (call->data->arch != NATIVE_ARCH) return on_foreign(call);
#ifdef X32_BIT
  if (((unsigned)number & X32_BIT) != 0) return on_foreign(call);
#endif
  if (!call_is_alive(call->listener, call->id)) return ANSWER_ERROR(EPERM);
  if (number == __NR_kill) return on_kill(call);
  if (number == SYSCALL_PIDFD_SEND_SIGNAL) return on_pidfd_send_signal(call);
  if (number == __NR_setpriority) return on_which_who(call, "setpriority", PRIO_PGRP, PRIO_USER);
  if (number == __NR_ioprio_set) return on_which_who(call, "ioprio_set", IOPRIO_GROUP, IOPRIO_USER);
  if (number == __NR_ioctl) return on_owner_in_memory(call, "ioctl");
  if (number == __NR_fcntl && (int)call->data->args[1] == F_SETOWN_EX) return on_owner_in_memory(call, "fcntl");
  for (size_t i = 0; i < sizeof aimed_calls / sizeof *aimed_calls; i++) {
    if (aimed_calls[i].number == number) return on_aimed(call, &aimed_calls[i]);
  }
  if (number == __NR_open_by_handle_at) return call_deny_named(call, "Syscall", "open_by_handle_at", "open_by_handle_at");
  return call_deny_named(call, "Syscall", "io_uring", "io_uring");
}
