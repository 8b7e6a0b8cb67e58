# tar with gzip and xz as children, append, extract to another directory; zip's relatives gzip, xz, split, cpio by tar.
set -eu
mkdir -p tree/a/b tree/c
for i in $(seq 30); do echo "content $i" >"tree/a/b/$i"; done
ln -s a tree/link
ln tree/a/b/1 tree/c/hard
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -czf tree.tgz tree
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf tree.txz tree
tar tzf tree.tgz | wc -l
mkdir out
tar xf tree.txz -C out
diff -r tree out/tree && echo same
tar cf plain.tar tree/a/b/1
tar rf plain.tar tree/a/b/2
tar --to-command='cat >>together' -xf plain.tar
cat together
gzip -k -n together && gunzip -t together.gz && zcat together.gz | wc -c
split -b 10 together part. && cat part.* | cmp - together && echo whole
