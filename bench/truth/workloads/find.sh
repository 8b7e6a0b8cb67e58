# find: -exec for each, -exec with +, -execdir, -delete, -fprint; xargs with -P and from a NUL list.
set -eu
mkdir -p d/e/f
for i in $(seq 12); do echo "$i" >"d/e/$i.txt"; echo "$i" >"d/e/f/$i.dat"; done
find d -name '*.txt' -exec cat {} \; | sort -n | tail -n 1
find d -name '*.dat' -exec cat {} + | wc -l
find d/e/f -name '1.dat' -execdir cp {} copy.dat \;
find d -type f -fprint files
find d -name '*.dat' -print0 | xargs -0 -n 2 -P 4 cat | wc -l
sort files | xargs -I{} sh -c 'cat {} >>all; echo {} >/dev/null'
wc -l <all
find d -name '*.txt' -delete
find d -type f | wc -l
