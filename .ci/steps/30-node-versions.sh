#!/usr/bin/env bash
# The Node versions that the README promises, besides the one that runs all of CI: each from the registry, with a copy of
# this tree of its own, native modules compiled for it, and the tests of what depends on Node. They are installed side by
# side and tested one after the other.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null
export CI=true NO_COLOR=1 JOBS=${JOBS:-max}
work=$(mktemp -d)
chmod 755 "$work" # tests run programs as another user, who loads the shim from there
declare -A pids
finish() {
  local pid
  for pid in "${pids[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap finish EXIT
trap "exit 1" INT TERM HUP
fail() { # WHAT [LOG]
  if [ -n "${2:-}" ]; then tail -n 200 "$2" >&2; fi
  echo "FAILED: $1" >&2
  exit 1
}

# The lowest that is supported of 20, the latest of the others.
versions=(20.19.0 22 24)
tests=(
  test/layers                                                 # store, ledger, workers, verifier, collector, injector
  test/domain/{CertificateChain,Ed25519,TimestampToken}       # node:crypto
  test/domain/{Base64,FastLeaf,FastRange}                     # Buffer and TextDecoder
  test/process/{GarbageCollection,Launcher,Library}           # V8, the code cache, the package as others import it
  test/process/{Concurrent,Native,Run,Terminal}               # child processes, pipes, ptys, signals
)
crash='between the run directory|of a recovery'

own=$(node -p process.versions.node)
package=node-$(node -p 'process.platform + "-" + process.arch')

install() ( # VERSION
  set -x
  cd "$work/$1"
  npm install --prefix node --no-save --no-package-lock --ignore-scripts --no-audit --no-fund "$package@$1"
  home=$PWD/node/node_modules/$package
  test -f "$home/include/node/node_version.h"
  export PATH=$home/bin:$PATH npm_config_nodedir=$home
  cd tree
  test "$(node -p process.execPath)" = "$(realpath "$home/bin/node")"
  npm ci
)

chosen=()
for version in "${versions[@]}"; do
  case $own. in
    "${version%.0}".*) echo "node $version: everything before this step ran on $own" ;;
    *) chosen+=("$version") ;;
  esac
done

start=$SECONDS
set -m # a group of its own for each, so that all of it ends with this
for version in "${chosen[@]}"; do
  mkdir -p "$work/$version/tree"
  tar --exclude=./node_modules --exclude=./dist --exclude=./.git -cf - . | tar -xf - -C "$work/$version/tree"
  install "$version" >"$work/$version/install" 2>&1 &
  pids[$version]=$!
done
set +m
for version in "${chosen[@]}"; do
  wait "${pids[$version]}" || fail "node $version: npm ci" "$work/$version/install"
  unset "pids[$version]"
done
echo "installed ${chosen[*]} in $((SECONDS - start)) s"

for version in "${chosen[@]}"; do
  start=$SECONDS
  home=$work/$version/node/node_modules/$package
  vitest() ( # ARG…
    cd "$work/$version/tree"
    PATH=$home/bin:$PATH "$home/bin/node" node_modules/vitest/vitest.mjs run "$@"
  )
  for part in most crash; do
    log=$work/$version/$part
    case $part in
      most) run=("${tests[@]}") ;;
      crash) run=(test/process/Crash -t "$crash") ;;
    esac
    vitest "${run[@]}" >"$log" 2>&1 || fail "node $version: vitest run ${run[*]}" "$log"
    total=$(tail -n 1 "$log")
    [[ $total =~ ^[1-9][0-9]*\ passed,\ 0\ failed, ]] || fail "node $version: no totals" "$log"
    echo "    vitest run ${run[*]}: $total"
  done
  echo "node $("$home/bin/node" --version): passed in $((SECONDS - start)) s"
  rm -rf "${work:?}/$version"
done
