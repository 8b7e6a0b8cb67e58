# The static busybox as shell and as every tool: nothing of it can be preloaded.
set -eu
exec /bin/busybox sh -eu -c '
busybox seq 20 | busybox sort -r >sorted
busybox head -n 1 sorted
busybox sed -i s/1/one/ sorted
busybox find . -name sorted -exec busybox cat {} \; | busybox wc -l
busybox wget -q -O page http://127.0.0.1:$TRUTH_HTTP/busybox && busybox cat page
busybox wget -q -O none http://127.0.0.1:$TRUTH_CLOSED/ 2>/dev/null || echo refused
busybox tar cf all.tar sorted page && busybox tar tf all.tar
busybox awk "BEGIN { print 1 > \"from-awk\" }"
busybox dd if=sorted of=copy bs=3 2>/dev/null
/bin/echo a dynamic program of a static shell
busybox env -i /bin/busybox echo clean
busybox xargs -n 1 busybox echo <from-awk
'
