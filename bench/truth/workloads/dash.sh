# Dash: the PATH search, background jobs, traps, `command`, a missing program, a script of another interpreter.
exec /bin/dash -eu -c '
PATH=$PWD/nowhere:$PWD:$PATH
printf "#!/bin/dash\necho script \$0 \$1\n" >tool; chmod +x tool
tool one | sed "s,$PWD/,,"
printf "#!/usr/bin/perl\nprint qq(perl script\\n)\n" >other; chmod +x other; other
command -p ls -d . && (missing-program) 2>/dev/null || echo "status $?"
cat tool >copy & wait; cp copy copy2
{ echo a; echo b; } | while read -r x; do echo "$x" >"file-$x"; done
ls file-a file-b; rm -f copy2
trap "echo trapped; cat tool >/dev/null" EXIT
n=0; while [ $n -lt 20 ]; do /bin/true; : >"n$n"; n=$((n + 1)); done
ls n* | wc -l
'
