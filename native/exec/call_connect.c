/*
 * connect. It is done here, in the guest's place: on a copy of the address, which has been checked and which no thread
 * of the guest can change, and on a copy of the descriptor. So denials hold, and events are true.
 *
 * The exception is a Unix-domain socket when no rule speaks about addresses: that call goes on, because the peer would
 * see agent-exec as who connected (SO_PEERCRED). What such an event says is what the address was a moment before.
 */
#include "exec/connector.h"
#include "exec/resolve.h"
#include "exec/syscalls.h"
#include "protocol/address.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* linux/pidfd.h of Linux 6.9 */
#endif

struct connect_request {
  struct sockaddr_storage address;
  socklen_t length;
  sa_family_t family;
  int fd;
};

static ssize_t read_request(const struct call *call, struct connect_request *request) {
  const __u64 *args = call->data->args;
  request->fd = (int)args[0];
  request->length = (socklen_t)args[2];
  memset(&request->address, 0, sizeof request->address);
  if (args[2] > INT32_MAX || request->length > sizeof request->address) return -EINVAL; /* as the kernel answers */
  ssize_t outcome = memory_read_all(call->thread, args[1], &request->address, request->length);
  request->family = request->length >= sizeof(sa_family_t) ? request->address.ss_family : AF_UNSPEC;
  return outcome;
}

/* Threads may have descriptors of their own; kernels before 6.9 only open processes. */
static int copy_descriptor(const struct call *call, int fd) {
  int process = (int)syscall(SYSCALL_PIDFD_OPEN, call->thread, call->thread == call->process ? 0 : PIDFD_THREAD);
  if (process < 0 && errno == EINVAL) process = (int)syscall(SYSCALL_PIDFD_OPEN, call->process, 0);
  if (process < 0) return -1;
  int copy = (int)syscall(SYSCALL_PIDFD_GETFD, process, fd, 0);
  int reason = errno;
  close(process);
  errno = reason;
  return copy;
}

static void draft_connect(const struct call *call, const struct connect_request *request, const char *rule) {
  struct event_line *line = &call->draft->line;
  if (rule != NULL) draft_begin_deny(call->draft, "Connect", rule);
  else draft_begin(call->draft, EVENT_CONNECT);
  event_number(line, "pid", call->process);
  event_number(line, "fd", request->fd);
  event_sockaddr(line, &request->address, request->length);
}

static bool is_path(const struct connect_request *request) {
  size_t start = offsetof(struct sockaddr_un, sun_path);
  return request->family == AF_UNIX && request->length > start && ((const char *)&request->address)[start] != '\0';
}

/*
 * Opens the file of a Unix-domain socket as the guest names it and makes an address of ours that leads to that very
 * file, whatever happens to its name. Returns the descriptor that must stay open until the connect is done.
 */
static int pin_path(const struct call *call, const struct connect_request *request, struct resolved *resolved,
                    struct sockaddr_un *pinned) {
  struct sockaddr_un given = {0};
  char name[sizeof given.sun_path + 1] = {0};
  char outside[sizeof resolved->real + 32];
  memcpy(&given, &request->address, request->length < sizeof given ? request->length : sizeof given);
  memcpy(name, given.sun_path, sizeof given.sun_path);
  if (resolve_path(call->process, call->thread, AT_FDCWD, name, true, resolved) != RESOLVED) return -1;
  snprintf(outside, sizeof outside, "/proc/%d/root%s", (int)call->thread, resolved->real);
  int file = open(outside, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return -1;
  *pinned = (struct sockaddr_un){.sun_family = AF_UNIX};
  snprintf(pinned->sun_path, sizeof pinned->sun_path, "/proc/self/fd/%d", file);
  return file;
}

/* Reports the outcome of a connect that is over. */
static struct answer finish(const struct call *call, const struct connect_request *request, int error) {
  draft_connect(call, request, NULL);
  event_number(&call->draft->line, "result", error);
  if (!draft_send(call->draft)) return ANSWER_ERROR(EPERM);
  return ANSWER_ERROR(error);
}

/* Hands a connect that goes on in the background to the connector. Takes the socket. */
static struct answer wait_elsewhere(const struct call *call, const struct connect_request *request, int socket,
                                    bool retry) {
  struct pending_connect *pending = calloc(1, sizeof *pending);
  struct timeval timeout = {0};
  socklen_t size = sizeof timeout;
  if (pending == NULL) {
    close(socket);
    return finish(call, request, EAGAIN);
  }
  *pending = (struct pending_connect){.socket = socket, .id = call->id, .thread = call->thread,
                                      .process = call->process, .guest_fd = request->fd, .retry = retry,
                                      .address = request->address, .length = request->length};
  getsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, &size);
  int64_t patience = (int64_t)timeout.tv_sec * 1000 + timeout.tv_usec / 1000;
  if (patience > 0) pending->deadline_ms = monotonic_ms() + patience;
  connector_add(call->connector, pending);
  return (struct answer){ANSWER_LATER, 0};
}

