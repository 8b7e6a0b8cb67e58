import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Cli from "../fixtures/Cli.ts"
import * as Evidence from "../fixtures/Evidence.ts"

/** Kills of a recorder that prints continuously, and homes that they are spread over. */
const kills = 204
const lanes = Math.max(2, Math.min(6, Os.availableParallelism() + 2))

/** Numbered lines for ever, about 10 000 a second; a closed pipe ends it. */
const printer = "i=0; while :; do echo line $i; i=$((i+1)); [ $((i % 50)) = 0 ] && sleep 0.003; done"
const command = ["run", "-q", "--", "sh", "-c", printer]

/** A small generator of numbers in [0, 1): mulberry32, by Tommy Ettinger (public domain). */
const seeded = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

/** Waits for all, also when one fails: the others still work in directories that are to be removed. */
const allOf = async (lanes: ReadonlyArray<Promise<void>>) => {
  for (const lane of await Promise.allSettled(lanes)) if (lane.status === "rejected") throw lane.reason
}

/** What another process could see of a log: it was durable. */
interface Durable {
  readonly entries: number
  readonly note: string | undefined
}

const durable = (run: string | undefined): Durable | undefined => {
  if (run === undefined || !Fs.existsSync(Path.join(run, "audit.db"))) return undefined
  let database: Database.Database | undefined
  try {
    database = new Database(Path.join(run, "audit.db"), { readonly: true, fileMustExist: true, timeout: 0 })
    const entries = Number(database.prepare("SELECT count(*) FROM entries").pluck().get())
    const note = database.prepare<[], string>("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").pluck().get()
    return entries === 0 ? undefined : { entries, note }
  } catch {
    return undefined // no tables yet
  } finally {
    database?.close()
  }
}

/** The run directory that is not in `known`. */
const newRun = (home: string, known: ReadonlySet<string>) => Cli.runsOf(home).find((run) => !known.has(run))

/** What was found in a copy of a database after a kill. */
const inspect = async (home: string, run: string, seen: Durable | undefined, scratch: string) => {
  const path = Path.join(run, "audit.db")
  if (!Fs.existsSync(path) || Fs.statSync(path).size === 0) {
    assert.isUndefined(seen, "nothing durable is lost")
    return "blank"
  }
  const copy = Evidence.copyDatabase(path, scratch)
  const database = new Database(copy)
  try {
    assert.strictEqual(database.pragma("integrity_check", { simple: true }), "ok")
    const tables = Number(database.prepare("SELECT count(*) FROM sqlite_schema").pluck().get())
    if (tables === 0) {
      assert.isUndefined(seen, "nothing durable is lost")
      return "blank"
    }
    const texts = database.prepare<[], string>("SELECT leaf FROM entries ORDER BY seq").pluck().all()
    const log = texts.map((text): Cli.Leaf => JSON.parse(text))
    const notes = database.prepare<[], string>("SELECT note FROM checkpoints ORDER BY size").pluck().all()
    if (seen !== undefined) {
      assert.isAtLeast(log.length, seen.entries, "durable entries are there")
      if (seen.note !== undefined) assert.include(notes, seen.note, "and the checkpoint")
    }
    log.forEach(({ seq }, at) => assert.strictEqual(seq, at))
    const printed = log.filter(({ type }) => type === "console")
    printed.forEach(({ data }, at) => assert.strictEqual(data["line"], `line ${at}`))
    if (log.length === 0) return "blank"
  } finally {
    database.close()
  }
  const again = Evidence.copyDatabase(path, scratch)
  const { verdict } = await Evidence.verify(again, Evidence.policyOf(home))
  assert.include(["INCOMPLETE", "UNSIGNED TAIL"], verdict)
  return "log"
}

/** A log that was put away: closed by the host, INCOMPLETE, and never touched again. */
const assertPutAway = async (home: string, run: string) => {
  const log = Cli.leaves(run)
  assert.strictEqual(log.at(-1)?.type, "log.abort")
  assert.strictEqual(log.filter(({ type }) => type === "log.abort").length, 1)
  assert.deepStrictEqual([Cli.metadata(run)["state"], Cli.metadata(run)["entries"]], ["aborted", log.length])
  const { verdict } = await Evidence.verify(Path.join(run, "audit.db"), Evidence.policyOf(home))
  assert.strictEqual(verdict, "INCOMPLETE")
}

