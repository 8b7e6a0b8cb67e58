# A program with a malloc of its own, which opens files while it holds its lock, before any library was started.
set -eu
exec "$TRUTH_PROGRAMS/allocator"