static struct answer connect_here(const struct call *call, const struct connect_request *request, int socket,
                                  const struct sockaddr_un *pinned) {
  bool blocking = false;
  struct sockaddr_storage target = request->address;
  socklen_t length = request->length;
  if (pinned != NULL) {
    memcpy(&target, pinned, sizeof *pinned);
    length = sizeof *pinned;
  }
  int error = connect_without_waiting(socket, &target, length, &blocking);
  /* On this machine the peer has answered by now; a second connect(2) tells the result of the first. */
  struct pollfd settled = {socket, POLLOUT, 0};
  if (blocking && error == EINPROGRESS && poll(&settled, 1, 0) > 0) {
    error = connect_without_waiting(socket, &target, length, &blocking);
  }
  if (blocking && error == EINPROGRESS) return wait_elsewhere(call, request, socket, false);
  /* A full backlog of a Unix-domain socket; a path that is pinned is not tried again, its file would have to stay. */
  if (blocking && error == EAGAIN && request->family == AF_UNIX && pinned == NULL) {
    return wait_elsewhere(call, request, socket, true);
  }
  close(socket);
  return finish(call, request, error);
}

/* With a rule about addresses, nothing that cannot be done here may be done at all. */
static struct answer connect_unix(const struct call *call, const struct connect_request *request, int socket) {
  static _Thread_local struct resolved resolved;
  struct sockaddr_un pinned;
  int file = is_path(request) ? pin_path(call, request, &resolved, &pinned) : -1;
  const char *rule = rules_forbid_connect(call->rules, &request->address, request->length,
                                          file < 0 ? NULL : resolved.real);
  if (rule == NULL && !process_is_like_us(call->thread)) rule = "connect as another user";
  struct answer answer;
  if (rule != NULL) {
    draft_connect(call, request, rule);
    answer = call_deny(call);
    close(socket);
  } else if (is_path(request) && file < 0) {
    answer = finish(call, request, ENOENT);
    close(socket);
  } else {
    answer = connect_here(call, request, socket, file < 0 ? NULL : &pinned);
  }
  if (file >= 0) close(file);
  return answer;
}

struct answer call_connect(const struct call *call) {
  struct connect_request request;
  bool rules = call->rules->connect_count > 0;
  ssize_t outcome = read_request(call, &request);
  if (outcome == -EINVAL) return ANSWER_ERROR(EINVAL);
  if (outcome < 0) return call_unreadable(call, outcome, "connect");
  if (!call_is_alive(call->listener, call->id)) return ANSWER_ERROR(EPERM);
  if (request.family == AF_UNIX && !rules) {
    draft_connect(call, &request, NULL);
    return call_report(call);
  }
  const char *rule = request.family == AF_UNIX
                         ? NULL
                         : rules_forbid_connect(call->rules, &request.address, request.length, NULL);
  int socket = rule == NULL ? copy_descriptor(call, request.fd) : -1;
  if (rule == NULL && socket < 0) {
    if (errno == EBADF) return finish(call, &request, EBADF);
    if (!rules) { /* not permitted here: the call goes on, its result unknown */
      draft_connect(call, &request, NULL);
      return call_report(call);
    }
    rule = "connect that cannot be made safe";
  }
  if (rule != NULL) {
    draft_connect(call, &request, rule);
    return call_deny(call);
  }
  if (!call_is_alive(call->listener, call->id)) {
    close(socket); /* of whoever has the number now */
    return ANSWER_ERROR(EPERM);
  }
  if (request.family == AF_UNIX) return connect_unix(call, &request, socket);
  return connect_here(call, &request, socket, NULL);
}
