import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { TestContext } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"

/** What every script begins with: `link()` is a connection to the collector, `event()` a line that it takes. */
const prelude = `
import json, os, socket, sys
where = os.environ["AUDIT_ENDPOINT"][len("unix://"):]
def link():
    one = socket.socket(socket.AF_UNIX)
    one.connect(where)
    return one
def event(kind, payload, source="Shim", **rest):
    head = {"timestamp": "2025-12-01T12:00:00.000Z", "source": source, "event_type": kind}
    tail = {"metadata": {"session_id": os.environ["AUDIT_SESSION_ID"]}, "payload": payload}
    return (json.dumps({**head, **tail, **rest}) + "\\n").encode()
`

const python = "/usr/bin/python3"

/** Runs the script as a guest; its log, which verifies. */
const recorded = async (context: TestContext, script: string, flags: ReadonlyArray<string> = []) => {
  Native.needed(context)
  if (!Fs.existsSync(python)) Native.without(context, `${python} is missing`)
  const home = Cli.newHome()
  const path = Path.join(Cli.scratch(), "guest.py")
  Fs.writeFileSync(path, prelude + script)
  const run = await Cli.agent(["run", "-q", ...flags, "--", python, path], { home })
  assert.strictEqual(run.stderr, "")
  assert.strictEqual(run.status, 0)
  const { report, status } = await Cli.audit([], { home })
  assert.deepStrictEqual([report.verdict, status], ["INTACT", 0])
  return { run, log: Cli.leaves(Cli.onlyRun(home)) }
}

const from = (log: ReadonlyArray<Cli.Leaf>, type: string, source: string) =>
  log.filter((leaf) => leaf.type === type && leaf.source === source)

const reasons = (log: ReadonlyArray<Cli.Leaf>) =>
  from(log, "malformed", "shim").map(({ data }) => String(data["reason"]))

const exited = (log: ReadonlyArray<Cli.Leaf>) =>
  log.find(({ data, type }) => type === "container" && data["action"] === "exited")?.data

/** Shows the most memory that agentops itself took, in KiB: it is who started the supervisor. */
const memoryOfAgent = `
def parent(pid):
    with open(f"/proc/{pid}/status") as about:
        return int(next(line for line in about if line.startswith("PPid")).split()[1])
with open(f"/proc/{parent(os.getppid())}/status") as about:
    print(next(line for line in about if line.startswith("VmHWM")).split()[1])
`

describe("a guest that lies to the collector", { timeout: 120_000 }, () => {
  it("as the runner is recorded as what it is, with what it claims", async (context) => {
    const { log } = await recorded(
      context,
      `
usage = {"user_us": 1, "system_us": 1, "max_rss_kib": 1, "minor_faults": 0, "major_faults": 0}
one = link()
one.sendall(event("Exec", {"pid": 1, "ppid": 0, "path": "/bin/forged", "argv": ["forged"]}, source="Runner"))
one.sendall(event("Exit", {"pid": os.getpid(), "status": 0, **usage}, source="Runner"))
start = {"pid": os.getpid(), "supervisor_pid": 1, "mode": "none", "asked": "none", "reasons": []}
one.sendall(event("Start", start, source="Runner"))
`
    )
    const forged = log.filter(({ data }) => data["claims"] === "Runner")
    assert.sameMembers(
      forged.map(({ source, type }) => `${source} ${type}`),
      ["shim exec", "shim exit", "shim container"]
    )
    assert.lengthOf(from(log, "container", "runner"), 1)
    assert.strictEqual(from(log, "container", "runner")[0]?.data["mode"], "hybrid")
  })

  it("as the proxy or the recorder is refused, and the refusal is recorded", async (context) => {
    const { log } = await recorded(
      context,
      `
one = link()
one.sendall(event("Network", {"method": "GET", "url": "https://example.org/"}))
one.sendall(event("log.close", {"entries": 1, "reason": "exit", "exit": 0}, source="Recorder"))
one.sendall(json.dumps({"type": "log.close", "source": "recorder", "data": {}}).encode() + b"\\n")
one.sendall(b"0123456789abcdef" * 4 + b"\\n")
other = link()
other.sendall(b"0123456789abcdef" * 4 + b"\\n" + event("Exec", {"pid": 1, "ppid": 0, "path": "/never", "argv": []}))
`
    )
    assert.isAtLeast(reasons(log).length, 5)
    assert.lengthOf(from(log, "log.close", "recorder"), 1)
    assert.lengthOf(
      log.filter(({ source, type }) => type === "network" || source === "proxy"),
      0
    )
    const text = JSON.stringify(log.filter(({ data }) => data["path"] === "/never"))
    assert.strictEqual(text, "[]", "nothing is read behind a token that is not the runner's")
  })

  it("in bytes, half lines and depth harms no other line", async (context) => {
    const { log } = await recorded(
      context,
      `
good = event("Exec", {"pid": 1, "ppid": 0, "path": "/good", "argv": ["good"]})
one = link()
one.sendall(b"\\xff\\xfe\\x00\\n" + good + b"[" * 60000 + b"\\n" + good + b'{"timestamp":')
one.close()
`
    )
    assert.lengthOf(reasons(log), 3)
    const good = from(log, "exec", "shim").filter(({ data }) => data["path"] === "/good")
    assert.lengthOf(good, 2)
  })
})

