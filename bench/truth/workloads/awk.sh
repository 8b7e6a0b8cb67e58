# awk: getline from files and commands, output to files and pipes, system(), close and reopen.
set -eu
seq 50 >numbers
awk '{ print > ("out" ($1 % 3)) } END { close("out0"); while ((getline line < "out0") > 0) n += line; print n }' numbers
awk 'BEGIN { while (("ls out0 out1 out2" | getline name) > 0) print name; system("wc -l <numbers"); print "x" | "cat >piped" }'
awk '{ print | "sort -rn >sorted" }' numbers
head -n 1 sorted
awk 'BEGIN { if ((getline line < "missing") < 0) print "missing"; printf "y" >> "piped" }'
cat piped
