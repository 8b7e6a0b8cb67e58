#!/usr/bin/env bash
# A real run, as a user would have it: this project's own type check and unit tests under `agent run`, then the proof of
# it on a machine that has never seen the run.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
agent() { node bin/agent.cjs "$@"; }
export AGENTOPS_HOME=$work/home

expect() { # STATUS WORDS COMMAND…: runs it, wants that status, and that its first line begins with the words
  local status=0 wanted=$1 words=$2
  shift 2
  "$@" >"$work/out" 2>"$work/err" || status=$?
  echo "    exit $status: $(head -n 1 "$work/out")"
  if [ "$status" != "$wanted" ] || [[ "$(head -n 1 "$work/out")" != "$words"* ]]; then
    echo "wanted exit $wanted and \"$words\" of: $*" >&2
    cat "$work/out" "$work/err" >&2
    exit 1
  fi
}

echo "--- record the type check and the unit tests"
agent run --name real --timeout 15m -- sh -c 'npm run check && npx vitest run test/domain' \
  >"$work/console" 2>"$work/said" || { status=$?; cat "$work/console" "$work/said" >&2; exit "$status"; }
tail -n 4 "$work/console"
cat "$work/said"
grep -q 'passed' "$work/console" || { echo "no test ran" >&2; exit 1; }

echo "--- audit and export"
expect 0 INTACT agent audit real
expect 0 INTACT agent audit real --export "$work/proof.json"
key=$(agent trust show --host)
entries=$(grep -c '^{"e":' "$work/proof.json")
echo "    $entries entries, $(wc -c <"$work/proof.json") bytes"

echo "--- verify in an empty home"
export AGENTOPS_HOME=$work/elsewhere
expect 7 "KEY UNKNOWN" agent audit --verify "$work/proof.json"
[ ! -e "$AGENTOPS_HOME" ] || { echo "verifying made a home" >&2; exit 1; }
printf 'log %s\nquorum none\n' "$key" >"$work/policy.txt"
expect 0 INTACT agent audit --verify "$work/proof.json" --policy "$work/policy.txt"
expect 0 INTACT agent audit --verify "$work/proof.json" --policy "$key"

echo "--- change one byte"
seq=$((entries / 2))
awk -v n="$seq" '/^{"e":/ {if (i++ == n) sub(/"type":"./, "\"type\":\"x")} {print}' "$work/proof.json" >"$work/changed.json"
[ "$(cmp -l "$work/proof.json" "$work/changed.json" | wc -l)" = 1 ] || { echo "not one byte was changed" >&2; exit 1; }
expect 1 TAMPERED agent audit --verify "$work/changed.json" --policy "$key"
agent audit --verify "$work/changed.json" --policy "$key" --json >"$work/report" || true
grep -q "\"first_bad\":\[$seq,$seq\]" "$work/report" || { echo "wanted entry $seq:" >&2; cat "$work/report" >&2; exit 1; }
echo "    found at entry $seq"
