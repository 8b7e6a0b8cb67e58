#include "exec/search.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char shell[] = "/bin/sh";
static const char default_path[] = "/bin:/usr/bin"; /* as confstr(_CS_PATH) has it */

static int execute(const char *path, char **command, char **environment) {
  size_t count = 0;
  struct stat facts;
  execve(path, command, environment);
  if (errno == ENOENT && stat(path, &facts) == 0) return ELIBACC; /* it is there, its interpreter is not */
  if (errno != ENOEXEC) return errno;
  while (command[count] != NULL) count++;
  char **script = calloc(count + 2, sizeof *script);
  if (script == NULL) return ENOMEM;
  script[0] = (char *)shell;
  script[1] = (char *)path;
  memcpy(script + 2, command + 1, count * sizeof *script); /* with the NULL at the end */
  execve(shell, script, environment);
  return errno;
}

static const char *path_of(char **environment) {
  for (; *environment != NULL; environment++) {
    if (strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
  }
  return default_path;
}

int command_execute(char **command, char **environment) {
  char path[PATH_MAX];
  int reason = ENOENT;
  struct stat facts;
  if (strchr(command[0], '/') != NULL) return execute(command[0], command, environment);
  if (command[0][0] == '\0') return ENOENT;
  for (const char *folder = path_of(environment);; folder++) {
    size_t length = strcspn(folder, ":");
    /* An empty element is the working directory (POSIX.1-2024, XBD 8.3). */
    int written = snprintf(path, sizeof path, "%.*s%s%s", (int)length, folder, length == 0 ? "./" : "/", command[0]);
    folder += length;
    if (written > 0 && (size_t)written < sizeof path && stat(path, &facts) == 0) {
      if (S_ISREG(facts.st_mode) && access(path, X_OK) == 0) return execute(path, command, environment);
      reason = EACCES;
    }
    if (*folder == '\0') return reason;
  }
}