describe("a guest that overwhelms the collector", { timeout: 300_000 }, () => {
  it("by a gigabyte without a newline costs one refusal and no memory", async (context) => {
    const { log, run } = await recorded(
      context,
      `
one = link()
piece = b"x" * (1 << 20)
for _ in range(1024): one.sendall(piece)
one.sendall(b"\\n" + event("Exec", {"pid": 1, "ppid": 0, "path": "/after", "argv": []}))
${memoryOfAgent}`
    )
    assert.lengthOf(reasons(log), 1)
    assert.match(reasons(log)[0] ?? "", /65 ?536/)
    assert.lengthOf(
      from(log, "exec", "shim").filter(({ data }) => data["path"] === "/after"),
      1
    )
    assert.isBelow(Number(run.stdout), 400 * 1024)
  })

  it("by a flood of events has each of them recorded, and its own connects and execs too", async (context) => {
    const { log } = await recorded(
      context,
      `
import subprocess
one = link()
line = event("Open", {"pid": 1, "path": "/flood", "flags": 0})
for _ in range(100): one.sendall(line * 1000)
subprocess.run(["/bin/true"])
`
    )
    const opens = from(log, "open", "shim").filter(({ data }) => data["path"] === "/flood")
    assert.lengthOf(opens, 100_000)
    assert.include(Native.programs(log), "runner true")
  })

  it("by 5000 connections has those beyond the bound closed and counted", async (context) => {
    const { log } = await recorded(
      context,
      `
import resource
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, 6000), max(limit, 6000)))
links = [link() for _ in range(5000)]
links[-1].recv(1) # nothing is ever sent: it comes back when the collector closes this one
links[0].sendall(event("Exec", {"pid": 1, "ppid": 0, "path": "/first", "argv": []}))
`
    )
    assert.isAtLeast(Number(Object(exited(log)?.["collected"])["connections"]), 5000)
    assert.lengthOf(
      from(log, "exec", "shim").filter(({ data }) => data["path"] === "/first"),
      1
    )
    assert.isTrue(reasons(log).every((reason) => reason.startsWith("a connection too many")))
    const dropped = log.filter(({ type }) => type === "log.drop").map(({ data }) => Number(data["count"]))
    const refused = dropped.reduce((sum, count) => sum + count, reasons(log).length)
    assert.isAtLeast(refused, 5000 - 4096)
    assert.strictEqual(Object(exited(log)?.["collected"])["malformed"], refused)
  })
})

