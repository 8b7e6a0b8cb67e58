#include "exec/report.h"

#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_in_unix_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void draft_begin(struct draft *draft, enum event_type type) {
  event_begin(&draft->line, draft->bytes, sizeof draft->bytes, &draft->reporter->context, type, now_in_unix_ms());
}

void draft_begin_deny(struct draft *draft, const char *action, const char *rule) {
  draft_begin(draft, EVENT_DENY);
  event_string(&draft->line, "action", action);
  event_text(&draft->line, "rule", rule, strlen(rule));
}

bool draft_send(struct draft *draft) {
  size_t length = event_end(&draft->line);
  bool sent = length > 0 && ring_push(draft->reporter->ring, draft->bytes, length);
  return sent || draft->reporter->keep_going;
}

bool report_start(struct draft *draft, const struct start_facts *facts) {
  struct event_line *line = &draft->line;
  draft_begin(draft, EVENT_START);
  event_number(line, "pid", facts->guest);
  event_string(line, "mode", record_mode_name(facts->mode));
  event_string(line, "asked", record_mode_name(facts->asked));
  event_array(line, "reasons");
  for (size_t i = 0; i < facts->reason_count; i++) event_item(line, facts->reasons[i], strlen(facts->reasons[i]));
  event_array_end(line);
  event_number(line, "supervisor_pid", getpid());
  return draft_send(draft);
}

static int64_t microseconds(const struct timeval *time) {
  return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

bool report_exit(struct draft *draft, pid_t guest, int wait_status, const struct rusage *usage) {
  struct event_line *line = &draft->line;
  draft_begin(draft, EVENT_EXIT);
  event_number(line, "pid", guest);
  if (WIFSIGNALED(wait_status)) event_number(line, "signal", WTERMSIG(wait_status));
  else event_number(line, "status", WEXITSTATUS(wait_status));
  event_number(line, "user_us", microseconds(&usage->ru_utime));
  event_number(line, "system_us", microseconds(&usage->ru_stime));
  event_number(line, "max_rss_kib", usage->ru_maxrss);
  event_number(line, "minor_faults", usage->ru_minflt);
  event_number(line, "major_faults", usage->ru_majflt);
  return draft_send(draft);
}
