import { assert, describe, it } from "@effect/vitest"
import * as Path from "node:path"
import * as Cli from "../fixtures/Cli.ts"
import * as Evidence from "../fixtures/Evidence.ts"

const count = 8

describe("several commands at once on one home", { timeout: 180_000 }, () => {
  it(`${count} runs, the first of that home, are all INTACT and in one ledger`, async () => {
    const home = Cli.newHome()
    const results = await Promise.all(
      Array.from({ length: count }, (_, n) =>
        Cli.agent(["run", "-q", "--name", `n${n}`, "--", "sh", "-c", `seq 1 500; exit ${n}`], { home })
      )
    )
    assert.deepStrictEqual(
      results.map(({ status, stderr }) => [status, stderr]),
      results.map((_, n) => [n, ""])
    )
    const runs = Cli.runsOf(home)
    assert.lengthOf(runs, count)
    const audits = await Promise.all(results.map((_, n) => Cli.audit([`n${n}`], { home })))
    for (const { report } of audits) {
      assert.strictEqual(report.verdict, "INTACT")
      assert.strictEqual(report.counts["ledger"], 2)
    }
    const ledger = Evidence.assertLedger(home)
    const statements = (type: string) =>
      ledger
        .filter((leaf) => leaf.type === type)
        .map(({ data }) => String(data["origin"]))
        .toSorted()
    const origins = runs.map((run) => String(Cli.leaves(run)[0]?.data["origin"])).toSorted()
    assert.deepStrictEqual(statements("run.open"), origins)
    assert.deepStrictEqual(statements("run.close"), origins)
    const host = new Set(runs.map((run) => Cli.leaves(run)[0]?.data["host"]))
    assert.strictEqual(host.size, 1, "one host key was made")
  })

  it("recoveries do the work once", async () => {
    const home = Cli.newHome()
    const script = "while :; do echo line; sleep 0.01; done"
    const runs = Array.from({ length: 3 }, () => Cli.start(["run", "-q", "--", "sh", "-c", script], { home }))
    await Promise.all(runs.map((run) => run.until(() => run.stdout().length > 0, "the first line")))
    for (const run of runs) run.child.kill("SIGKILL") // only now: a run that starts would recover one that is dead
    await Promise.all(runs.map(({ done }) => done))
    const killed = Cli.runsOf(home).map((run) => Path.basename(run))
    assert.lengthOf(killed, 3)
    const recoveries = await Promise.all([
      ...Array.from({ length: 3 }, () => Cli.agent(["list"], { home })),
      ...Array.from({ length: 2 }, () => Cli.agent(["run", "-q", "--", "true"], { home })),
      Cli.agent(["audit", killed[0] ?? ""], { home })
    ])
    for (const { status, stderr } of recoveries) {
      assert.include([0, 5, 6], status) // 6: the audit looked while another command was at it
      assert.match(stderr, /^(?:agent: run_[0-9a-f]{12} was killed: [^\n]*\n)*$/)
    }
    const told = recoveries.flatMap(({ stderr }) => stderr.match(/run_[0-9a-f]{12}/g) ?? [])
    assert.lengthOf(told, 3, "one of them told of each run")
    assert.deepStrictEqual(told.toSorted(), killed)
    for (const id of killed) {
      const run = Path.join(home, "runs", id)
      assert.deepStrictEqual(
        Cli.leaves(run)
          .map(({ type }) => type)
          .filter((type) => type.startsWith("log.a")),
        ["log.abort"]
      )
      assert.strictEqual((await Cli.audit([id], { home })).report.verdict, "INCOMPLETE")
    }
    const closes = Evidence.assertLedger(home).filter(({ type }) => type === "run.close")
    assert.lengthOf(closes, 5)
  })

  it("a run that goes on is left alone by who looks, and is INCOMPLETE until it ends", async () => {
    const home = Cli.newHome()
    const script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    const run = Cli.start(["run", "-q", "--", "sh", "-c", script], { home })
    await run.until(() => run.stdout().length > 0, "the command is ready")
    const id = Path.basename(Cli.onlyRun(home))
    const [listed, audited, other] = await Promise.all([
      Cli.agent(["list", "--json"], { home }),
      Cli.audit([id], { home }),
      Cli.agent(["run", "-q", "--name", "other", "--", "true"], { home })
    ])
    assert.include(listed.stdout, '"state":"running"')
    assert.include(["INCOMPLETE", "UNSIGNED TAIL"], audited.report.verdict)
    assert.deepStrictEqual([listed.stderr, audited.stderr, other.stderr], ["", "", ""])
    assert.strictEqual(other.status, 0)
    run.child.kill("SIGTERM")
    assert.strictEqual((await run.done).status, 0)
    for (const directory of Cli.runsOf(home)) {
      assert.strictEqual((await Cli.audit([Path.basename(directory)], { home })).report.verdict, "INTACT")
    }
  })
})
