# Bash: pipelines, substitutions, redirections of every kind, here-documents, its own /dev/tcp, exec.
set -eu
printf 'one\ntwo\nthree\n' >list
sort <list | uniq | wc -l >count
cat count
while read -r word; do echo "word: $word" >>words; done <list
grep -c word <(cat words)
diff <(sort list) <(sort words) >difference || echo "differs"
cat <<-text
	a here-document of $(basename "$PWD" | tr 'a-z' 'A-Z')
text
cat <<<"a here-string"
exec 5<>"/dev/tcp/127.0.0.1/$TRUTH_HTTP"
printf 'GET /bash HTTP/1.0\r\n\r\n' >&5
tail -n 1 <&5
exec 5>&-
(exec 2>/dev/null; : <"/dev/tcp/127.0.0.1/$TRUTH_CLOSED") || echo refused
(exec /bin/echo "replaced itself")
. ./list 2>/dev/null || true
read -r first rest </proc/self/stat && echo "stat was read"
coproc cat; echo through a coprocess >&"${COPROC[1]}"; exec {COPROC[1]}>&-; cat <&"${COPROC[0]}"; wait
printf 'x' >|list; [ -s list ] && echo end
