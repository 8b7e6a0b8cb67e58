# A dynamic program that makes the same calls by instructions of its own, past libc: a preloaded library is not asked.
set -eu
exec "$TRUTH_PROGRAMS/dynamic-raw"
