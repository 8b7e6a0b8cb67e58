# zlib: configure, build with four jobs, and its tests.
set -eu
cd source
./configure
make -s -j4
make test
