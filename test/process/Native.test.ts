import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { onTestFinished } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"

const logOf = (home: string) => Cli.leaves(Cli.onlyRun(home))

const container = (log: ReadonlyArray<Cli.Leaf>, action: string) =>
  log.find(({ data, type }) => type === "container" && data["action"] === action)

const recordOf = (log: ReadonlyArray<Cli.Leaf>): Readonly<Record<string, unknown>> => {
  const record = container(log, "created")?.data["record"]
  if (typeof record !== "object" || record === null) throw new Error("the entry has no record")
  return { ...record }
}

const assertIntact = async (home: string) => {
  const { report, status } = await Cli.audit([], { home })
  assert.deepStrictEqual([report.verdict, status], ["INTACT", 0])
}

/** The path of a file that the guest may write, as the kernel names it. */
const output = () => Path.join(Fs.realpathSync(Cli.scratch()), "output")

describe("agent run records what the command does", { timeout: 120_000 }, () => {
  it("execs, opens for writing and for reading, how it was supervised and how it ended", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const written = output()
    const run = await Cli.agent(["run", "--", "sh", "-c", `ls /; cat /etc/hostname >${written}`], { home })
    assert.strictEqual(run.status, 0)
    assert.match(run.stderr, /^agent: recording [^\n]*; its execs, connects and opens are recorded \(hybrid\)\n/)
    const log = logOf(home)
    for (const program of ["sh", "ls", "cat"]) assert.include(Native.programs(log), `runner ${program}`)
    assert.deepStrictEqual(Native.openers(log, written, "write"), ["runner"])
    assert.deepStrictEqual(Native.openers(log, "/etc/hostname", "read"), ["shim"])

    const record = recordOf(log)
    assert.deepStrictEqual([record["asked"], record["mode"], record["reasons"]], ["auto", "hybrid", []])
    assert.match(JSON.stringify(record["files"]), /^\[\{"role":"launcher","sha256":"[0-9a-f]{64}"\},\{"role":"shim",/)
    assert.strictEqual(container(log, "supervised")?.source, "runner")
    assert.strictEqual(container(log, "supervised")?.data["mode"], "hybrid")
    const main = container(log, "supervised")?.data["pid"]
    const exit = log.find(({ data, type }) => type === "exit" && data["pid"] === main)
    assert.deepStrictEqual([exit?.source, exit?.data["status"]], ["runner", 0])
    for (const use of ["user_us", "system_us", "max_rss_kib", "minor_faults", "major_faults"]) {
      assert.isNumber(exit?.data[use])
    }
    await assertIntact(home)
  })

  it("--record full has the supervisor see opens for reading, too", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "-q", "--record", "full", "--", "cat", "/etc/hostname"], { home })
    assert.deepStrictEqual([run.status, run.stderr], [0, ""])
    assert.deepStrictEqual(Native.openers(logOf(home), "/etc/hostname", "read"), ["runner"])
    assert.strictEqual(container(logOf(home), "supervised")?.data["mode"], "full")
    await assertIntact(home)
  })

  it("--record shim leaves the supervisor out, and says what that misses", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const written = output()
    const script = `cat /etc/hostname >${written}`
    const run = await Cli.agent(["run", "--record", "shim", "--", "sh", "-c", script], { home })
    assert.strictEqual(run.status, 0)
    assert.match(run.stderr, /; the execs, connects and opens of its dynamic programs are recorded \(shim\)\n/)
    const log = logOf(home)
    assert.include(Native.programs(log), "shim cat")
    assert.deepStrictEqual(Native.openers(log, written, "write"), ["shim"])
    assert.deepStrictEqual(Native.openers(log, "/etc/hostname", "read"), ["shim"])
    await assertIntact(home)
  })

  it("programs without a loader, which nothing can be preloaded into", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const folder = Fs.realpathSync(Cli.scratch())
    const program = Native.staticProgram(
      context,
      folder,
      `#include <fcntl.h>
       #include <unistd.h>
       int main(int argc, char **argv) {
         if (argc < 2) return open("made", O_WRONLY | O_CREAT, 0600) < 0 || open("/etc/hostname", O_RDONLY) < 0;
         execl(argv[0], argv[0], (char *)0);
         return 1;
       }`
    )
    const run = await Cli.agent(["run", "-q", "--workspace", folder, "--", program, "again"], { home })
    assert.deepStrictEqual([run.status, run.stderr], [0, ""])
    const log = logOf(home)
    assert.deepStrictEqual(Native.programs(log), ["runner static", "runner static"])
    assert.deepStrictEqual(Native.openers(log, "made", "write"), ["runner"])
    assert.deepStrictEqual(Native.openers(log, "/etc/hostname", "read"), ["runner"])
    await assertIntact(home)
  })

  it("programs of another user, who cannot reach the socket: nothing is missed, and nothing fails", async (context) => {
    Native.needed(context)
    if (!Cli.isRoot) Native.without(context, "only root can become another user")
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "-q", "--", "setpriv", "--reuid=65534", "cat", "/etc/hostname"], {
      home,
      cwd: "/"
    })
    assert.strictEqual(run.status, 0)
    // Where this package is in a directory of ours alone, the loader says that it cannot read the library.
    assert.match(run.stderr, /^(?:ERROR: ld\.so: object '[^']+' from LD_PRELOAD cannot be preloaded [^\n]+\n)?$/)
    assert.deepStrictEqual(Native.openers(logOf(home), "/etc/hostname", "read"), ["runner"])
    assert.isFalse(logOf(home).some(({ type }) => type === "drop"))
    await assertIntact(home)
  })

  it("connects, with the address that was meant", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const server = Net.createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === "object" ? address?.port : undefined
    const run = await Cli.agent(["run", "-q", "--", "bash", "-c", `: </dev/tcp/127.0.0.1/${port}`], { home })
    assert.strictEqual(run.status, 0)
    const connect = logOf(home).find(({ data, type }) => type === "connect" && data["port"] === port)
    assert.deepStrictEqual(
      [connect?.source, connect?.data["family"], connect?.data["address"]],
      ["runner", "inet", "127.0.0.1"]
    )
    await assertIntact(home)
  })

  it("the agent's name goes with its events, and --jsonl writes them down as well", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "-q", "--agent", "claude", "--jsonl", "--", "ls", "/"], { home })
    assert.deepStrictEqual([run.status, run.stderr], [0, ""])
    const log = logOf(home)
    assert.strictEqual(container(log, "created")?.data["agent"], "claude")
    const exec = log.find(({ type }) => type === "exec")
    assert.strictEqual(exec?.data["agent"], "claude")
    const id = Path.basename(Cli.onlyRun(home))
    const text = Fs.readFileSync(Path.join(Cli.onlyRun(home), `session-${id}.jsonl`), "utf8")
    const lines = text.trimEnd().split("\n")
    for (const line of lines) assert.isObject(JSON.parse(line))
    const collected: unknown = container(log, "exited")?.data["collected"]
    assert.deepInclude(collected, { entries: lines.length, malformed: 0, dropped: 0 })
    await assertIntact(home)
  })

  it("the secret of the runner's channel is where the command cannot find it", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const script = 'ls -a "$AGENTOPS_HOME"/runs/*; tr "\\0" "\\n" </proc/$PPID/cmdline; env; cat /proc/$PPID/environ'
    const run = await Cli.agent(["run", "-q", "--", "sh", "-c", script], { home })
    assert.include(run.stdout, "audit.sock")
    assert.include(run.stdout, "AUDIT_ENDPOINT=unix:///")
    assert.notMatch(run.stdout, /^runner\.secret$/m)
    assert.notMatch(run.stdout, /[0-9a-f]{64}/)
    await assertIntact(home)
  })

  it("--record none records what is printed and nothing else, with nothing between", async () => {
    const home = Cli.newHome()
    const script = "cat /proc/$PPID/comm; env | grep -E '^(LD_PRELOAD|AUDIT_)'; ls $AGENTOPS_HOME/runs/*"
    const run = await Cli.agent(["run", "--record", "none", "--", "sh", "-c", script], { home })
    assert.strictEqual(run.status, 0)
    assert.notInclude(run.stdout, "agent-exec")
    assert.notMatch(run.stdout, /LD_PRELOAD|AUDIT_|audit\.sock|runner\.secret/)
    const types = new Set(logOf(home).map(({ type }) => type))
    assert.deepStrictEqual([...types], ["log.open", "container", "console", "log.close"])
    assert.deepStrictEqual(recordOf(logOf(home)), { asked: "none", files: [], mode: "none", reasons: [] })
    await assertIntact(home)
  })
})

