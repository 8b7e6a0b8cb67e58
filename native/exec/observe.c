#include "exec/observe.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static void add_reason(struct observation *observation, const char *format, ...) {
  if (observation->reason_count == MAX_REASONS) return;
  char *text = observation->texts[observation->reason_count];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, REASON_BYTES, format, arguments);
  va_end(arguments);
  observation->reasons[observation->reason_count++] = text;
}

/* ------------------------------------------------------------------------------------------------ who is protected */

static void add_target(struct filter_plan *plan, pid_t target) {
  for (size_t i = 0; i < plan->target_count; i++) {
    if (plan->targets[i] == target) return;
  }
  if (plan->target_count == MAX_FILTER_TARGETS) plan->all_targets = true;
  else plan->targets[plan->target_count++] = target;
}

/* A process, its threads as they are now, and its group. */
static void protect(struct protection *protection, struct filter_plan *plan, pid_t process) {
  char path[32];
  if (protection->count < MAX_PROTECTED) protection->processes[protection->count++] = process;
  add_target(plan, process);
  pid_t group = getpgid(process);
  if (group > 1) add_target(plan, -group);
  snprintf(path, sizeof path, "/proc/%d/task", (int)process);
  DIR *directory = opendir(path);
  if (directory == NULL) return;
  for (const struct dirent *item = readdir(directory); item != NULL; item = readdir(directory)) {
    if (isdigit((unsigned char)item->d_name[0])) add_target(plan, (pid_t)strtol(item->d_name, NULL, 10));
  }
  closedir(directory);
}

static void protect_all(struct observation *observation, struct filter_plan *plan, const struct options *options,
                        const struct supervisor *supervisor) {
  protect(&observation->protection, plan, getpid());
  for (size_t i = 0; i < SUPERVISOR_READERS; i++) add_target(plan, supervisor->thread_ids[i]);
  add_target(plan, supervisor->connector.thread_id);
  for (size_t i = 0; i < options->protect_count; i++) protect(&observation->protection, plan, options->protect[i]);
}

/* ------------------------------------------------------------------------------------------------ which mode */

static void choose_mode(struct observation *observation, const struct options *options) {
  const char *obstacle = filter_obstacle();
  observation->mode = options->record;
  if (options->record >= RECORD_SHIM) return;
  if (obstacle != NULL) {
    add_reason(observation, "%s", obstacle);
    observation->mode = RECORD_SHIM;
  } else if (options->record == RECORD_HYBRID && rules_about_reading(&options->rules)) {
    add_reason(observation, "a rule denies opens for reading: the supervisor has to see all of them");
    observation->mode = RECORD_FULL;
  }
}

static const char *explain(int error) {
  switch (error) {
  case EBUSY:
    return "EBUSY: another supervisor listens already";
  case EINVAL:
    return "EINVAL: this kernel has no seccomp notification";
  case ENOSYS:
    return "ENOSYS: there is no seccomp here";
  case EPERM:
    return "EPERM: filters are forbidden here";
  default:
    return strerror(error);
  }
}

/* Tries to listen. Returns the listener, or -1 with a reason noted. */
static int listen_to(struct observation *observation, struct filter_plan *plan, const struct launch *launch) {
  static struct sock_filter program[MAX_FILTER_LENGTH];
  size_t length = filter_build(plan, program);
  int listener = length == 0 ? -1 : launch_filter(launch, program, length, true);
  if (listener >= 0) return listener;
  add_reason(observation, "seccomp notification is not available (%s)", length == 0 ? "filter" : explain(errno));
  return -1;
}

/* Without notification, what the supervisor would refuse is refused by the filter, unreported. */
static void refuse_only(struct observation *observation, struct filter_plan *plan, const struct launch *launch) {
  static struct sock_filter program[MAX_FILTER_LENGTH];
  plan->notify = false;
  plan->pass_marked = false;
  size_t length = filter_build(plan, program);
  if (length > 0 && launch_filter(launch, program, length, false) >= 0) return;
  add_reason(observation, "no filter protects the supervisor (%s)", length == 0 ? "filter" : explain(errno));
}

static bool make_mark(uint32_t mark[2]) {
  return getrandom(mark, 2 * sizeof *mark, 0) == (ssize_t)(2 * sizeof *mark);
}

const char *observe(struct observation *observation, struct supervisor *supervisor, const struct reporter *reporter,
                    const struct options *options, const struct launch *launch) {
  memset(observation, 0, sizeof *observation);
  if (supervisor_start(supervisor, reporter, &options->rules, &observation->protection) != 0) {
    return "no threads for the supervisor";
  }
  if (!make_mark(observation->mark)) return "no random numbers";
  choose_mode(observation, options);
  struct filter_plan plan = {.notify = true, .connect_rules = options->rules.connect_count > 0};
  plan.pass_marked = observation->mode == RECORD_HYBRID && options->shim != NULL;
  memcpy(plan.mark, observation->mark, sizeof plan.mark);
  protect_all(observation, &plan, options, supervisor);
  if (observation->mode < RECORD_SHIM) {
    int listener = listen_to(observation, &plan, launch);
    if (listener >= 0) {
      supervisor_listen(supervisor, listener);
      return NULL;
    }
    observation->mode = RECORD_SHIM;
  }
  if (rules_any(&options->rules)) return "deny rules cannot be enforced: seccomp notification is not available";
  if (observation->mode == RECORD_SHIM && options->shim == NULL) {
    add_reason(observation, "there is no shim either: only console, start and exit are recorded");
    observation->mode = RECORD_NONE;
  }
  if (options->no_fallback && observation->mode != options->record) return observation->reasons[0];
  if (options->record != RECORD_NONE) refuse_only(observation, &plan, launch);
  return NULL;
}
