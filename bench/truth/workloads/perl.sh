# Perl: system, backticks, open of files and pipes, exec, sockets, File::Temp.
set -eu
exec /usr/bin/perl "$TRUTH_SOURCES/perl.pl"
