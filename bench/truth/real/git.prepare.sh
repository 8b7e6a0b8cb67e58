# A repository of 6000 files and 3000 commits, the same every time.
set -eu
git init -q --bare -b main large.git
awk 'BEGIN {
  for (f = 0; f < 6000; f++) {
    text = ""
    for (l = 0; l < 20; l++) text = text sprintf("line %d of file %d: %d\n", l, f, (f * 7919 + l * 104729) % 1000003)
    printf "blob\nmark :%d\ndata %d\n%s\n", f + 1, length(text), text
  }
  printf "commit refs/heads/main\nmark :10000\ncommitter a <a@example.org> 1700000000 +0000\ndata 5\nstart\n"
  for (f = 0; f < 6000; f++) printf "M 100644 :%d d%d/e%d/f%d\n", f + 1, f % 20, f % 97, f
  print ""
  for (c = 1; c < 3000; c++) {
    message = sprintf("change %d\n", c)
    printf "commit refs/heads/main\nmark :%d\ncommitter a <a@example.org> %d +0000\ndata %d\n%s", 10000 + c, 1700000000 + c, length(message), message
    for (k = 0; k < 3; k++) {
      f = (c * 31 + k * 1009) % 6000
      text = sprintf("changed by %d\n", c)
      for (l = 0; l < 20; l++) text = text sprintf("line %d of file %d: %d\n", l, f, (f * 7919 + l * 104729 + (l == k ? c : 0)) % 1000003)
      printf "M 100644 inline d%d/e%d/f%d\ndata %d\n%s\n", f % 20, f % 97, f, length(text), text
    }
    print ""
  }
}' | git -C large.git fast-import --quiet
