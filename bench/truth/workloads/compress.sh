# zstd's older relatives and checksums over many files: gzip, bzip2, xz, sha256sum, cksum, base64, od, cmp.
set -eu
for i in $(seq 10); do seq "$i" 500 >"n$i"; done
sha256sum n* >sums
sha256sum --quiet -c sums && echo checked
gzip -n n1 n2
bzip2 n3 n4
xz -T1 n5 n6
gunzip n1.gz && bunzip2 n3.bz2 && unxz n5.xz
base64 n7 | base64 -d | cmp - n7 && od -An -tx1 -N4 n7
paste n8 n9 | join -a1 - n10 2>/dev/null | wc -l
