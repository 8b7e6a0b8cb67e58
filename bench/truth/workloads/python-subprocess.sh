# Python: subprocess with and without a shell, with another directory and environment, os.system, popen, posix_spawn, exec.
set -eu
exec /usr/bin/python3 "$TRUTH_SOURCES/subprocesses.py"
