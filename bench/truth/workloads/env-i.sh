# A cleaned environment: env -i, env -u LD_PRELOAD, exec -c, sudo's way with setpriv, and what runs below them.
set -eu
unset LD_PRELOAD
env -i /bin/sh -c 'echo clean; /bin/cat /etc/hostname >/dev/null; /bin/ls / >listing'
env -i PATH=/usr/bin:/bin bash -c 'env -u HOME sh -c "cat listing | wc -l >count"; test -s count && echo counted'
(exec -c /bin/sh -c '/bin/echo exec -c')
env -i PATH=/usr/bin:/bin LD_PRELOAD= python3 -c 'import os; os.execve("/bin/sh", ["sh", "-c", "echo from python; cat /dev/null >made"], {})'
env -i "$(command -v perl)" -e 'delete $ENV{LD_PRELOAD}; system("echo perl >>made; cat made")'
env -i /usr/bin/perl -e 'for my $i (1..3) { %ENV = (); exec "/bin/true" unless fork; wait }'
test -e made && echo end
