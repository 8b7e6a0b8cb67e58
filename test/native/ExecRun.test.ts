import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cli from "../fixtures/Cli.ts"
import * as Exec from "./ExecGuest.ts"
import * as Shim from "./ShimGuest.ts"

const sh = (script: string): ReadonlyArray<string> => ["sh", "-c", script]

/** Everything in /proc that one user may read and that could hold a secret, and every descriptor of a socket. */
const search = `
for process in /proc/[0-9]*; do
  for name in environ cmdline; do tr '\\0' '\\n' < $process/$name 2>/dev/null; done
done
exit 0
`

describe("agent-exec", () => {
  it.each([
    ["exit 0", 0],
    ["exit 7", 7],
    ["exit 255", 255],
    ["kill -KILL $$", 137],
    ["kill -TERM $$", 143]
  ])("passes on how the command ended: %s", async (script, status) => {
    const run = await Exec.run(sh(script))
    assert.deepStrictEqual([run.status, run.signal, run.stderr], [status, null, ""])
    const [exit] = Exec.exits(run.events)
    assert.strictEqual(exit?.status ?? 128 + (exit?.signal ?? 0), status)
    assert.isAbove((exit?.user_us ?? 0) + (exit?.system_us ?? 0), 0)
    assert.isAbove(exit?.max_rss_kib ?? 0, 0)
  })

  it.each([
    ["no-such-command", 127, /command not found/],
    ["/no/such/path", 127, /command not found/],
    ["/", 126, /Permission denied/],
    ["/etc/passwd", 126, /Permission denied/]
  ])("says what shells say of %s", async (command, status, message) => {
    const run = await Exec.run([command], { through: Exec.asNobody })
    assert.strictEqual(run.status, status)
    assert.match(run.stderr, message)
    assert.match(run.stderr, /^agent-exec: [^\n]+\n$/)
  })

  it("runs a script without #! with sh, as execvp does", async () => {
    const script = Path.join(Cli.scratch(), "script")
    Fs.writeFileSync(script, "echo from sh: $1\n", { mode: 0o755 })
    const run = await Exec.run([script, "x"])
    assert.deepStrictEqual([run.status, run.stdout], [0, "from sh: x\n"])
  })

  it.each([
    [[], /--endpoint is missing/],
    [["--endpoint", "unix:///nowhere/s", "--session", "s", "--secret-file", "/nowhere/f"], /secret cannot be read/],
    [["--frobnicate", "1"], /unknown option "--frobnicate"/]
  ])("fails with 125 and one line: %j", async (args, message) => {
    const child = await Shim.run([Exec.agentExec, ...args, "--", "true"], {})
    assert.strictEqual(child.status, 125)
    assert.match(child.stderr, message)
    assert.match(child.stderr, /^agent-exec: [^\n]+\n$/)
  })

  it("fails with 125 when nobody takes events", async () => {
    const receiver = await Shim.receiver()
    await receiver.stop()
    const running = Exec.start(["true"], { endpoint: receiver.endpoint })
    const result = await running.done
    assert.strictEqual(result.status, 125)
    assert.match(result.stderr, /the audit channel cannot be opened/)
    assert.isFalse(Fs.existsSync(running.secretFile))
  })

  it("shows the secret to the collector, first, and to nobody else", async () => {
    const run = await Exec.run(sh(search))
    const [line] = run.receiver.connections[0]?.lines ?? []
    assert.strictEqual(line, run.running.secret)
    assert.isFalse(Fs.existsSync(run.running.secretFile))
    assert.include(run.stdout, "--secret-file") // it did look at agent-exec's command line
    assert.notInclude(run.stdout, run.running.secret)
    const inherited = await Exec.run(["ls", "/proc/self/fd"])
    const bare = await Shim.run(["ls", "/proc/self/fd"], {})
    assert.strictEqual(inherited.stdout, bare.stdout)
  })

  it("cannot be looked into by a guest of the same user", async () => {
    const script = "cat /proc/$PPID/environ; ls /proc/$PPID/fd; head -c 1 /proc/$PPID/mem; cat /proc/$PPID/maps; exit 0"
    const run = await Exec.run(sh(script), { through: Exec.asNobody })
    assert.deepStrictEqual([run.status, run.stdout], [0, ""])
    assert.strictEqual(run.stderr.match(/Permission denied/g)?.length, 4)
  })

  it("sends Start before the command's exec, and Exit", async () => {
    const { events } = await Exec.run(["true"])
    const [start] = Exec.starts(events)
    assert.deepStrictEqual(
      events.slice(0, 2).map(({ event_type: type }) => type),
      ["Start", "Exec"]
    )
    assert.deepStrictEqual([start?.mode, start?.asked, start?.reasons], ["hybrid", "hybrid", []])
    const [exec] = Shim.execs(events)
    assert.deepStrictEqual([exec?.pid, exec?.ppid, exec?.argv], [start?.pid, start?.supervisor_pid, ["true"]])
    assert.strictEqual(Exec.exits(events)[0]?.pid, start?.pid)
  })

  it.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGQUIT"] as const)(
    "passes %s on",
    async (name) => {
      const receiver = await Shim.receiver()
      const script = `trap 'echo got; exit 3' ${name.slice(3)}; echo ready; while :; do sleep 0.05; done`
      const running = Exec.start(sh(script), { endpoint: receiver.endpoint })
      await running.printed(/ready/)
      running.child.kill(name)
      const result = await running.done
      assert.deepStrictEqual([result.status, result.stdout], [3, "ready\ngot\n"])
    }
  )

  it("passes signals on to the whole group when the command leads one", async () => {
    const receiver = await Shim.receiver()
    const script =
      "trap 'echo parent' TERM; (trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.05; done) & wait; wait"
    const running = Exec.start(sh(script), { endpoint: receiver.endpoint, args: ["--own-group"] })
    await running.printed(/ready/)
    running.child.kill("SIGTERM")
    const { stdout } = await running.done
    assert.deepStrictEqual(stdout.trim().split("\n").toSorted(), ["child", "parent", "ready"])
  })

  it.for([
    { what: "ends a daemon that the command leaves behind", more: [] },
    { what: "kills a daemon that ignores SIGTERM", more: ["stubborn"] }
  ])("$what", async ({ more }, context) => {
    const receiver = await Shim.receiver()
    const running = Exec.start([Exec.compile(context), "daemon", ...more], { endpoint: receiver.endpoint })
    const [, pid] = await running.printed(/daemon ([0-9]+)/)
    const { status } = await running.done
    assert.strictEqual(status, 0)
    assert.isFalse(Cli.isAlive(Number(pid)))
  })

  it("kills everything, and fails with 125, when the audit channel closes", async () => {
    const receiver = await Shim.receiver()
    const running = Exec.start(sh("setsid sleep 1000 & echo pid $!; wait"), { endpoint: receiver.endpoint })
    const [, pid] = await running.printed(/pid ([0-9]+)/)
    await receiver.stop()
    const result = await running.done
    assert.strictEqual(result.status, 125)
    assert.match(result.stderr, /^agent-exec: the audit channel was closed/m)
    assert.isFalse(Cli.isAlive(Number(pid)))
  })

  it("goes on without an audit channel where it is told to", async () => {
    const receiver = await Shim.receiver()
    const script = "echo ready; while test -e $GATE; do sleep 0.05; done; cat /dev/null; exit 7"
    const gate = Path.join(Cli.scratch(), "gate")
    Fs.writeFileSync(gate, "")
    const running = Exec.start(sh(script), {
      endpoint: receiver.endpoint,
      args: ["--keep-going"],
      env: { GATE: gate }
    })
    await running.printed(/ready/)
    await receiver.stop()
    Fs.rmSync(gate)
    assert.strictEqual((await running.done).status, 7)
  })

  it("takes the guest with it when it is killed", async () => {
    const receiver = await Shim.receiver()
    const running = Exec.start(sh("echo pid $$; exec sleep 1000"), { endpoint: receiver.endpoint })
    const [, pid] = await running.printed(/pid ([0-9]+)/)
    running.child.kill("SIGKILL")
    assert.strictEqual((await running.done).signal, "SIGKILL")
    await Cli.eventually(() => !Cli.isAlive(Number(pid)), "the guest ended")
  })

  it("reports over TCP as well", async () => {
    const receiver = await Shim.receive({ port: 0 })
    const running = Exec.start(["true"], { endpoint: receiver.endpoint })
    assert.strictEqual((await running.done).status, 0)
    assert.strictEqual(Exec.exits(await receiver.events())[0]?.status, 0)
  })
})
