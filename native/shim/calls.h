/* Hooks as syscall() reaches them: by numbers of system calls. */
#ifndef AGENTOPS_SHIM_CALLS_H
#define AGENTOPS_SHIM_CALLS_H

#include "shim/real.h"

struct how;
struct io_message;
struct many_message;

int execve_run(const char *path, strings argv, strings environment);
int execveat_run(int dirfd, const char *path, strings argv, strings environment, int flags);
int openat2_run(int dirfd, const char *path, const struct how *how, size_t size);
int connect_run(int fd, const void *address, unsigned length);
long sendto_run(int fd, const void *bytes, size_t size, int flags, const void *address, unsigned length);
long sendmsg_run(int fd, const struct io_message *message, int flags);
int sendmmsg_run(int fd, struct many_message *messages, unsigned count, int flags);

#endif
