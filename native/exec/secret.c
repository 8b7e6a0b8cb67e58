#include "exec/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Up to `capacity` bytes, or -1. */
static ssize_t read_all(int fd, char *bytes, size_t capacity) {
  size_t length = 0;
  while (length < capacity) {
    ssize_t got = read(fd, bytes + length, capacity - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    length += (size_t)got;
  }
  return (ssize_t)length;
}

int secret_take(struct secret *secret, const char *file, int fd, const char **problem) {
  char bytes[SECRET_DIGITS + 2];
  int from = file == NULL ? fd : open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  int outcome = -1;
  ssize_t length = from < 0 ? -1 : read_all(from, bytes, sizeof bytes);
  secret->line[SECRET_DIGITS] = '\n';
  if (from >= 0) close(from);
  if (length < 0) {
    *problem = "the secret cannot be read";
  } else if (file != NULL && unlink(file) != 0) {
    *problem = "the secret's file cannot be removed";
  } else if (!(length == SECRET_DIGITS || (length == SECRET_DIGITS + 1 && bytes[SECRET_DIGITS] == '\n')) ||
             strspn(memcpy(secret->line, bytes, SECRET_DIGITS), "0123456789abcdef") < SECRET_DIGITS) {
    *problem = "the secret is not 64 lower-case hexadecimal digits";
  } else {
    outcome = 0;
  }
  explicit_bzero(bytes, sizeof bytes);
  return outcome;
}

void secret_forget(struct secret *secret) {
  explicit_bzero(secret, sizeof *secret);
}
