/*
 * agent-exec: starts a guest, sees what it does, and ends it (`agent-exec --help` lists the options).
 *
 * The order matters: the secret is read, used and forgotten before the guest's process exists; threads exist before the
 * filter is made, because it names them; Start is with the kernel before the guest executes anything.
 */
#include "exec/channel.h"
#include "exec/launch.h"
#include "exec/observe.h"
#include "exec/reaper.h"
#include "exec/secret.h"
#include "exec/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_FAILED = 125 };

static const char usage[] =
    "usage: agent-exec --endpoint URL (--secret-file FILE | --secret-fd N) --session ID [options] -- COMMAND [ARG...]\n"
    "  --agent NAME                       name of the agent, for events\n"
    "  --record hybrid|full|shim|none     what is observed (hybrid)\n"
    "  --shim FILE                        libauditshim.so\n"
    "  --guest-endpoint URL               endpoint of the shim (that of --endpoint)\n"
    "  --mode open|closed                 whether the shim fails calls that it cannot report (open)\n"
    "  --deny-exec PATTERN                refuse to execute such paths\n"
    "  --deny-open PATTERN[:r|w|rw]       refuse to open such paths\n"
    "  --deny-connect ADDR[/BITS][:PORT] | unix:PATTERN | *\n"
    "  --protect PID                      the guest may not signal, trace or limit it\n"
    "  --own-group                        the guest leads a process group\n"
    "  --keep-going                       go on when the audit channel is gone\n"
    "  --no-fallback                      start nothing where less than --record can be had\n"
    "  --quiet                            do not say that the audit channel was closed\n"
    "In patterns * matches slashes too. Denials of execs and opens are advisory, those of connects hold.\n";

static int fail(const char *what, const char *why) {
  fprintf(stderr, "agent-exec: %s%s%s\n", what, why == NULL ? "" : ": ", why == NULL ? "" : why);
  return STATUS_FAILED;
}

/* The other end of the audit channel is gone, and the guest with it. */
static int closed(const struct options *options, const char *what) {
  return options->quiet ? STATUS_FAILED : fail(what, NULL);
}

/* Opens the channel and presents the secret. Returns the channel, or -1 after saying why. */
static int introduce(const struct options *options) {
  struct secret secret;
  const char *problem = NULL;
  int channel = -1;
  if (secret_take(&secret, options->secret_file, options->secret_fd, &problem) != 0) {
    fail(problem, NULL);
  } else if ((channel = channel_open(options->endpoint)) < 0) {
    fail("the audit channel cannot be opened", strerror(errno));
  } else if (!channel_send(channel, secret.line, sizeof secret.line)) {
    closed(options, "the audit channel was closed");
    close(channel);
    channel = -1;
  }
  secret_forget(&secret);
  return channel;
}

static int status_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* From here on the guest's process exists; whatever happens, it is ended before we are. */
static int run(const struct options *options, struct reaper *reaper, struct launch *launch, struct ring *ring) {
  static struct supervisor supervisor;
  static struct draft draft;
  struct reporter reporter = {{"Runner", options->session, options->agent}, ring, options->keep_going};
  draft.reporter = &reporter;
  reaper->draft = &draft;
  struct observation observation;
  const char *problem = observe(&observation, &supervisor, &reporter, options, launch);
  if (problem != NULL) {
    kill(launch->guest, SIGKILL);
    return fail(problem, NULL);
  }
  const struct start_facts facts = {launch->guest, observation.mode, options->record, observation.reasons,
                                    observation.reason_count};
  if ((!report_start(&draft, &facts) || !ring_drain(ring)) && !options->keep_going) {
    kill(launch->guest, SIGKILL);
    return closed(options, "the audit channel was closed before the command started");
  }
  launch_go(launch, observation.mode, observation.mark);
  bool recorded = reaper_wait(reaper);
  if (!reaper_end_all(reaper, !recorded)) fail("a process of the guest cannot be ended", NULL);
  bool drained = ring_stop(ring);
  if (!options->keep_going && (!recorded || !drained)) {
    return closed(options, "the audit channel was closed: the command was ended");
  }
  return reaper->ended ? status_of(reaper->status) : STATUS_FAILED;
}

/* Nobody of the same user may read this memory, trace this process or open its descriptors. */
static void harden(void) {
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int main(int argc, char **argv) {
  struct options options;
  struct launch launch;
  struct launch_inheritance inheritance;
  struct ring ring;
  char problem[256];
  if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(usage, stdout) < 0 ? STATUS_FAILED : 0;
  if (options_parse(&options, argc, argv, problem, sizeof problem) != 0) return fail(problem, NULL);
  harden();
  const struct sigaction usual = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &usual, &inheritance.child_action); /* ignored, children would vanish unseen */
  struct reaper reaper = {.own_group = options.own_group, .keep_going = options.keep_going};
  reaper.signals = reaper_signals(&inheritance.mask);
  if (reaper.signals < 0) return fail("signals cannot be received", strerror(errno));
  reaper.channel = introduce(&options);
  if (reaper.channel < 0) return STATUS_FAILED;
  int channel = reaper.channel;
  if (launch_fork(&launch, &options, &inheritance, channel) != 0) return fail("no process", strerror(errno));
  reaper.guest = launch.guest;
  if (ring_start(&ring, channel) != 0) {
    kill(launch.guest, SIGKILL);
    return fail("no memory or no thread", NULL);
  }
  return run(&options, &reaper, &launch, &ring);
}
