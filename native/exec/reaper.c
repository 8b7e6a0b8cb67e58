#include "exec/reaper.h"

#include "exec/connector.h"
#include "exec/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GRACE_MS = 2000 };   /* from SIGTERM to SIGKILL */
enum { GIVE_UP_MS = 5000 }; /* from SIGKILL: one that waits for a dead disk cannot be ended */
enum { LOOK_MS = 1000 };     /* between two looks for what a stop from a terminal has left stuck */
enum { LOOK_SOON_MS = 100 }; /* the same, after the terminal has told us to stop while the guest goes on */
enum { SOON_LOOKS = 20 };    /* so many; then it does not want to stop */
enum { KILL_AGAIN_MS = 50 }; /* one may fork while the others are killed */

/* Signals of a fault are for the thread that made it. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

int reaper_signals(sigset_t *before) {
  sigset_t all;
  sigfillset(&all);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
  if (sigprocmask(SIG_SETMASK, &all, before) != 0) return -1;
  return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ------------------------------------------------------------------------------------------------ terminal */

/* Hands the terminal, if there is one and `from` has it, to another group. False when it was not so. */
static bool pass_terminal(pid_t from, pid_t to) {
  int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) return false;
  bool had = tcgetpgrp(terminal) == from;
  if (had && from != to) tcsetpgrp(terminal, to); /* SIGTTOU is blocked */
  close(terminal);
  return had;
}

/* Stops us, or our whole group, unless the kernel sees that nobody could continue us (an orphaned group; PID 1). */
static void stop_ourselves(pid_t whom) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  kill(whom, SIGTSTP);
  sigprocmask(SIG_UNBLOCK, &stop, NULL);
  sigprocmask(SIG_BLOCK, &stop, NULL);
}

/*
 * The guest was stopped in front of the terminal: whoever started us has to notice, so we stop as well, and so does our
 * group, unless the terminal has told it already. What was stopped for nobody goes on at once.
 */
static void on_stopped(struct reaper *reaper, int signal) {
  pid_t guest_group = reaper->own_group ? reaper->guest : getpgrp();
  bool told = reaper->terminal_stopped;
  reaper->terminal_stopped = false;
  if (signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU) return;
  /* A shell may have given the terminal to our group after the guest had taken it. */
  if (!pass_terminal(guest_group, getpgrp()) && !pass_terminal(getpgrp(), getpgrp())) return;
  stop_ourselves(told ? getpid() : 0);
  if (reaper->own_group) pass_terminal(getpgrp(), reaper->guest);
  kill(reaper->own_group ? -reaper->guest : reaper->guest, SIGCONT);
}

/* ------------------------------------------------------------------------------------------------ signals */

/*
 * The terminal sends to whole groups: a guest in ours has got it already. A hang-up goes to the leader of the session
 * only.
 */
static bool is_for_guest(const struct reaper *reaper, const struct signalfd_siginfo *info) {
  switch (info->ssi_signo) {
  case SIGCHLD:
  case SIGPIPE:
  case SIGTTIN:
  case SIGTTOU:
    return false;
  case SIGHUP:
    return info->ssi_code != SI_KERNEL || reaper->own_group || getsid(0) == getpid();
  default:
    return info->ssi_code != SI_KERNEL || reaper->own_group;
  }
}

/* Sends to the guest's group where it has one. Returns whether somebody asked for its end. */
static bool pass_signals(struct reaper *reaper) {
  struct signalfd_siginfo info;
  bool end = false;
  while (read(reaper->signals, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGTSTP && info.ssi_code == SI_KERNEL) reaper->terminal_stopped = true;
    if (info.ssi_pid == (uint32_t)getpid() || !is_for_guest(reaper, &info)) continue;
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGHUP) end = true;
    if (reaper->ended) continue;
    if (info.ssi_signo == SIGCONT && reaper->own_group) pass_terminal(getpgrp(), reaper->guest);
    kill(reaper->own_group ? -reaper->guest : reaper->guest, (int)info.ssi_signo);
  }
  return end;
}

/* ------------------------------------------------------------------------------------------------ waiting */

/* Reaps what has ended. False when there is no child left. */
static bool reap(struct reaper *reaper) {
  struct rusage usage;
  int status;
  for (;;) {
    pid_t child = wait4(-1, &status, WNOHANG | (reaper->ended ? 0 : WUNTRACED), &usage);
    if (child == 0 || (child < 0 && errno != EINTR)) return child == 0;
    if (child != reaper->guest) continue;
    if (WIFSTOPPED(status)) {
      on_stopped(reaper, WSTOPSIG(status));
      continue;
    }
    reaper->ended = true;
    reaper->status = status;
    if (reaper->own_group) pass_terminal(child, getpgrp());
    report_exit(reaper->draft, child, status, &usage);
  }
}

/* Sleeps until a signal comes or the channel goes; false when the channel is gone. */
static bool sleep_until_something(struct reaper *reaper, int timeout_ms) {
  struct pollfd polls[2] = {{reaper->signals, POLLIN, 0}, {reaper->channel, POLLRDHUP, 0}};
  int ready = poll(polls, 2, timeout_ms);
  bool gone = (ready > 0 && polls[1].revents != 0) || ring_failed(reaper->draft->reporter->ring);
  if (!gone || reaper->channel < 0) return true;
  reaper->channel = -1; /* seen */
  ring_fail(reaper->draft->reporter->ring);
  return reaper->keep_going;
}

static bool has_terminal(void) {
  int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) return false;
  close(terminal);
  return true;
}

bool reaper_wait(struct reaper *reaper) {
  bool looks = has_terminal();
  int64_t looked = monotonic_ms();
  int soon = 0;
  for (;;) {
    pass_signals(reaper); /* first: tells who has stopped the guest */
    reap(reaper);
    if (reaper->ended) return true;
    if (!reaper->terminal_stopped) soon = SOON_LOOKS;
    int patience = reaper->terminal_stopped && soon > 0 ? LOOK_SOON_MS : LOOK_MS;
    if (looks && monotonic_ms() - looked >= patience) {
      process_release_vforks(getpid());
      looked = monotonic_ms();
      if (soon > 0) soon--;
    }
    if (!sleep_until_something(reaper, looks ? patience : -1)) return false;
  }
}

static void signal_one(pid_t process, void *context) {
  kill(process, *(const int *)context);
}

/* As PID 1, everybody else here is the guest's. */
static void signal_all(int signal) {
  if (getpid() == 1) kill(-1, signal);
  else process_descendants(getpid(), signal_one, &signal);
}

bool reaper_end_all(struct reaper *reaper, bool at_once) {
  int64_t deadline = monotonic_ms() + GRACE_MS;
  if (!reap(reaper)) return true;
  if (!at_once) {
    signal_all(SIGTERM);
    signal_all(SIGCONT);
  }
  while (!at_once) {
    int64_t left = deadline - monotonic_ms();
    if (!reap(reaper)) return true;
    if (left <= 0 || !sleep_until_something(reaper, (int)left) || pass_signals(reaper)) at_once = true;
  }
  deadline = monotonic_ms() + GIVE_UP_MS;
  do {
    signal_all(SIGKILL);
    if (!reap(reaper)) return true;
    sleep_until_something(reaper, KILL_AGAIN_MS);
    pass_signals(reaper);
  } while (monotonic_ms() < deadline);
  return !reap(reaper);
}
