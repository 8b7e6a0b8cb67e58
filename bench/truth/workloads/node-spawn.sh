# Node: spawn, exec, execFile, fork, the synchronous forms, worker threads and all of fs that opens.
set -eu
exec node "$TRUTH_SOURCES/spawn.mjs"
