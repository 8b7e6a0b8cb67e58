#!/usr/bin/env bash
# What each mode records of real programs, against what strace saw of them. Prints the table of docs/coverage.md; fails
# when a promise of that page is broken.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null
packages=(
  strace bash dash python3 perl git gcc libc6-dev make tar xz-utils findutils sed mawk curl busybox-static musl-tools
  util-linux openssh-client openssl bzip2 gzip dpkg diffutils binutils debianutils
)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}"
  [ "$(id -u)" = 0 ] || { echo "please install: ${missing[*]}" >&2; exit 1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
timeout 1500 npm run -s ground-truth -- coverage
