/* Reads a guest's memory while the guest waits in a call. Addresses and bytes are the guest's: neither is trusted. */
#ifndef AGENTOPS_EXEC_MEMORY_H
#define AGENTOPS_EXEC_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes read, fewer when what follows is not mapped; otherwise -EFAULT, or -EPERM when it may not be read at all. */
ssize_t memory_read(pid_t thread, uint64_t address, void *bytes, size_t length);

/* All of it, or an error as above. */
int memory_read_all(pid_t thread, uint64_t address, void *bytes, size_t length);

/*
 * A NUL-terminated string of less than `capacity` bytes: its length without the NUL. -ENAMETOOLONG when it is longer;
 * then the first capacity - 1 bytes are there, terminated.
 */
ssize_t memory_string(pid_t thread, uint64_t address, char *bytes, size_t capacity);

#endif
