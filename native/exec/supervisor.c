#include "exec/supervisor.h"

#include "exec/syscalls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Room for what a newer kernel may add to the structures (SECCOMP_GET_NOTIF_SIZES). */
union request {
  struct seccomp_notif notification;
  char room[512];
};
union response {
  struct seccomp_notif_resp answer;
  char room[512];
};

bool call_is_alive(int listener, uint64_t id) {
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void call_answer(int listener, uint64_t id, struct answer answer) {
  union response response = {.room = {0}};
  response.answer.id = id;
  if (answer.kind == ANSWER_PROCEED) response.answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  else response.answer.error = -answer.error;
  while (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0 && errno == EINTR) continue;
}

struct answer call_report(const struct call *call) {
  return draft_send(call->draft) ? ANSWER_GO_ON : ANSWER_ERROR(EPERM);
}

struct answer call_deny(const struct call *call) {
  draft_send(call->draft); /* lost or not, the answer is the same */
  return ANSWER_ERROR(EPERM);
}

struct answer call_deny_named(const struct call *call, const char *action, const char *rule, const char *name) {
  draft_begin_deny(call->draft, action, rule);
  event_number(&call->draft->line, "pid", call->process);
  event_string(&call->draft->line, "call", name);
  return call_deny(call);
}

struct answer call_unreadable(const struct call *call, ssize_t error, const char *name) {
  if (error == -EFAULT || error == -ENAMETOOLONG) return ANSWER_ERROR((int)-error);
  if (!call_is_alive(call->listener, call->id)) return ANSWER_ERROR(EPERM);
  return call_deny_named(call, "Syscall", "unreadable", name);
}

static struct answer decide(const struct call *call) {
  if (call->data->arch != NATIVE_ARCH) return call_protected(call);
  switch (call->data->nr) {
  case __NR_openat:
  case SYSCALL_OPENAT2:
#ifdef __NR_open
  case __NR_open:
  case __NR_creat:
#endif
    return call_open(call);
  case __NR_execve:
  case __NR_execveat:
    return call_exec(call);
  case __NR_connect:
    return call_connect(call);
  default:
    return call_protected(call);
  }
}

static int wait_for_listener(struct supervisor *supervisor) {
  pthread_mutex_lock(&supervisor->lock);
  supervisor->thread_ids[supervisor->thread_count++] = (pid_t)syscall(SYS_gettid);
  pthread_cond_broadcast(&supervisor->changed);
  while (supervisor->listener < 0) pthread_cond_wait(&supervisor->changed, &supervisor->lock);
  int listener = supervisor->listener;
  pthread_mutex_unlock(&supervisor->lock);
  return listener;
}

/* What one reader works with. Never freed: readers end with the process. */
struct reader {
  struct supervisor *supervisor;
  struct draft draft;
  struct thread_table threads;
};

static void *read_calls(void *argument) {
  struct reader *reader = argument;
  struct supervisor *supervisor = reader->supervisor;
  int listener = wait_for_listener(supervisor);
  for (;;) {
    union request request = {.room = {0}}; /* the kernel wants zeros */
    const struct seccomp_notif *notification = &request.notification;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
      if (errno == EINTR || errno == ENOENT) continue; /* the caller was killed before we had its call */
      return NULL;
    }
    pid_t thread = (pid_t)notification->pid;
    const struct call call = {
        .rules = supervisor->rules,
        .protection = supervisor->protection,
        .connector = &supervisor->connector,
        .draft = &reader->draft,
        .listener = listener,
        .id = notification->id,
        .thread = thread,
        .process = process_of(&reader->threads, thread),
        .data = &notification->data,
    };
    struct answer answer = decide(&call);
    if (answer.kind != ANSWER_LATER) call_answer(listener, call.id, answer);
  }
}

static int start_reader(struct supervisor *supervisor) {
  pthread_t thread;
  struct reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return -1;
  reader->supervisor = supervisor;
  reader->draft.reporter = supervisor->reporter;
  if (pthread_create(&thread, NULL, read_calls, reader) == 0) return pthread_detach(thread);
  free(reader);
  return -1;
}

int supervisor_start(struct supervisor *supervisor, const struct reporter *reporter, const struct rules *rules,
                     const struct protection *protection) {
  *supervisor = (struct supervisor){
      .reporter = reporter, .rules = rules, .protection = protection, .listener = -1};
  pthread_mutex_init(&supervisor->lock, NULL);
  pthread_cond_init(&supervisor->changed, NULL);
  if (connector_start(&supervisor->connector, reporter) != 0) return -1;
  for (size_t i = 0; i < SUPERVISOR_READERS; i++) {
    if (start_reader(supervisor) != 0) return -1;
  }
  pthread_mutex_lock(&supervisor->lock);
  while (supervisor->thread_count < SUPERVISOR_READERS) pthread_cond_wait(&supervisor->changed, &supervisor->lock);
  pthread_mutex_unlock(&supervisor->lock);
  return 0;
}

void supervisor_listen(struct supervisor *supervisor, int listener) {
  /* Wakes on the reader's own processor; older kernels do not know it. */
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  pthread_mutex_lock(&supervisor->lock);
  supervisor->connector.listener = listener;
  supervisor->listener = listener;
  pthread_cond_broadcast(&supervisor->changed);
  pthread_mutex_unlock(&supervisor->lock);
}
