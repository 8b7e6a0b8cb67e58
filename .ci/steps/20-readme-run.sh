#!/usr/bin/env bash
# The README's first command, word for word: it must do all the set-up, record, and say INTACT.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export AGENTOPS_HOME=$home/home
command=$(awk '/<!-- run -->/ {marked = 1; next} marked && /^```/ {if (inside) exit; inside = 1; next} inside {print}' README.md)
[ -n "$command" ] || { echo "README.md has no fenced block after <!-- run -->" >&2; exit 1; }
echo "$command"
bash -euo pipefail -c "$command" >"$home/out" 2>"$home/err" || { cat "$home/out" "$home/err" >&2; exit 1; }
tail -n 8 "$home/out"
grep -q '^hello$' "$home/out" && grep -q '^INTACT: ' "$home/out"
