# Eight threads of one process that open, connect and spawn at the same time.
set -eu
exec "$TRUTH_PROGRAMS/threads"
