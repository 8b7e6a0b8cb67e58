#include "exec/launch.h"

#include "exec/environment.h"
#include "exec/search.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What agent-exec tells the guest's main process; a filter's program follows its order. */
enum order { ORDER_FILTER, ORDER_FILTER_AND_LISTEN, ORDER_GO };
struct message {
  enum order order;
  uint32_t length; /* of the program */
  enum record_mode mode;
  uint32_t mark[2];
};

static bool send_all(int link, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t sent = send(link, at, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    length -= (size_t)sent;
  }
  return true;
}

static bool receive_all(int link, void *bytes, size_t length) {
  char *at = bytes;
  while (length > 0) {
    ssize_t got = recv(link, at, length, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    length -= (size_t)got;
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------ in the guest */

/* A number and, when there is one, a descriptor. */
static bool send_outcome(int link, int error, int descriptor) {
  struct iovec data = {&error, sizeof error};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {.room = {0}};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (descriptor > 0) {
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
  }
  return sendmsg(link, &message, MSG_NOSIGNAL) == (ssize_t)sizeof error;
}

static bool obey_filter(int link, const struct message *message) {
  static struct sock_filter program[MAX_FILTER_LENGTH];
  if (message->length > MAX_FILTER_LENGTH) return false;
  if (!receive_all(link, program, message->length * sizeof *program)) return false;
  int listener = filter_install(program, message->length, message->order == ORDER_FILTER_AND_LISTEN);
  bool sent = send_outcome(link, listener < 0 ? errno : 0, listener);
  if (listener > 0) close(listener);
  return sent;
}

/* The guest's group in front of the terminal, so that it may read it and gets what is typed there. */
static void take_terminal(void) {
  int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  sigset_t output;
  sigset_t before;
  if (terminal < 0) return;
  sigemptyset(&output);
  sigaddset(&output, SIGTTOU);
  sigprocmask(SIG_BLOCK, &output, &before);
  tcsetpgrp(terminal, getpid());
  sigprocmask(SIG_SETMASK, &before, NULL);
  close(terminal);
}

/* Executes the command; the statuses are those of shells (POSIX.1-2024, XCU 2.8.2). */
__attribute__((noreturn)) static void execute(const struct options *options, char **environment) {
  int reason = command_execute(options->command, environment);
  fprintf(stderr, "agent-exec: %s: %s\n", options->command[0],
          reason == ENOENT ? "command not found" : strerror(reason));
  _exit(reason == ENOENT || reason == ENOTDIR ? 127 : 126);
}

__attribute__((noreturn)) static void guest_main(int link, const struct options *options,
                                                 const struct launch_inheritance *inheritance, pid_t parent) {
  struct message message;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(125);
  if (options->own_group) {
    setpgid(0, 0);
    take_terminal();
  }
  /* Nothing in this memory is secret any more, and the supervisor has to read it at the exec. */
  prctl(PR_SET_DUMPABLE, 1);
  while (receive_all(link, &message, sizeof message)) {
    if (message.order != ORDER_GO) {
      if (!obey_filter(link, &message)) break;
      continue;
    }
    char **environment = environment_of_guest(environ, options, message.mode, message.mark);
    if (environment == NULL) break;
    close(link);
    sigaction(SIGCHLD, &inheritance->child_action, NULL);
    sigprocmask(SIG_SETMASK, &inheritance->mask, NULL);
    execute(options, environment);
  }
  _exit(125);
}

/* ------------------------------------------------------------------------------------------------ in agent-exec */

int launch_fork(struct launch *launch, const struct options *options, const struct launch_inheritance *inheritance,
                int private_fd) {
  int links[2];
  pid_t self = getpid();
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, links) != 0) return -1;
  launch->link = links[0];
  launch->guest = fork();
  if (launch->guest == 0) {
    close(links[0]);
    if (private_fd >= 0) close(private_fd);
    guest_main(links[1], options, inheritance, self);
  }
  close(links[1]);
  if (launch->guest > 0) return 0;
  close(links[0]);
  return -1;
}

static int receive_outcome(int link, int *descriptor) {
  int error = EPIPE;
  struct iovec data = {&error, sizeof error};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
  ssize_t got;
  do got = recvmsg(link, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got != (ssize_t)sizeof error) return EPIPE;
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_type == SCM_RIGHTS) memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
  return error;
}

int launch_filter(const struct launch *launch, const struct sock_filter *program, size_t length, bool listen) {
  const struct message message = {.order = listen ? ORDER_FILTER_AND_LISTEN : ORDER_FILTER, .length = (uint32_t)length};
  int listener = 0;
  int error = EPIPE;
  if (send_all(launch->link, &message, sizeof message) && send_all(launch->link, program, length * sizeof *program)) {
    error = receive_outcome(launch->link, &listener);
  }
  if (error == 0 && listen && listener == 0) error = EMFILE;
  if (error == 0) return listener;
  errno = error;
  return -1;
}

bool launch_go(struct launch *launch, enum record_mode mode, const uint32_t mark[2]) {
  const struct message message = {.order = ORDER_GO, .mode = mode, .mark = {mark[0], mark[1]}};
  bool sent = send_all(launch->link, &message, sizeof message);
  close(launch->link);
  launch->link = -1;
  return sent;
}
