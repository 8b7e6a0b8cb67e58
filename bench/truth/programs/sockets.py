"""Every kind of connection that Python makes."""
import asyncio, os, socket, urllib.request

http, http6, closed = (int(os.environ[name]) for name in ("TRUTH_HTTP", "TRUTH_HTTP6", "TRUTH_CLOSED"))

with socket.create_connection(("127.0.0.1", http)) as s:
    s.sendall(b"GET /python HTTP/1.0\r\n\r\n")
    print(s.makefile().read().splitlines()[-1])
with socket.socket(socket.AF_INET6) as s:
    s.connect(("::1", http6))
with socket.socket() as s:
    print("connect_ex", s.connect_ex(("127.0.0.1", closed)))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect(("127.0.0.1", closed))
    print("datagram", s.getpeername()[0])
with socket.socket(socket.AF_UNIX) as s:
    s.connect(os.environ["TRUTH_UNIX"])
for name in ("\0no-such-abstract-name", "/no/such/socket", "relative-socket"):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(name)
        except OSError as error:
            print("refused", error.errno)
with socket.socket() as s:
    s.setblocking(False)
    s.connect_ex(("127.0.0.2", closed))
server = socket.socket(socket.AF_UNIX)
server.bind("\0agentops-truth-python")
server.listen()
with socket.socket(socket.AF_UNIX) as s:
    s.connect("\0agentops-truth-python")
    print("abstract")
server.close()
print(urllib.request.urlopen(f"http://127.0.0.1:{http}/urllib").read().decode(), end="")

async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", http)
    writer.write(b"GET /asyncio HTTP/1.0\r\n\r\n")
    print((await reader.read()).splitlines()[-1].decode())
    writer.close()

asyncio.run(main())
