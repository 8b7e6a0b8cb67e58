# The same programs, linked with musl: another libc, another loader, one libauditshim.so.
set -eu
"$TRUTH_PROGRAMS/musl-exec"
"$TRUTH_PROGRAMS/musl-open"
exec "$TRUTH_PROGRAMS/musl-connect"
