# zlib of Debian: the source, unpacked.
set -eu
. "$REAL/sources.sh"
source_of zlib
mv zlib-*/ source
