import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { onTestFinished, type TestContext } from "vitest"
import * as VerifyDatabase from "../../src/layers/VerifyDatabase.ts"
import * as TlogPolicy from "../../src/domain/TlogPolicy.ts"
import * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import * as Either from "effect/Either"
import * as Cli from "../fixtures/Cli.ts"
import * as Senders from "../fixtures/Senders.ts"

const token = "5eed".repeat(16)

/** One line for the user, and nothing else. */
const oneLine = /^agent: [^\n]+\n$/

interface Collecting extends Cli.Running {
  readonly endpoints: ReadonlyArray<string>
  readonly file: string
  readonly hostKey: string | null
}

/** Starts `agent collector --json ARGS…` and waits until it listens. */
const collect = async (args: ReadonlyArray<string>, options: Cli.Options = {}): Promise<Collecting> => {
  const running = Cli.start(["collector", "--json", "--session", Senders.session, ...args], options)
  await running.until(() => running.stdout().includes(10), "it listens")
  const about = JSON.parse(running.stdout().toString().split("\n")[0] ?? "")
  assert.strictEqual(about.session, Senders.session)
  return { ...running, endpoints: about.endpoints, file: about.file, hostKey: about.host_key }
}

const stop = async (running: Collecting, signal: NodeJS.Signals = "SIGTERM") => {
  process.kill(running.pid, signal)
  const { status, stderr, stdout } = await running.done
  return { status, stderr, counts: JSON.parse(stdout.split("\n")[1] ?? "null") }
}

