import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { beforeEach } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"

const about = (leaf: Cli.Leaf): string =>
  leaf.type === "container" ? `container ${String(leaf.data["action"])}` : leaf.type

/** Sources of what comes through the collector. */
const collected: ReadonlySet<string> = new Set(["runner", "shim"])

/** The collector's entries: none before the guest was created, none after it was drained, and as many as it counted. */
const assertCollectedInOrder = (log: ReadonlyArray<Cli.Leaf>) => {
  const created = log.findIndex((leaf) => about(leaf) === "container created")
  const exited = log.findIndex((leaf) => about(leaf) === "container exited")
  const theirs = log.filter(({ source }) => collected.has(source))
  assert.isAbove(theirs.length, 0)
  assert.isTrue(
    theirs.every(({ seq }) => seq > created && seq < exited),
    "between the guest's start and its end"
  )
  assert.deepInclude(log[exited]?.data["collected"], { entries: theirs.length, malformed: 0, dropped: 0 })

  const told = theirs.filter(({ source }) => source === "runner").map(about)
  assert.deepStrictEqual([told[0], told[1]], ["container supervised", "exec"])
  const main = theirs.find((leaf) => about(leaf) === "container supervised")?.data["pid"]
  const ends = theirs.filter(({ data, type }) => type === "exit" && data["pid"] === main)
  assert.lengthOf(ends, 1)
}

/** What a closed run left, from the log, the ledger and the metadata. */
const assertReleasedInOrder = async (home: string, reason: string, exit: number) => {
  const run = Cli.onlyRun(home)
  const log = Cli.leaves(run)
  const origin = String(log[0]?.data["origin"])

  // Opened, started, printed, stopped, drained, closed: nothing of the guest after its end, and nothing after log.close.
  const own = new Set(["log.tick", "log.key", "log.clock"])
  const order = log
    .filter(({ source, type }) => !own.has(type) && !collected.has(source))
    .map(about)
    .filter((what, at, all) => what !== all[at - 1])
  const expected = ["log.open", "container created", "container started", "console", "container exited", "log.close"]
  assert.deepStrictEqual(order, expected)
  assertCollectedInOrder(log)
  const close = log.at(-1)
  assert.deepStrictEqual(
    [close?.data["reason"], close?.data["exit"], close?.data["entries"]],
    [reason, exit, log.length]
  )
  assert.strictEqual(log.at(-2)?.data["exit"], exit)
  assert.deepStrictEqual(log.at(-2)?.data["output"], { stderr: "eof", stdout: "eof" })

  // The last checkpoint covers log.close, and was there before the ledger heard of it.
  assert.strictEqual(Cli.checkpointSizes(Path.join(run, "audit.db")).at(-1), log.length)
  const ledger = Cli.leaves(Path.join(home, "ledger.db"))
  const statements = ledger.filter(({ data }) => data["origin"] === origin && data["kind"] === undefined)
  assert.deepStrictEqual(
    statements.map(({ data, type }) => [type, data["size"] ?? 1, data["state"]]),
    [
      ["run.open", 1, undefined],
      ["run.close", log.length, "closed"]
    ]
  )
  const [opened, closed] = statements
  assert.isTrue((opened?.ts ?? "") >= (log[0]?.ts ?? "?"), "log.open comes before run.open")
  assert.isTrue((opened?.ts ?? "?") <= (log[1]?.ts ?? ""), "run.open comes before the guest")
  assert.isTrue((closed?.ts ?? "") >= (close?.ts ?? "?"), "log.close comes before run.close")

  // The metadata comes last; nothing is left beside the database.
  const { ended, entries, exit: exitTold, state } = Cli.metadata(run)
  assert.deepStrictEqual([state, entries, exitTold], ["closed", log.length, exit])
  assert.isTrue(String(ended) >= (closed?.ts ?? "?"), "run.close comes before the metadata")
  assert.deepStrictEqual(Fs.readdirSync(run).toSorted(), ["audit.db", "metadata.json", "run.lock"])
  const { report, status } = await Cli.audit([], { home })
  assert.deepStrictEqual([report.verdict, status], ["INTACT", 0])
}

