# Programs that start programs: nice, nohup, timeout, setsid, setpriv, chroot, flock, stdbuf, time, run-parts, double forks.
set -eu
nice -n 1 /bin/echo nice
nohup sh -c 'echo nohup >nohup.made' </dev/null >/dev/null 2>&1
timeout 10 cat nohup.made
timeout -s KILL 10 sh -c 'exec echo timed'
setsid -w sh -c 'echo setsid >session'
cat session
setpriv --no-new-privs sh -c 'echo no new privileges >privileges; cat privileges'
flock lock sh -c 'echo locked'
stdbuf -o0 echo unbuffered
chroot / /bin/sh -c 'echo chroot'
mkdir parts && printf '#!/bin/sh\necho part\n' >parts/one && chmod +x parts/one && run-parts parts
mkfifo pipe
(sh -c '(sh -c "sleep 0.05; echo detached >detached; echo end >pipe") &') && cat pipe
cat detached
ionice -c 3 echo ionice
xargs -a session -n 1 echo
