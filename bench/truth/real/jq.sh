# jq: its library and program built again from a touched source, and its tests.
set -eu
cd source
touch src/main.c src/util.c
make -s -j4
make -s check VERBOSE=1
cat tests/*.log | grep -E '^(PASS|FAIL|SKIP|Total|[0-9]+ of)' | sort