describe("deny rules", { timeout: 120_000 }, () => {
  it("keep the command from executing, opening and connecting to what they name, and are recorded", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const folder = Fs.realpathSync(Cli.scratch())
    Fs.writeFileSync(Path.join(folder, "secret"), "the secret\n")
    const script = `ls / || echo ls $?; cat ${folder}/secret || echo cat $?; echo x >${folder}/kept || echo kept $?
      (: </dev/tcp/127.0.0.1/9) || echo tcp $?; cat /etc/hostname >${folder}/other && echo fine`
    const rules = ["--deny-exec", "*/ls", "--deny-open", `${folder}/secret:r`, "--deny-open", `${folder}/kept:w`]
    const flags = ["-q", ...rules, "--deny-connect", "127.0.0.0/8:9"]
    const run = await Cli.agent(["run", ...flags, "--", "bash", "-c", script], { home })
    assert.strictEqual(run.status, 0, run.stderr)
    assert.strictEqual(run.stdout, "ls 126\ncat 1\nkept 1\ntcp 1\nfine\n")
    assert.strictEqual(run.stderr.match(/Operation not permitted/g)?.length, 5)
    const denials = Native.denials(logOf(home)).map(({ action, rule }) => [action, rule])
    assert.deepStrictEqual(denials, [
      ["Exec", "*/ls"],
      ["Open", `${folder}/secret:r`],
      ["Open", `${folder}/kept:w`],
      ["Connect", "127.0.0.0/8:9"]
    ])
    assert.deepStrictEqual(recordOf(logOf(home))["deny"], {
      connect: ["127.0.0.0/8:9"],
      exec: ["*/ls"],
      open: [`${folder}/secret:r`, `${folder}/kept:w`]
    })
    await assertIntact(home)
  })

  it("that make no sense are refused in one line, before anything is made", async () => {
    const home = Cli.newHome()
    for (const flags of [
      ["--deny-exec", "curl"],
      ["--deny-connect", "example.org"],
      ["--deny-open", "x:r"],
      ["--record", "none", "--deny-exec", "/bin/ls"],
      ["--record", "none", "--jsonl"],
      ["--agent", "two words"],
      ["--record", "everything"]
    ]) {
      const run = await Cli.agent(["run", ...flags, "--", "true"], { home })
      assert.strictEqual(run.status, 2, flags.join(" "))
      assert.match(run.stderr, /^agent: [^\n]+\n$/)
    }
    assert.isFalse(Fs.existsSync(home))
  })
})

