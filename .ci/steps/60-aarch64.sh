#!/usr/bin/env bash
# The native half for aarch64: compiled by a cross compiler with the same warnings, and checked for what it is. It is not
# run: that needs such a machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compiler=aarch64-linux-gnu-gcc
if ! command -v "$compiler" >/dev/null; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "please install: gcc-aarch64-linux-gnu" >&2; exit 1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross >/dev/null
fi
make -s -C native CC="$compiler" OUT="$work"
for file in agent-exec libauditshim.so; do
  readelf -h "$work/$file" | grep -q AArch64 || { echo "$file is not for aarch64" >&2; exit 1; }
done
! readelf -d "$work/libauditshim.so" | grep -q NEEDED || { echo "the shim needs a library" >&2; exit 1; }
ls -l "$work" | awk 'NR > 1 {print "    " $NF ", " $5 " bytes"}'
