import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { onTestFinished } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Exec from "./ExecGuest.ts"
import * as Shim from "./ShimGuest.ts"

/** Opens of one path for reading. */
const reads = (events: ReadonlyArray<Exec.Event>, path: string) =>
  events.filter(
    (event) => event.event_type === "Open" && event.payload.path === path && (event.payload.flags & 3) === 0
  )

const shim = ["--shim", Shim.library]

describe("what agent-exec records", () => {
  it("is all that a static program does with system calls of its own, with or without an environment", async (context) => {
    const guest = Exec.compile(context)
    const written = Path.join(Cli.scratch(), "written")
    const run = await Exec.run(["env", "-i", guest, "raw", "/etc/passwd", written], { args: shim })
    assert.deepStrictEqual([run.status, run.stdout], [0, "open 0\nwrite 0\nopenat2 0\n"])
    const own = Shim.opens(run.events).filter(({ path }) => path === "/etc/passwd" || path === written)
    assert.deepStrictEqual(
      own.map(({ flags, mode, path }) => [path, flags, mode]),
      [
        ["/etc/passwd", 0, undefined],
        [written, Fs.constants.O_WRONLY | Fs.constants.O_CREAT, 0o600],
        ["/etc/passwd", 0, undefined]
      ]
    )
    const last = Shim.execs(run.events).at(-1)
    assert.deepStrictEqual(last?.argv, ["true", "static raw"])
    assert.deepStrictEqual(last?.env, ["SECRET_TOKEN", "HOME=/nowhere"])
    assert.strictEqual(last?.cwd, "/")
  })

  it("has the supervisor's opens for writing and the shim's for reading in hybrid mode, each once", async () => {
    const file = Path.join(Cli.scratch(), "file")
    const run = await Exec.run(["bash", "-c", `echo x > ${file}; read y < ${file}; read z < ${file}`], { args: shim })
    assert.strictEqual(run.status, 0)
    const own = run.events.filter(
      ({ event_type: type, payload }) => type === "Open" && "path" in payload && payload.path === file
    )
    assert.deepStrictEqual(own.map(({ source }) => source).toSorted(), ["Runner", "Shim", "Shim"])
    assert.deepStrictEqual(new Set(reads(own, file).map(({ source }) => source)), new Set(["Shim"]))
    assert.deepStrictEqual(Shim.execs(run.events.filter(({ source }) => source === "Shim")), [])
  })

  it("has every open from the supervisor in full mode, and no shim", async () => {
    const args = [...shim, "--record", "full"]
    const run = await Exec.run(["sh", "-c", "cat /etc/passwd >/dev/null; env"], { args })
    assert.strictEqual(reads(run.events, "/etc/passwd").length, 1)
    assert.notMatch(run.stdout, /LD_PRELOAD|AUDIT_/)
    assert.isTrue(run.events.every(({ source }) => source === "Runner"))
  })

  it("comes from the shim alone in shim mode; the supervisor is protected all the same", async (context) => {
    const guest = Exec.compile(context)
    const args = [...shim, "--record", "shim"]
    const run = await Exec.run(["sh", "-c", `cat /etc/passwd >/dev/null; ${guest} attack $PPID`], { args })
    assert.strictEqual(Exec.results(run.stdout)["kill"], "EPERM")
    assert.strictEqual(reads(run.events, "/etc/passwd").length, 1)
    const byRunner = run.events.filter(({ source }) => source === "Runner").map(({ event_type: type }) => type)
    assert.deepStrictEqual(byRunner, ["Start", "Exit"])
  })

  it("is start and exit in mode none", async () => {
    const run = await Exec.run(["sh", "-c", "env"], { args: [...shim, "--record", "none"] })
    assert.deepStrictEqual(
      run.events.map(({ event_type: type }) => type),
      ["Start", "Exit"]
    )
    assert.notMatch(run.stdout, /AUDIT_/)
  })

  it("falls back to the shim where another supervisor listens, and says why", async () => {
    const inner = await Shim.receiver()
    const secret = Path.join(Cli.scratch(), "inner")
    const own = ["--endpoint", inner.endpoint, "--secret-file", secret, "--session", "run_inner", ...shim]
    Fs.writeFileSync(secret, "0".repeat(64))
    const run = await Exec.run([Exec.agentExec, ...own, "--", "cat", "/etc/passwd"])
    assert.strictEqual(run.status, 0)
    const events = await inner.events()
    const [start] = Exec.starts(events)
    assert.deepStrictEqual([start?.mode, start?.asked], ["shim", "hybrid"])
    assert.match(start?.reasons.join() ?? "", /^seccomp notification is not available \(EBUSY: [^)]+\)$/)
    assert.strictEqual(reads(events, "/etc/passwd").length, 1)
  })

  it("does not start a command whose deny rules cannot be enforced", async () => {
    const inner = await Shim.receiver()
    const secret = Path.join(Cli.scratch(), "inner")
    const own = ["--endpoint", inner.endpoint, "--secret-file", secret, "--session", "run_inner", "--deny-exec", "/x"]
    Fs.writeFileSync(secret, "0".repeat(64))
    const run = await Exec.run([Exec.agentExec, ...own, "--", "echo", "started"])
    assert.deepStrictEqual([run.status, run.stdout], [125, ""])
    assert.match(run.stderr, /^agent-exec: deny rules cannot be enforced[^\n]+\n$/)
  })

  it("says how each connect ended, also those that the program does not wait for", async (context) => {
    const guest = Exec.compile(context)
    const server = Net.createServer((socket) => socket.destroy()).listen(0, "127.0.0.1")
    await once(server, "listening")
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const script = [
      `${guest} connect 127.0.0.1 ${port}`,
      `${guest} connect 127.0.0.1 1`,
      `${guest} connect 127.0.0.1 1 now`
    ]
    const run = await Exec.run(["sh", "-c", script.join("; ")])
    const answers = ["0", "0", "EISCONN", "ECONNREFUSED", "0", "ECONNREFUSED", "EINPROGRESS", "2048"]
    assert.deepStrictEqual(
      run.stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[1]),
      answers
    )
    const { ECONNREFUSED, EINPROGRESS, EISCONN } = { ECONNREFUSED: 111, EINPROGRESS: 115, EISCONN: 106 }
    assert.deepStrictEqual(
      Shim.connects(run.events).map(({ address, family, port, result }) => [family, address, port, result]),
      [
        ["inet", "127.0.0.1", port, 0],
        ["inet", "127.0.0.1", port, EISCONN],
        ["inet", "127.0.0.1", 1, ECONNREFUSED],
        ["inet", "127.0.0.1", 1, ECONNREFUSED],
        ["inet", "127.0.0.1", 1, EINPROGRESS]
      ]
    )
  })

  it("does not wait for a connect that takes its time, which a signal ends", async (context) => {
    const guest = Exec.compile(context)
    const run = await Exec.run([guest, "slow"], { args: ["--record", "full"] })
    assert.strictEqual(run.status, 0)
    assert.deepStrictEqual(Exec.results(run.stdout), { opened: "1000", slow: "EINTR" })
    assert.strictEqual(Shim.connects(run.events).at(-1)?.result, 4)
  })

  it("is cut where arguments are too long, and says how many there were", async () => {
    const many = Array.from({ length: 3000 }, (_, index) => `argument-${index}`)
    const run = await Exec.run(["true", ...many])
    const exec = Shim.execs(run.events).at(-1)
    assert.deepStrictEqual([exec?.truncated, exec?.argc], [true, 3001])
    assert.isAbove(exec?.argv.length ?? 0, 500)
    assert.deepStrictEqual(exec?.argv[1], "argument-0")
  })

  it("has names that are no text as bytes", async () => {
    const run = await Exec.run(["bash", "-c", "cat $'/tmp/\\xff\\xfe'; exit 0"], { args: ["--record", "full"] })
    const bytes = Buffer.from([0x2f, 0x74, 0x6d, 0x70, 0x2f, 0xff, 0xfe]).toString("base64")
    assert.deepInclude(
      Shim.opens(run.events).map(({ path }) => path),
      { $b64: bytes }
    )
  })

  it("tells a search of PATH from an exec", async () => {
    const run = await Exec.run(["bash", "-c", "env -i PATH=/nowhere:/tmp:/usr/bin:/bin env true; /no/such; exit 0"])
    const done = Shim.execs(run.events).filter(({ result }) => result === undefined)
    assert.deepStrictEqual(
      done.map(({ argv }) => Shim.plain(argv[0])),
      ["bash", "env", "env", "true"]
    )
    const failed = Shim.execs(run.events).filter(({ result }) => result !== undefined)
    assert.isTrue(failed.every(({ result }) => result === 2))
  })

  it("loses nothing to a reader that is slower than 8 threads", async (context) => {
    const guest = Exec.compile(context)
    const path = Path.join(Cli.scratch(), "audit.sock")
    let opens = 0
    let rest = ""
    let ended = false
    const server = Net.createServer((socket) => {
      socket.setEncoding("latin1").on("data", (text: string) => {
        const lines = (rest + text).split("\n")
        rest = lines.pop() ?? ""
        for (const line of lines) if (line.includes('"/dev/null"')) opens++
        socket.pause()
        setTimeout(() => socket.resume(), 5) // the subject is a slow reader
      })
      socket.on("close", () => (ended = true))
    }).listen(path)
    await once(server, "listening")
    onTestFinished(() => void server.close())
    const running = Exec.start([guest, "opens", "8", "5000"], {
      endpoint: `unix://${path}`,
      args: ["--record", "full"]
    })
    const result = await running.done
    await Cli.eventually(() => ended, "everything was read")
    assert.deepStrictEqual([result.status, result.stdout], [0, "opens 40000\n"])
    assert.deepStrictEqual([opens, rest], [40_000, ""])
  })
})
