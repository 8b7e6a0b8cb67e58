# sed -i, and the tools of coreutils that write: cp, mv, install, dd, tee, truncate, sort -o, split, csplit, shred, mktemp.
set -eu
for i in 1 2 3; do echo "old text $i" >"s$i"; done
sed -i 's/old/new/' s1 s2 s3
sed -i.bak 's/text/word/' s1
sed -n 'w written' s1
cat s1 s1.bak s2 s3 written
cp s1 c1
cp -a --reflink=never s2 c2
mv c1 m1
install -m 600 s3 installed
dd if=s1 of=copied bs=4 status=none
echo tee | tee t1 t2 | tee -a t1
truncate -s 100 t2
sort -r -o s2 s2
csplit -s s1 1
shred -n 1 --random-source=/dev/zero s3
touch touched
ln -sf s1 soft && cat soft
file=$(mktemp) && echo temporary >"$file" && rm "$file"
comm -12 <(sort s1) <(sort copied)
ls | wc -l
