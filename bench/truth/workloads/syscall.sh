# A dynamic program that makes the same calls by libc's syscall(), as rustc does.
set -eu
exec "$TRUTH_PROGRAMS/syscall"