/** The commands that meet a killed run, in turn. */
const recover = async (home: string, run: string, turn: number) => {
  const id = Path.basename(run)
  switch (turn % 3) {
    case 0: {
      const { report, status, stderr } = await Cli.audit([id], { home })
      assert.deepStrictEqual([report.verdict, status], ["INCOMPLETE", 5])
      assert.include(stderr, `${id} was killed`)
      return
    }
    case 1: {
      const { status, stderr } = await Cli.agent(["list"], { home })
      assert.strictEqual(status, 0)
      assert.include(stderr, `${id} was killed`)
      return
    }
    default: {
      const summary = await Cli.agent(["run", "-q", "--json", "--", "echo", "next"], { home })
      assert.deepStrictEqual([summary.status, summary.stdout], [0, "next\n"])
      const next: { run: string } = JSON.parse(summary.stderr.trim().split("\n").at(-1) ?? "")
      const { report, status } = await Cli.audit([next.run], { home })
      assert.deepStrictEqual([report.verdict, status], ["INTACT", 0])
    }
  }
}

/** Every run that has a log is in the ledger with its end, once. */
const assertLedgerKnows = (home: string) => {
  const ledger = Evidence.assertLedger(home)
  for (const run of Cli.runsOf(home)) {
    const { entries, origin, state } = Cli.metadata(run)
    const closes = ledger.filter(({ data, type }) => type === "run.close" && data["origin"] === origin)
    const opens = ledger.filter(({ data, type }) => type === "run.open" && data["origin"] === origin)
    assert.isAtMost(opens.length, 1)
    const expected = state === "failed" ? [] : [[entries, state]]
    assert.deepStrictEqual(
      closes.map(({ data }) => [data["size"], data["state"]]),
      expected
    )
  }
}

/** Kills one recorder when `moment` completes. */
const killOne = async (home: string, moment: (run: Cli.Running) => Promise<void>) => {
  const known = new Set(Cli.runsOf(home))
  // What a killed process leaves in the directory for temporary files goes with the test.
  const running = Cli.start(command, { home, env: { TMPDIR: Path.dirname(home) } })
  await moment(running)
  const seen = durable(newRun(home, known))
  running.child.kill("SIGKILL")
  const { signal } = await running.done
  assert.strictEqual(signal, "SIGKILL")
  return { run: newRun(home, known), seen }
}

const pidOfGuest = (run: string): number | undefined => {
  const pid = Cli.leaves(run).find(({ data }) => data["action"] === "started")?.data["pid"]
  return typeof pid === "number" ? pid : undefined
}

