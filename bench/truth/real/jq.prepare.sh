# jq of Debian: the source, configured and built.
set -eu
. "$REAL/sources.sh"
source_of jq
mv jq-*/ source
cd source
{ autoreconf -fi && ./configure --disable-maintainer-mode --disable-valgrind --disable-docs && make -s -j4; } >build.log 2>&1 ||
  { tail -n 50 build.log >&2; exit 1; }
