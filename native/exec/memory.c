#include "exec/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* Old container profiles forbid process_vm_readv; the file in /proc asks for the same permission and is there. */
static ssize_t read_from_file(pid_t thread, uint64_t address, void *bytes, size_t length) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/mem", (int)thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -EPERM;
  ssize_t got = pread(fd, bytes, length, (off_t)address);
  int reason = errno;
  close(fd);
  if (got > 0) return got;
  return got < 0 && reason == EPERM ? -EPERM : -EFAULT;
}

ssize_t memory_read(pid_t thread, uint64_t address, void *bytes, size_t length) {
  const struct iovec local = {bytes, length};
  const struct iovec remote = {(void *)(uintptr_t)address, length}; /* NOLINT: an address of another process */
  if (length == 0) return 0;
  if (address > INT64_MAX) return -EFAULT;
  ssize_t got = process_vm_readv(thread, &local, 1, &remote, 1, 0);
  if (got > 0) return got;
  if (got < 0 && (errno == EPERM || errno == ENOSYS)) return read_from_file(thread, address, bytes, length);
  return got < 0 && errno == ESRCH ? -EPERM : -EFAULT;
}

int memory_read_all(pid_t thread, uint64_t address, void *bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t got = memory_read(thread, address + done, (char *)bytes + done, length - done);
    if (got < 0) return (int)got;
    done += (size_t)got;
  }
  return 0;
}

/* Never asks for more than the rest of a page: strings are short, and what follows them may not be mapped. */
ssize_t memory_string(pid_t thread, uint64_t address, char *bytes, size_t capacity) {
  size_t done = 0;
  while (done < capacity) {
    size_t wanted = PAGE - (size_t)((address + done) % PAGE);
    if (wanted > capacity - done) wanted = capacity - done;
    ssize_t got = memory_read(thread, address + done, bytes + done, wanted);
    if (got < 0) return got;
    const char *end = memchr(bytes + done, '\0', (size_t)got);
    if (end != NULL) return end - bytes;
    done += (size_t)got;
  }
  bytes[capacity - 1] = '\0';
  return -ENAMETOOLONG;
}
