# Every function of glibc that runs a program, opens a file or connects, called once by a dynamic program.
set -eu
"$TRUTH_PROGRAMS/libc-exec"
"$TRUTH_PROGRAMS/libc-open"
exec "$TRUTH_PROGRAMS/libc-connect"