const linesOf = (file: string): ReadonlyArray<Record<string, unknown>> => {
  const text = Fs.readFileSync(file, "utf8")
  assert.isTrue(text === "" || text.endsWith("\n"), "no half line")
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

const pathsIn = (file: string) => linesOf(file).map(({ data }) => Object(data)["path"])

const verify = (path: string, hostKey: string | null) =>
  Effect.runPromise(
    VerifyDatabase.verifyFile(path, {
      ...VerifyOptions.nothing,
      policy: Either.getOrThrow(TlogPolicy.parse(hostKey ?? ""))
    })
  )

const places = () => {
  const directory = Cli.scratch()
  return { directory, socket: Path.join(directory, "audit.sock"), logs: Path.join(directory, "made", "logs") }
}

describe("agent collector", { timeout: 120_000 }, () => {
  it("writes what comes through its socket to a session file, until SIGTERM", async () => {
    const { directory, logs, socket } = places()
    const running = await collect(["--socket", socket, "--log-dir", logs], { home: Path.join(directory, "home") })
    assert.deepStrictEqual(running.endpoints, [`unix://${socket}`])
    assert.strictEqual(running.file, Path.join(logs, `session-${Senders.session}.jsonl`))
    await Senders.sendAll(`unix://${socket}`, Senders.open("/etc/hosts"))
    // Closed means durable.
    assert.deepInclude(linesOf(running.file)[0], {
      source: "shim",
      type: "open",
      data: { at: "2025-12-01T12:00:00.000Z", flags: 0, path: "/etc/hosts", pid: 41 }
    })
    await Senders.sendAll(`unix://${socket}`, "nonsense\n")
    const { counts, status, stderr } = await stop(running)
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.deepStrictEqual(counts, { connections: 2, entries: 2, malformed: 1, dropped: 0 })
    assert.isFalse(Fs.existsSync(socket))
    assert.isFalse(Fs.existsSync(Path.join(directory, "home")), "nothing is signed, so no key is made")
  })

  it("with --db writes the same records to a log that verifies", async () => {
    const { directory, logs, socket } = places()
    const db = Path.join(directory, "audit.db")
    const home = Path.join(directory, "home")
    const running = await collect(["--socket", socket, "--log-dir", logs, "--db", db], { home })
    const lines = Array.from({ length: 3000 }, (_, at) => Senders.open(`/${at}`))
    await Senders.sendAll(`unix://${socket}`, ...lines)
    const { counts, status } = await stop(running, "SIGINT")
    assert.deepStrictEqual([status, counts.entries], [0, 3000])
    const report = await verify(db, running.hostKey)
    assert.deepStrictEqual([report.verdict, report.findings], ["INTACT", []])
    const trusted = await Cli.audit(["--verify", db], { home })
    assert.deepStrictEqual([trusted.report.verdict, trusted.status], ["INTACT", 0])
    const foreign = await Cli.audit(["--verify", db], { home: Cli.newHome() })
    assert.deepStrictEqual([foreign.report.verdict, foreign.status], ["KEY UNKNOWN", 7])
    const log = Cli.leaves(db)
    assert.strictEqual(log.at(-1)?.type, "log.close")
    const recorded = log.filter(({ type }) => type === "open").map(({ data }) => data["path"])
    assert.deepStrictEqual(recorded, pathsIn(running.file))
    assert.strictEqual(recorded.length, 3000)
    const again = await Cli.agent(["collector", "--socket", socket, "--log-dir", logs, "--db", db], { home })
    assert.strictEqual(again.status, 1)
    assert.match(again.stderr, oneLine)
    assert.match(again.stderr, /exists/)
  })

  it("says where it listens in one line, and takes the session from the environment", async () => {
    const { logs, socket } = places()
    const running = Cli.start(["collector", "--socket", socket, "--log-dir", logs], {
      env: { AUDIT_SESSION_ID: "from-environment" }
    })
    await running.until(() => running.stderr().includes("\n"), "it listens")
    assert.match(running.stderr(), oneLine)
    assert.include(running.stderr(), `unix://${socket}`)
    assert.include(running.stderr(), Path.join(logs, "session-from-environment.jsonl"))
    process.kill(running.pid, "SIGTERM")
    const { status, stderr, stdout } = await running.done
    assert.deepStrictEqual([status, stdout], [0, ""])
    assert.match(stderr, oneLine)
  })

  it("listens on TCP for those who have the token, beside its socket", async () => {
    const { directory, logs, socket } = places()
    const file = Path.join(directory, "token")
    Fs.writeFileSync(file, `${token}\n`, { mode: 0o600 })
    const running = await collect(["--socket", socket, "--tcp", "127.0.0.1:0", "--token-file", file, "--log-dir", logs])
    const [unix = "", tcp = ""] = running.endpoints
    assert.match(tcp, /^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/)
    await Senders.sendAll(tcp, `${token}\n${Senders.open("/tcp")}`)
    await Senders.sendAll(unix, Senders.open("/unix"))
    await Senders.sendAll(tcp, `${"0".repeat(64)}\n${Senders.open("/forged")}`)
    const { counts, stderr } = await stop(running)
    assert.deepInclude(counts, { entries: 3, malformed: 1 })
    assert.deepStrictEqual(pathsIn(running.file), ["/tcp", "/unix", undefined])
    assert.notInclude(Fs.readFileSync(running.file, "utf8") + stderr, token)
  })

  it("opens its file anew at SIGHUP, so that a renamed one stays as it is", async () => {
    const { logs, socket } = places()
    const running = await collect(["--socket", socket, "--log-dir", logs])
    await Senders.sendAll(`unix://${socket}`, Senders.open("/before"))
    Fs.renameSync(running.file, `${running.file}.1`)
    process.kill(running.pid, "SIGHUP")
    await Cli.eventually(() => Fs.existsSync(running.file), "a new file")
    await Senders.sendAll(`unix://${socket}`, Senders.open("/after"))
    assert.strictEqual((await stop(running)).status, 0)
    assert.deepStrictEqual([pathsIn(`${running.file}.1`), pathsIn(running.file)], [["/before"], ["/after"]])
  })

  it("reads at SIGTERM all that was sent before", async () => {
    const { logs, socket } = places()
    const running = await collect(["--socket", socket, "--log-dir", logs])
    const senders = 20
    const lines = 300
    for (let at = 0; at < senders; at++) {
      const sender = await Senders.connect(`unix://${socket}`)
      await sender.send(Array.from({ length: lines }, (_, line) => Senders.open(`/${at}/${line}`)).join(""))
      if (at % 2 === 0) sender.socket.destroy()
    }
    const { counts, status } = await stop(running)
    assert.deepStrictEqual([status, counts.entries, counts.malformed], [0, senders * lines, 0])
    assert.strictEqual(linesOf(running.file).length, senders * lines)
  })

  it("that was killed leaves no half line behind: what it acknowledged is there, and the next one goes on", async () => {
    const { logs, socket } = places()
    const first = await collect(["--socket", socket, "--log-dir", logs])
    const flood = await Senders.connect(`unix://${socket}`)
    const acknowledged = ["/a", "/b", "/c"]
    for (const path of acknowledged) await Senders.sendAll(`unix://${socket}`, Senders.open(path))
    const pour = () => void (flood.socket.destroyed || flood.socket.write(Senders.open("/flood").repeat(500), pour))
    pour()
    await Cli.eventually(() => Fs.statSync(first.file).size > 1_000_000, "the flood")
    process.kill(first.pid, "SIGKILL")
    await first.done
    flood.socket.destroy()
    Fs.appendFileSync(first.file, '{"ts":"2025-12-01T1')
    const second = await collect(["--socket", socket, "--log-dir", logs])
    await Senders.sendAll(`unix://${socket}`, Senders.open("/next"))
    const { stderr } = await stop(second)
    assert.match(stderr, /its last line was not finished; \d+ bytes of it were cut off/)
    const paths = pathsIn(second.file)
    for (const path of [...acknowledged, "/next"]) assert.include(paths, path)
    assert.isTrue(linesOf(second.file).some(({ type }) => type === "log.drop"))
  })

  it("leaves a collector that lives alone", async () => {
    const { logs, socket } = places()
    const running = await collect(["--socket", socket, "--log-dir", logs])
    const second = await Cli.agent(["collector", "--socket", socket, "--log-dir", logs])
    assert.strictEqual(second.status, 1)
    assert.match(second.stderr, oneLine)
    assert.match(second.stderr, /another collector listens there/)
    await Senders.sendAll(`unix://${socket}`, Senders.open("/still"))
    assert.strictEqual((await stop(running)).counts.entries, 1)
  })

  it("says what is missing or wrong in one line, with status 2", async () => {
    const { directory, logs, socket } = places()
    const known = Path.join(directory, "token")
    Fs.writeFileSync(known, token, { mode: 0o644 })
    const bad = Path.join(directory, "bad")
    Fs.writeFileSync(bad, "secret", { mode: 0o600 })
    for (const [args, reason] of [
      [["--log-dir", logs], /nowhere to listen/],
      [["--socket", socket], /nowhere to write/],
      [["--tcp", "127.0.0.1:0", "--log-dir", logs], /--token-file/],
      [["--tcp", "127.0.0.1", "--token-file", bad, "--log-dir", logs], /ADDRESS:PORT/],
      [["--tcp", "127.0.0.1:0", "--token-file", bad, "--log-dir", logs], /64 lower-case hex digits/],
      [["--tcp", "127.0.0.1:0", "--token-file", known, "--log-dir", logs], /others may read it/],
      [["--socket", socket, "--token-file", bad, "--log-dir", logs], /goes with --tcp/],
      [["--socket", socket, "--log-dir", logs, "--session", "../x"], /session/]
    ] as const) {
      const { status, stderr, stdout } = await Cli.agent(["collector", ...args])
      assert.deepStrictEqual([status, stdout], [2, ""], stderr)
      assert.match(stderr, oneLine)
      assert.match(stderr, reason)
      assert.notInclude(stderr, "secret")
      assert.notInclude(stderr, token)
    }
    assert.isFalse(Fs.existsSync(logs))
  })

  it("whose disk is full stops with one line, and leaves whole lines", async (context) => {
    const { socket } = places()
    const logs = smallDisk(context, 512)
    const running = await collect(["--socket", socket, "--log-dir", logs])
    const sender = await Senders.connect(`unix://${socket}`)
    const pour = () => void (sender.socket.destroyed || sender.socket.write(Senders.open("/flood").repeat(500), pour))
    pour()
    const { status, stderr } = await running.done
    assert.strictEqual(status, 1)
    assert.match(stderr, oneLine)
    assert.match(stderr, /disk is full/)
    assert.isAbove(linesOf(running.file).length, 100)
    assert.isFalse(Fs.existsSync(socket))
  })
})

/** A file system of its own, of so many KiB. */
const smallDisk = (context: TestContext, kib: number): string => {
  const without = (why: string) => {
    if (process.env["CI"] === "true") throw new Error(why)
    context.skip(why)
  }
  const path = Cli.scratch()
  if (!Cli.isRoot) without("a small file system can only be mounted by root")
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${kib}k,mode=0700`, "tmpfs", path])
  if (mounted.status !== 0) without(`no tmpfs can be mounted: ${String(mounted.stderr).trim()}`)
  onTestFinished(() => {
    spawnSync("umount", ["-l", path])
  })
  return path
}
