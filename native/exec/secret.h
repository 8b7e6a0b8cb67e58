/* The runner's secret: 64 lower-case hexadecimal digits that only agent-exec ever holds. */
#ifndef AGENTOPS_EXEC_SECRET_H
#define AGENTOPS_EXEC_SECRET_H

enum { SECRET_DIGITS = 64 };

struct secret {
  char line[SECRET_DIGITS + 1]; /* the digits and LF: what the channel wants first */
};

/* Reads it from a file, which is then removed, or from a descriptor, which is then closed. -1: a problem. */
int secret_take(struct secret *secret, const char *file, int fd, const char **problem);

/* Overwrites it. */
void secret_forget(struct secret *secret);

#endif
