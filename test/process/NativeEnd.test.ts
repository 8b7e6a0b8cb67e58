import { assert, describe, it } from "@effect/vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"

const closing = (home: string) => Cli.leaves(Cli.onlyRun(home)).at(-1)?.data

const verdictOf = async (home: string) => (await Cli.audit([], { home })).report.verdict

/** Numbers that the command printed, one a line. */
const pids = (run: Cli.Running) => run.stdout().toString().trim().split("\n").map(Number)

/** Starts a command that prints process ids, and gives them when there are so many. */
const started = async (home: string, script: string, count: number, flags: ReadonlyArray<string> = []) => {
  const run = Cli.start(["run", "-q", ...flags, "--", "bash", "-c", script], { home })
  await run.until(() => run.stdout().toString().split("\n").length > count, `${count} lines`)
  return { run, pids: pids(run) }
}

const allGone = async (numbers: ReadonlyArray<number>) => {
  for (const pid of numbers) await Cli.eventually(() => !Cli.isAlive(pid), `process ${pid} ended`)
}

/** A daemon that nobody waits for, in a session of its own, and silent. */
const daemon = "setsid -f sh -c 'echo $$; exec sleep 300 >/dev/null 2>&1'"

describe("the end of a supervised command", { timeout: 120_000 }, () => {
  it("tells an exit of 137 from a kill", async (context) => {
    Native.needed(context)
    for (const [script, reason, signal] of [
      ["exit 137", "exit", null],
      ["kill -KILL $$", "signal", "SIGKILL"],
      ["kill -SEGV $$", "signal", "SIGSEGV"]
    ] as const) {
      const home = Cli.newHome()
      await Cli.agent(["run", "-q", "--", "sh", "-c", script], { home })
      const exited = Cli.leaves(Cli.onlyRun(home)).find(({ data }) => data["action"] === "exited")
      assert.deepStrictEqual([closing(home)?.["reason"], exited?.data["signal"]], [reason, signal])
    }
  })

  it("ends what left its session as well, and reads its output to the end", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const script = `${daemon}; setsid -f sh -c 'echo $$; trap "" TERM; while :; do sleep 0.1; done'; sleep 0.3; echo $$`
    const { pids, run } = await started(home, script, 3)
    const { status } = await run.done
    assert.strictEqual(status, 0)
    await allGone(pids)
    const exited = Cli.leaves(Cli.onlyRun(home)).find(({ data }) => data["action"] === "exited")
    assert.deepStrictEqual(exited?.data["output"], { stderr: "eof", stdout: "eof" })
    assert.strictEqual(await verdictOf(home), "INTACT")
  })

  it("by a time-out that it ignores is the end of everything, and still told by the supervisor", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const script = `trap '' TERM HUP; ${daemon}; echo $$; while :; do sleep 0.1; done`
    const { pids, run } = await started(home, script, 2, ["--timeout", "1s"])
    const { status } = await run.done
    assert.strictEqual(status, 137)
    await allGone(pids)
    assert.strictEqual(closing(home)?.["reason"], "timeout")
    const log = Cli.leaves(Cli.onlyRun(home))
    const main = log.find(({ data }) => data["action"] === "supervised")?.data["pid"]
    assert.isTrue(log.some(({ data, type }) => type === "exit" && data["pid"] === main && data["signal"] === 9))
    assert.strictEqual(await verdictOf(home), "INTACT")
  })

  it.for(["silent", "busy", "daemon"])("by kill -9 of agent: a %s command does not go on", async (kind, context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const scripts: Readonly<Record<string, string>> = {
      silent: "echo $PPID; echo $$; exec sleep 300",
      busy: "echo $PPID; echo $$; while :; do cat /etc/hostname >/dev/null; done",
      daemon: `echo $PPID; ${daemon}; exec sleep 300`
    }
    const { pids, run } = await started(home, scripts[kind] ?? "", 2)
    run.child.kill("SIGKILL")
    await run.done
    await allGone(pids)
    assert.strictEqual(await verdictOf(home), "INCOMPLETE")
  })

  it("by a kill of the supervisor stops the run with 125, and the log says that it is not complete", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const { pids, run } = await started(home, "echo $PPID; echo $$; exec sleep 300", 2)
    process.kill(pids[0] ?? 0, "SIGKILL")
    const { status, stderr } = await run.done
    assert.strictEqual(status, 125)
    assert.match(stderr, /^agent: run_[0-9a-f]{12} could not be recorded to its end and was stopped: [^\n]+\n$/)
    await allGone(pids)
    assert.strictEqual(closing(home)?.["reason"], "audit-failure")
    assert.strictEqual(await verdictOf(home), "INTACT")
  })
})

/** `agent run FLAGS -- echo hello` as the command of another run. */
const within = (flags: ReadonlyArray<string>, home: string) => {
  const inner = [process.execPath, Cli.agentPath, "run", ...flags, "--", "echo", "hello"]
  return Cli.agent(["run", "-q", "--", ...inner], { home, env: { TMPDIR: Cli.scratch() } })
}

describe("a run within a run, where the kernel allows one supervisor", { timeout: 120_000 }, () => {
  it("goes on with the library alone, and says so", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const { status, stderr, stdout } = await within(["-q"], home)
    assert.deepStrictEqual([status, stdout], [0, "hello\n"])
    assert.match(
      stderr,
      /^agent: [^\n]*of its dynamic programs are recorded \(shim\): [^\n]*another supervisor listens[^\n]*\n$/
    )
    for (const run of Cli.runsOf(home)) {
      assert.strictEqual((await Cli.audit([run.slice(run.lastIndexOf("/") + 1)], { home })).report.verdict, "INTACT")
    }
  })

  it.for([
    ["--record", "hybrid"],
    ["--record", "full"],
    ["--deny-exec", "/bin/ls"]
  ])("starts nothing with %s, which cannot be had", async (flags, context) => {
    Native.needed(context)
    const { status, stderr, stdout } = await within(["-q", ...flags], Cli.newHome())
    assert.deepStrictEqual([status, stdout], [125, ""])
    assert.match(stderr, /^agent-exec: [^\n]*seccomp notification is not available/)
    assert.match(stderr, /\nagent: run_[0-9a-f]{12} [^\n]*the supervisor did not start the command, and said why\n$/)
  })
})

describe("the command cannot reach the recorder", { timeout: 120_000 }, () => {
  it("neither signals nor stops agent or the supervisor", async (context) => {
    Native.needed(context)
    const home = Cli.newHome()
    const script = `agent=$(cut -d' ' -f4 /proc/$PPID/stat)
      for signal in KILL STOP TERM; do for pid in $PPID $agent; do
        kill -$signal $pid 2>/dev/null && echo "$signal reached $pid"; done; done; echo done`
    const run = await Cli.agent(["run", "-q", "--", "bash", "-c", script], { home })
    assert.deepStrictEqual([run.status, run.stdout], [0, "done\n"])
    const denied = Native.denials(Cli.leaves(Cli.onlyRun(home))).filter(({ action }) => action === "Signal")
    assert.lengthOf(denied, 6)
    assert.strictEqual(await verdictOf(home), "INTACT")
  })
})
