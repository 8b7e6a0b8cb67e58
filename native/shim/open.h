/* What every way to open a file has in common. */
#ifndef AGENTOPS_SHIM_OPEN_H
#define AGENTOPS_SHIM_OPEN_H

#include "shim/shim.h"

#define E_IO 5
#define E_NOSYS 38
#define O_WRITE_ONLY 01
#define O_READ_WRITE 02
#define O_ACCESS 03
#define O_CREATE 0100
#define O_EXCLUSIVE 0200
#define O_TRUNCATE 01000
#define O_APPENDING 02000
#define O_NO_WAIT 04000
#define O_ON_EXEC_CLOSE 02000000
#if defined(__aarch64__)
#define O_FOLDER 040000
#else
#define O_FOLDER 0200000
#endif
#define O_UNNAMED_BIT 020000000
#define O_UNNAMED (O_UNNAMED_BIT | O_FOLDER)

/* Opens and reports. As libc: -1 and errno. */
int open_run(int dirfd, const char *path, int flags, unsigned mode);
/* Opens by openat with the mark (hybrid mode, reading) and reports; -1 and errno. */
int open_marked(int dirfd, const char *path, int flags);
/* Whether reading goes by open_marked now. */
int open_may_mark(void);
/* Closed mode: reports before the call; 0, and errno, when the call must not happen. */
int open_allowed(const struct open_event *event);
/* Open mode: reports after the call. */
void open_tell(const struct open_event *event, int failed);
/* Whether calls that open inside libc are reported here: in hybrid mode the supervisor sees them. */
int open_reports(void);

#endif
