import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AuditSchema from "../../src/layers/AuditSchema.ts"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import * as RunStorageFile from "../../src/layers/RunStorageFile.ts"
import * as SignerMemory from "../../src/layers/SignerMemory.ts"
import * as VerifyDatabase from "../../src/layers/VerifyDatabase.ts"
import * as Recover from "../../src/programs/Recover.ts"
import { Ledger, LedgerBusy } from "../../src/services/Ledger.ts"
import { RunStorage, type StoredRun } from "../../src/services/RunStorage.ts"
import { Signer } from "../../src/services/Signer.ts"
import * as Logs from "../fixtures/Logs.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"

type Services = RunStorage | Ledger | Signer

const host = Logs.buildLog().host

/** Layers of one `agent` command. */
const servicesOf = (home: string): Layer.Layer<Services> => {
  const signer = Layer.succeed(Signer, SignerMemory.fromPair(host.pair, "agent.example"))
  const ledger = LedgerSqlite.layer({
    path: Path.join(home, "ledger.db"),
    keysDirectory: Path.join(home, "keys"),
    tool: "agentops/test"
  })
  return Layer.mergeAll(RunStorageFile.layer(home), Layer.provideMerge(ledger, signer))
}

const command = <A, E>(home: string, body: Effect.Effect<A, E, Services>): Effect.Effect<A, E> =>
  Effect.provide(body, servicesOf(home))

const startRun = Effect.gen(function* () {
  const storage = yield* RunStorage
  const { ledgerOrigin } = yield* Signer
  const origin = (id: string) => `${ledgerOrigin}/${id}`
  return yield* storage.create({ name: undefined, command: ["true"], workspace: "/", origin })
})

const records = Array.from({ length: 9 }, (_, n) => Logs.consoleLine(`line ${n}`))

const logOf = (run: StoredRun, options: Logs.LogOptions = {}) => Logs.buildLog({ run: run.id, records, ...options })

const rootOf = (log: Logs.Log, size: number): string =>
  log.notes.find((note) => note.size === size)?.note.split("\n")[2] ?? ""

/** A run that its recorder, dead by now, had told the ledger about; its metadata says `running`. */
const dead = (options: Logs.LogOptions = {}) =>
  Effect.gen(function* () {
    const run = yield* Effect.scoped(startRun)
    const log = logOf(run, options)
    Logs.writeDatabase(run.auditDb, log)
    const ledger = yield* Ledger
    yield* ledger.open({ origin: log.origin, key: log.epochs[0]?.vkey.text ?? "", root: rootOf(log, 1) })
    return { ...run, log }
  })

const aboutOf = (run: StoredRun) =>
  Effect.gen(function* () {
    const storage = yield* RunStorage
    const { about } = yield* storage.find(run.id)
    return { state: about?.state, ended: about?.ended, entries: about?.entries }
  })

const latestOf = (log: Logs.Log) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const { size, state, type } = Option.getOrThrow(yield* ledger.latest(log.origin))
    return [type, size, state]
  })

const typesIn = (path: string): ReadonlyArray<string> => {
  const database = new Database(path, { readonly: true })
  try {
    return database
      .prepare<[], { type: string }>("SELECT type FROM entries ORDER BY seq")
      .all()
      .map(({ type }) => type)
  } finally {
    database.close()
  }
}

const countIn = (path: string, type: string): number => typesIn(path).filter((found) => found === type).length

/** The verdict on the run's database together with the ledger's evidence. */
const audit = (run: StoredRun & { readonly log: Logs.Log }) =>
  Effect.gen(function* () {
    const evidence = yield* Effect.flatMap(Ledger, (ledger) => ledger.evidence(run.log.origin))
    const report = yield* VerifyDatabase.verifyFile(run.auditDb, Logs.trusting(run.log), { ledger: evidence })
    assert.strictEqual(report.counts.ledger, evidence.length)
    return report
  })

const ledgerOf = (home: string) => Path.join(home, "ledger.db")

/** In a home of its own, as one command. */
const inHome = <A, E>(body: (home: string) => Effect.Effect<A, E, Services>) =>
  Effect.flatMap(temporaryDirectory, (home) => command(home, body(home)))