describe("a guest that hides from what watches it", { timeout: 120_000 }, () => {
  it("without its environment is seen all the same", async (context) => {
    const { log } = await recorded(
      context,
      `
target = sys.argv[0] + ".out"
os.environ.clear()
os.system("/usr/bin/env -i /bin/cat /etc/hostname >" + target)
`
    )
    assert.include(Native.programs(log), "runner cat")
    assert.lengthOf(Native.openers(log, "/etc/hostname", "read"), 1)
  })

  it("with all of its descriptors closed is seen all the same", async (context) => {
    const { log } = await recorded(
      context,
      `
os.closerange(3, 65536)
with open("/etc/hostname") as name: name.read()
with open(sys.argv[0] + ".out", "w") as out: out.write("x")
os.execv("/bin/true", ["true"])
`
    )
    assert.lengthOf(Native.openers(log, "/etc/hostname", "read"), 1)
    assert.lengthOf(
      log.filter(({ data, type }) => type === "open" && String(data["path"]).endsWith("guest.py.out")),
      1
    )
    assert.include(Native.programs(log), "runner true")
  })

  it("by a double fork, another session and no memory that can be read is seen, and ended with the run", async (context) => {
    const { log, run } = await recorded(
      context,
      `
import ctypes, time
out = sys.argv[0] + ".out"
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
        open(out, "w").close()
        os.write(writer, str(os.getpid()).encode())
        os.close(1); os.close(2)
        time.sleep(300)
    os._exit(0)
print(os.read(reader, 64).decode())
`
    )
    assert.lengthOf(
      log.filter(({ data, type }) => type === "open" && String(data["path"]).endsWith("guest.py.out")),
      1
    )
    assert.isFalse(Cli.isAlive(Number(run.stdout)))
  })

  it("by static code, another system call interface or io_uring is seen or refused, which the log says", async (context) => {
    Native.needed(context)
    const folder = Cli.scratch()
    const guest = Path.join(folder, "hidden")
    Fs.writeFileSync(
      `${guest}.c`,
      `#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  syscall(SYS_openat, AT_FDCWD, "/etc/hostname", O_RDONLY);
  char room[256] = {0};
  printf("io_uring %d\\n", (int)syscall(425, 8, room) < 0 ? errno : 0);
#ifdef __x86_64__
  long answer;
  __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20L) : "memory");
  printf("int80 %ld\\n", -answer);
#endif
  return 0;
}
`
    )
    const made = spawnSync("cc", ["-static", "-o", guest, `${guest}.c`], { encoding: "utf8" })
    assert.strictEqual(made.status, 0, made.stderr)
    const { log, run } = await recorded(context, `os.execv(${JSON.stringify(guest)}, ["hidden"])`)
    assert.match(run.stdout, process.arch === "x64" ? /^io_uring 1\nint80 1\n$/ : /^io_uring 1\n$/)
    assert.include(Native.programs(log), "runner hidden")
    assert.lengthOf(Native.openers(log, "/etc/hostname", "read"), 1)
    const rules = Native.denials(log).map(({ rule }) => rule)
    const foreign = process.arch === "x64" ? ["foreign system call interface"] : []
    assert.deepStrictEqual(rules, ["io_uring", ...foreign])
  })

  it("that kills, stops, traces and limits its recorder gets EPERM, and each try is a denial", async (context) => {
    const { log, run } = await recorded(
      context,
      `
import ctypes, resource, signal
libc = ctypes.CDLL(None, use_errno=True)
supervisor = os.getppid()
with open(f"/proc/{supervisor}/status") as about:
    agent = int(next(line for line in about if line.startswith("PPid")).split()[1])
def refused(call):
    try: call()
    except PermissionError: return "refused"
    return "DONE"
for target in (supervisor, agent):
    print(refused(lambda: os.kill(target, signal.SIGKILL)), refused(lambda: os.kill(target, signal.SIGSTOP)))
    print("refused" if libc.ptrace(16, target, 0, 0) == -1 else "DONE")
    print(refused(lambda: resource.prlimit(target, resource.RLIMIT_NOFILE, (3, 3))))
    print(refused(lambda: resource.prlimit(target, resource.RLIMIT_CPU, (1, 1))))
print(refused(lambda: os.kill(-1, signal.SIGKILL)))
`
    )
    assert.notInclude(run.stdout, "DONE")
    const actions = Native.denials(log).map(({ action }) => action)
    for (const [action, times] of [
      ["Signal", 5],
      ["Ptrace", 2],
      ["Limit", 4]
    ] as const) {
      assert.lengthOf(
        actions.filter((each) => each === action),
        times,
        action
      )
    }
  })
})
