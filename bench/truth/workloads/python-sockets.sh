# Python: TCP, refused TCP, IPv6, UDP, Unix and abstract Unix sockets, connect_ex, asyncio and urllib.
set -eu
exec /usr/bin/python3 "$TRUTH_SOURCES/sockets.py"