/** Goes on for ever, and says `ready` when its traps are set. */
const endless = (traps: string) => `${traps} echo ready; while :; do sleep 0.05; done`

const signalled = async (traps: string, signals: ReadonlyArray<NodeJS.Signals>) => {
  const home = Cli.newHome()
  const run = Cli.start(["run", "-q", "--", "sh", "-c", endless(traps)], { home })
  for (const [at, signal] of signals.entries()) {
    await run.until(() => run.stdout().toString().split("\n").length > at + 1, `line ${at + 1} came`)
    process.kill(run.pid, signal)
  }
  return { home, result: await run.done }
}

describe("the release of a run, from the log itself", { timeout: 120_000 }, () => {
  beforeEach((context) => Native.needed(context))

  it("after an exit", async () => {
    const home = Cli.newHome()
    const { status } = await Cli.agent(["run", "-q", "--", "sh", "-c", "seq 1 5000; exit 3"], { home })
    assert.strictEqual(status, 3)
    await assertReleasedInOrder(home, "exit", 3)
  })

  it("after a signal that the command got from somebody else", async () => {
    const home = Cli.newHome()
    const { status } = await Cli.agent(["run", "-q", "--", "sh", "-c", "seq 1 100; kill -9 $$"], { home })
    assert.strictEqual(status, 137)
    await assertReleasedInOrder(home, "signal", 137)
  })

  it("after a time-out", async () => {
    const home = Cli.newHome()
    const args = ["run", "-q", "--timeout", "600ms", "--", "sh", "-c", endless("")]
    const { status } = await Cli.agent(args, { home })
    assert.strictEqual(status, 143)
    await assertReleasedInOrder(home, "timeout", 143)
  })

  it("after a time-out that the command answers with more output", async () => {
    const home = Cli.newHome()
    const script = endless("trap 'seq 1 20000; exit 9' TERM;")
    const run = await Cli.agent(["run", "-q", "--timeout", "600ms", "--", "sh", "-c", script], { home })
    assert.strictEqual(run.status, 9)
    assert.isTrue(run.stdout.endsWith("\n20000\n"))
    await assertReleasedInOrder(home, "timeout", 9)
    assert.strictEqual(Cli.consoleBytes(Cli.leaves(Cli.onlyRun(home)), "stdout").toString(), run.stdout)
  })

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGQUIT", 131]
  ] as const)("after %s to agent, which ends the command", async (signal, status) => {
    const { home, result } = await signalled("", [signal])
    assert.deepStrictEqual([result.status, result.signal], [status, null])
    await assertReleasedInOrder(home, "interrupted", status)
  })

  it("after SIGINT that the command takes its time over", async () => {
    const { home, result } = await signalled("trap 'seq 1 20000; exit 7' INT;", ["SIGINT"])
    assert.strictEqual(result.status, 7)
    assert.isTrue(result.stdout.endsWith("\n20000\n"))
    await assertReleasedInOrder(home, "interrupted", 7)
  })

  it("after a second SIGINT, which kills a command that ignores the first", async () => {
    const { home, result } = await signalled("trap 'echo again' INT;", ["SIGINT", "SIGINT"])
    assert.strictEqual(result.status, 137)
    assert.isBelow(result.millis, 9_000)
    await assertReleasedInOrder(home, "interrupted", 137)
  })

  it("after SIGTERM to a command that ignores it, which gets its grace and no more", async () => {
    const { home, result } = await signalled("trap '' TERM;", ["SIGTERM"])
    assert.strictEqual(result.status, 137)
    assert.isAbove(result.millis, 10_000)
    await assertReleasedInOrder(home, "interrupted", 137)
  })
})
