# A static program whose system calls are instructions of its own, as a Go program makes them: nothing of it can be preloaded.
set -eu
exec "$TRUTH_PROGRAMS/static-raw"
