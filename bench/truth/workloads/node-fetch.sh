# Node: fetch, http over TCP and over a Unix socket, net to a port that refuses, dgram that connects.
set -eu
exec node "$TRUTH_SOURCES/fetch.mjs"