describe("kill -9 of a recorder", () => {
  it(
    `${kills} times at any moment: nothing durable is lost, nothing is INTACT, everything is recoverable`,
    {
      timeout: 600_000
    },
    async () => {
      const scratch = Cli.scratch()
      const outcomes = { "before the directory": 0, blank: 0, log: 0 }
      const lane = async (number: number) => {
        const home = Path.join(scratch, `home${number}`)
        const random = seeded(number + 1)
        for (let turn = number; turn < kills; turn += lanes) {
          const atStart = random() < 0.5
          const delay = Math.floor(random() * (atStart ? 900 : 400))
          const { run, seen } = await killOne(home, async (running) => {
            if (!atStart) await running.until(() => running.stdout().length > 0, "the first line")
            await pause(delay)
          })
          const where = `kill ${turn}, ${delay} ms after ${atStart ? "the start" : "the first line"}`
          try {
            if (run === undefined) {
              outcomes["before the directory"]++
              continue
            }
            const found = await inspect(home, run, seen, Path.join(scratch, `copy${number}`))
            outcomes[found === "blank" ? "blank" : "log"]++
            if (found === "blank") continue
            const guest = pidOfGuest(run)
            await recover(home, run, turn)
            await assertPutAway(home, run)
            const before = Evidence.hashOf(Path.join(run, "audit.db"))
            if (turn % 4 === 0) {
              await recover(home, run, 2)
              assert.strictEqual(Evidence.hashOf(Path.join(run, "audit.db")), before, "a second time changes nothing")
            }
            if (guest !== undefined) await Cli.eventually(() => !Cli.isAlive(guest), "the command ended too")
          } catch (error) {
            throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
          }
        }
        if (Cli.runsOf(home).length === 0) return
        await recover(home, "", 2)
        assertLedgerKnows(home)
      }
      await allOf(Array.from({ length: lanes }, (_, number) => lane(number)))
      assert.strictEqual(outcomes.log + outcomes.blank + outcomes["before the directory"], kills)
      assert.isAbove(outcomes.log, kills / 2)
    }
  )

  it("between the run directory and log.open leaves nothing that stands in the way", { timeout: 120_000 }, async () => {
    const random = seeded(77)
    const lane = async () => {
      const home = Cli.newHome()
      const blank: Array<string> = []
      for (let turn = 0; turn < 6; turn++) {
        const known = new Set(Cli.runsOf(home))
        const { run } = await killOne(home, async () => {
          while (newRun(home, known) === undefined) await new Promise((resolve) => setImmediate(resolve))
          await pause(turn === 0 ? 0 : Math.floor(random() * 40))
        })
        if (run === undefined) continue
        if ((await inspect(home, run, undefined, Path.join(home, "..", "copy"))) === "blank") blank.push(run)
      }
      assert.isAbove(blank.length, 0)
      await recover(home, "", 2)
      const listed = await Cli.agent(["list", "--json"], { home })
      assert.deepStrictEqual([listed.status, listed.stderr], [0, ""])
      const states = listed.stdout
        .trim()
        .split("\n")
        .map((line): { state: string } => JSON.parse(line))
        .map(({ state }) => state)
      assert.notInclude(states, "running")
      for (const run of blank) {
        const audited = await Cli.agent(["audit", Path.basename(run)], { home })
        assert.deepStrictEqual([audited.status, audited.stdout], [2, ""])
        assert.match(audited.stderr, /^agent: cannot read [^\n]*: nothing was recorded\n$/)
      }
      Evidence.assertLedger(home)
    }
    await allOf([lane(), lane()])
  })

  it("of a recovery, at any moment, is recovered by the next command", { timeout: 300_000 }, async () => {
    const scratch = Cli.scratch()
    const lane = async (number: number) => {
      const home = Path.join(scratch, `home${number}`)
      const random = seeded(1000 + number)
      for (let turn = 0; turn < 4; turn++) {
        // Three runs to put away: more moments to be hit in.
        const killed: Array<string> = []
        for (let count = 0; count < 3; count++) {
          const { run } = await killOne(home, (running) =>
            running.until(() => running.stdout().length > 2000, "some lines")
          )
          if (run !== undefined) killed.push(run)
        }
        assert.lengthOf(killed, 3)
        for (let kill = 0; kill < 3; kill++) {
          const recovery = Cli.start(["list"], { home })
          const timer = setTimeout(() => recovery.child.kill("SIGKILL"), 150 + random() * 350)
          await recovery.done
          clearTimeout(timer)
          for (const run of killed) {
            const copy = Evidence.copyDatabase(Path.join(run, "audit.db"), Path.join(scratch, `copy${number}`))
            const { verdict } = await Evidence.verify(copy, Evidence.policyOf(home))
            assert.include(["INCOMPLETE", "UNSIGNED TAIL"], verdict)
          }
        }
        await recover(home, "", 2)
        for (const run of killed) await assertPutAway(home, run)
      }
      assertLedgerKnows(home)
      const listed = await Cli.agent(["list"], { home })
      assert.strictEqual(listed.stderr, "")
    }
    await allOf(Array.from({ length: Math.min(4, lanes) }, (_, number) => lane(number)))
  })
})