describe("Recover", () => {
  it.scoped("ends the log of a killed recorder with the host key, tells the ledger, and says INCOMPLETE", () =>
    inHome((home) =>
      Effect.gen(function* () {
        const run = yield* dead({ end: "killed" })
        const told = yield* Recover.all
        assert.strictEqual(told.length, 1)
        assert.include(told[0], `${run.id} was killed`)
        assert.deepStrictEqual(yield* aboutOf(run), {
          state: "aborted",
          ended: "2026-01-02T03:04:07.500Z",
          entries: 11
        })
        assert.strictEqual(typesIn(run.auditDb).at(-1), "log.abort")
        assert.deepStrictEqual(yield* latestOf(run.log), ["run.close", 11, "aborted"])
        const report = yield* audit(run)
        assert.strictEqual(report.verdict, "INCOMPLETE", report.why)
        assert.strictEqual(report.counts.signed, 11)
        assert.strictEqual(report.counts.ledger, 2)
        assert.deepStrictEqual(yield* Recover.all, [])
        assert.strictEqual(countIn(ledgerOf(home), "run.close"), 1)
      })
    )
  )

  it.scoped("finishes what was missing behind a log.close, without a word", () =>
    inHome(() =>
      Effect.gen(function* () {
        const run = yield* dead({ end: "close" })
        assert.deepStrictEqual(yield* Recover.all, [])
        assert.deepStrictEqual(yield* aboutOf(run), { state: "closed", ended: "2026-01-02T03:04:07.750Z", entries: 11 })
        assert.deepStrictEqual(yield* latestOf(run.log), ["run.close", 11, "closed"])
        assert.strictEqual((yield* audit(run)).verdict, "INTACT")
      })
    )
  )

  it.scoped("writes no second run.close when only the metadata is old", () =>
    inHome((home) =>
      Effect.gen(function* () {
        const run = yield* dead({ end: "close" })
        const ledger = yield* Ledger
        yield* ledger.close({ origin: run.log.origin, size: 11, root: rootOf(run.log, 11), state: "closed" })
        assert.deepStrictEqual(yield* Recover.all, [])
        assert.strictEqual((yield* aboutOf(run)).state, "closed")
        assert.strictEqual(countIn(ledgerOf(home), "run.close"), 1)
      })
    )
  )

  it.scoped("goes on after a recovery that was killed before the ledger, and before the metadata", () =>
    inHome((home) =>
      Effect.gen(function* () {
        const run = yield* dead({ end: "killed" })
        const busy = new LedgerBusy({ path: "ledger.db", waitedMillis: 30_000 })
        const ledger = yield* Ledger
        const withoutLedger = Effect.provideService(Recover.all, Ledger, { ...ledger, close: () => Effect.fail(busy) })
        const told = yield* withoutLedger
        assert.include(told[0], busy.message)
        assert.strictEqual((yield* aboutOf(run)).state, "running")
        assert.strictEqual(countIn(run.auditDb, "log.abort"), 1)

        const before = Fs.readFileSync(run.metadata)
        assert.strictEqual((yield* Recover.all).length, 1)
        Fs.writeFileSync(run.metadata, before)
        assert.strictEqual((yield* Recover.all).length, 1)
        assert.deepStrictEqual(yield* aboutOf(run), {
          state: "aborted",
          ended: "2026-01-02T03:04:07.500Z",
          entries: 11
        })
        assert.strictEqual(countIn(run.auditDb, "log.abort"), 1)
        assert.strictEqual(countIn(ledgerOf(home), "run.close"), 1)
      })
    )
  )

  it.scoped("marks a run that was killed before its first entry as failed", () =>
    inHome((home) =>
      Effect.gen(function* () {
        const blank: ReadonlyArray<(path: string) => void> = [
          () => {},
          (path) => Fs.writeFileSync(path, ""),
          (path) => {
            const database = new Database(path)
            database.pragma("journal_mode = WAL")
            database.close()
          },
          (path) => {
            const database = new Database(path)
            for (const statement of AuditSchema.statements) database.exec(statement)
            database.close()
          }
        ]
        for (const make of blank) {
          const run = yield* Effect.scoped(startRun)
          make(run.auditDb)
          const told = yield* Recover.all
          assert.deepStrictEqual(told, [`${run.id} was killed before anything was recorded`])
          assert.strictEqual((yield* aboutOf(run)).state, "failed")
        }
        assert.isFalse(Fs.existsSync(ledgerOf(home)))
      })
    )
  )

  it.scoped("leaves a run alone whose recorder lives", () =>
    inHome(() =>
      Effect.scoped(
        Effect.gen(function* () {
          const run = yield* startRun
          Logs.writeDatabase(run.auditDb, logOf(run, { end: "killed" }))
          assert.deepStrictEqual(yield* Recover.all, [])
          assert.strictEqual((yield* aboutOf(run)).state, "running")
          assert.strictEqual(countIn(run.auditDb, "log.abort"), 0)
        })
      )
    )
  )

  it.scoped("says once what is wrong with a log that is not what this host wrote, and puts the others away", () =>
    inHome(() =>
      Effect.gen(function* () {
        const first = yield* dead({ end: "killed" })
        const edited = yield* dead({ end: "killed" })
        const foreign = yield* Effect.scoped(startRun)
        Logs.writeDatabase(foreign.auditDb, logOf(foreign, { end: "killed", seed: "another host" }))
        const garbage = yield* Effect.scoped(startRun)
        Fs.writeFileSync(garbage.auditDb, "no database")
        const last = yield* dead({ end: "killed" })
        const database = new Database(edited.auditDb)
        database.exec("UPDATE entries SET leaf=replace(leaf,'line 1','line 2') WHERE seq=2")
        database.close()

        const told = yield* Recover.all
        assert.strictEqual(told.length, 5)
        for (const line of told) assert.notInclude(line, "\n")
        for (const run of [edited, foreign, garbage]) {
          assert.strictEqual((yield* aboutOf(run)).state, "failed")
          assert.isTrue(told.some((line) => line.startsWith(`${run.id} could not be recovered: `)))
        }
        assert.strictEqual(countIn(edited.auditDb, "log.abort"), 0)
        assert.strictEqual(countIn(foreign.auditDb, "log.abort"), 0)
        for (const run of [first, last]) assert.strictEqual((yield* audit(run)).verdict, "INCOMPLETE")
        assert.deepStrictEqual(yield* Recover.all, [])
      })
    )
  )

  it.scoped("opens no database of a run that is not running", () =>
    inHome((home) =>
      Effect.gen(function* () {
        const run = yield* Effect.scoped(startRun)
        const storage = yield* RunStorage
        Fs.writeFileSync(run.auditDb, "no database")
        for (const state of ["closed", "aborted", "failed"] as const) {
          if (run.about !== undefined) yield* storage.update(run.id, { ...run.about, state })
          assert.deepStrictEqual(yield* Recover.all, [])
        }
        Fs.mkdirSync(Path.join(home, "runs", "run_without_metadata"))
        Fs.writeFileSync(run.metadata, "no metadata")
        assert.deepStrictEqual(yield* Recover.all, [])
      })
    )
  )

  it.scoped("has nothing to say about a home that does not exist, or is none", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      assert.deepStrictEqual(yield* command(Path.join(directory, "none"), Recover.all), [])
      const file = Path.join(directory, "file")
      Fs.writeFileSync(file, "")
      assert.deepStrictEqual(yield* command(file, Recover.all), [])
      assert.deepStrictEqual(Fs.readdirSync(directory), ["file"])
    })
  )

  it.scopedLive("is right when several commands meet the same runs at once", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const runs = yield* command(
        home,
        Effect.forEach([1, 2, 3, 4], () => dead({ end: "killed" }))
      )
      const commands = Array.from({ length: 4 }, () => command(home, Recover.killed()))
      const outcomes = (yield* Effect.all(commands, { concurrency: "unbounded" })).flat()
      assert.deepStrictEqual(
        outcomes.map(({ _tag }) => _tag),
        ["Aborted", "Aborted", "Aborted", "Aborted"]
      )
      assert.deepStrictEqual(new Set(outcomes.map(({ run }) => run)), new Set(runs.map(({ id }) => id)))
      for (const run of runs) {
        assert.strictEqual(countIn(run.auditDb, "log.abort"), 1)
        assert.strictEqual((yield* command(home, audit(run))).verdict, "INCOMPLETE")
      }
      assert.strictEqual(countIn(ledgerOf(home), "run.close"), 4)
    })
  )
})
