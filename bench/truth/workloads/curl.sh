# curl: a page to a file, a Unix socket, a refused port, IPv6, file:, an upload, a config file, cookies.
set -eu
curl -qsS -o page "http://127.0.0.1:$TRUTH_HTTP/curl"
cat page
curl -qsS --unix-socket "$TRUTH_UNIX" http://loopback/unix
curl -qsS "http://127.0.0.1:$TRUTH_CLOSED/" 2>/dev/null || echo "refused $?"
curl -qsS "http://[::1]:$TRUTH_HTTP6/six"
curl -qsS "file://$PWD/page"
echo body >body
curl -qsS -T body "http://127.0.0.1:$TRUTH_HTTP/put"
printf 'url = "http://127.0.0.1:%s/config"\noutput = "configured"\n' "$TRUTH_HTTP" >rc
curl -qsS -K rc -c jar -D headers
cat configured