/** `agent run` of a package like this one. */
const through = (native: "none" | "broken") => {
  const agent = Native.packageCopy(Cli.scratch(), native)
  return (args: ReadonlyArray<string>, home: string) =>
    Cli.shell(`"${process.execPath}" "${agent}" run ${args.join(" ")}`, { home })
}

describe("where the native files are missing", { timeout: 120_000 }, () => {
  it("the run goes on and says so, on stderr and in the log, quiet or not", async () => {
    const agent = through("none")
    for (const flags of [[], ["-q"]]) {
      const home = Cli.newHome()
      const run = await agent([...flags, "--", "echo", "hello"], home)
      assert.deepStrictEqual([run.status, run.stdout], [0, "hello\n"])
      const said = /^agent: what it does is not recorded, but for what it prints: [^\n]+\n/m
      assert.match(run.stderr, said)
      const { mode, reasons } = recordOf(logOf(home))
      assert.strictEqual(mode, "none")
      assert.match(JSON.stringify(reasons), /native files|no supervisor/)
      await assertIntact(home)
    }
  })

  it("the run is refused with 125 and one line when a mode was named, and with 0 when that is none", async () => {
    const agent = through("none")
    for (const flags of ["--record hybrid", "--record full", "--record shim", "--deny-exec /bin/ls"]) {
      const home = Cli.newHome()
      const run = await agent([flags, "--", "echo", "hello"], home)
      assert.deepStrictEqual([run.status, run.stdout], [125, ""], run.stderr)
      assert.match(run.stderr, /^agent: [^\n]+\n$/)
      assert.strictEqual(logOf(home).at(-1)?.data["reason"], "not-started")
      await assertIntact(home)
    }
    assert.strictEqual((await agent(["-q", "--record", "none", "--", "true"], Cli.newHome())).stderr, "")
  })

  it("files that are there and are not what they must be are never executed", async (context) => {
    if (process.platform !== "linux") Native.without(context, "there are no native files on this platform")
    const agent = through("broken")
    const run = await agent(["--", "echo", "hello"], Cli.newHome())
    assert.deepStrictEqual([run.status, run.stdout], [125, ""])
    assert.match(run.stderr, /^agent: [^\n]*agent-exec is not an ELF file; [^\n]*--record none\n$/)
  })
})
