#!/usr/bin/env bash
# Test suites of real projects, git over a large repository and npm ci, bare and in each mode: the same results, or it fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null
packages=(
  git make gcc libc6-dev dpkg-dev patch xz-utils bzip2 autoconf automake libtool flex bison libonig-dev mawk findutils
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
timeout 2400 npm run -s ground-truth -- undisturbed
