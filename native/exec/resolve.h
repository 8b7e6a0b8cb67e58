/*
 * Finds what a path of the guest names, as the guest's kernel would: from its root, its working directory or one of its
 * descriptors, through links, with /proc/self meaning the guest. For deny rules, which are about names: it takes time,
 * and what it found may have changed before the guest's call goes on.
 */
#ifndef AGENTOPS_EXEC_RESOLVE_H
#define AGENTOPS_EXEC_RESOLVE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct resolved {
  char given[2 * PATH_MAX]; /* the path made absolute, links and .. as they are */
  char real[2 * PATH_MAX];  /* without links; what does not exist yet keeps its last name */
  int error;                /* ENOENT or ENOTDIR, when something is missing */
};

enum resolution {
  RESOLVED,           /* both names are there */
  RESOLVED_NEW,       /* the same, but there is no such file yet */
  RESOLVED_NOT_FOUND, /* a directory of the path is missing, or is none: the kernel would say so too */
  RESOLVED_UNKNOWN    /* nothing can be said, such as when the guest is gone */
};

/* dirfd: of the guest, or AT_FDCWD. follow: whether a link at the end is followed. An empty path names dirfd itself. */
enum resolution resolve_path(pid_t process, pid_t thread, int dirfd, const char *path, bool follow,
                             struct resolved *resolved);

#endif
