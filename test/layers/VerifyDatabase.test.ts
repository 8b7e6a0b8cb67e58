import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, beforeAll } from "vitest"
import * as Evidence from "../../src/domain/Evidence.ts"
import type * as Verdict from "../../src/domain/Verdict.ts"
import type * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import * as AuditSchema from "../../src/layers/AuditSchema.ts"
import * as VerifyDatabase from "../../src/layers/VerifyDatabase.ts"
import { logOptions } from "../fixtures/LogMutations.ts"
import * as Logs from "../fixtures/Logs.ts"

let directory = ""
let path = ""
beforeAll(() => {
  directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-test-"))
  path = Path.join(directory, "audit.db")
})
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)

/** Every path says the same of the database, and leaves no file beside it; returns what they say. */
const agree = async (
  options: VerifyOptions.VerifyOptions,
  each: ReadonlyArray<VerifyDatabase.Settings>
): Promise<Verdict.Report> => {
  const before = Fs.readdirSync(directory)
  const bytes = Fs.statSync(path).mtimeMs
  const simple = await run(VerifyDatabase.verifyFileSimply(path, options))
  for (const settings of each) {
    // oxlint-disable-next-line no-await-in-loop
    assert.deepStrictEqual(
      await run(VerifyDatabase.verifyFile(path, options, settings)),
      simple,
      JSON.stringify(settings)
    )
  }
  assert.deepStrictEqual(Fs.readdirSync(directory), before)
  assert.strictEqual(Fs.statSync(path).mtimeMs, bytes)
  return simple
}

const looseEntries = "CREATE TABLE entries(seq INTEGER PRIMARY KEY, leaf, hash)"

const withDatabase = (work: (database: Database.Database) => void): void => {
  const database = new Database(path)
  try {
    work(database.unsafeMode(true))
  } finally {
    database.close()
  }
}

const setSchema = (sql: string) => (database: Database.Database) => {
  database.pragma("writable_schema = ON")
  database.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = 'entries'").run(sql)
}

/** Changes rows past the rules of the schema, as somebody with an editor for bytes could. */
const edit = (work: (database: Database.Database) => void): void => {
  withDatabase(setSchema(looseEntries))
  withDatabase(work)
  withDatabase(setSchema(AuditSchema.statements[0]!))
}

const statements: ReadonlyArray<string> = [
  "DELETE FROM entries WHERE seq = :at",
  "DELETE FROM entries WHERE seq >= :at",
  "UPDATE entries SET seq = seq + 1000000 WHERE seq >= :at",
  "UPDATE entries SET seq = -1 - seq WHERE seq = :at",
  "UPDATE entries SET leaf = replace(leaf, 'e', 'E') WHERE seq = :at",
  "UPDATE entries SET leaf = leaf || char(10) || leaf WHERE seq = :at",
  "UPDATE entries SET leaf = '' WHERE seq = :at",
  "UPDATE entries SET leaf = leaf || printf('%70000s', '') WHERE seq = :at",
  "UPDATE entries SET leaf = CAST(x'7bff7d' AS TEXT) WHERE seq = :at",
  "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = :to) WHERE seq = :at",
  "INSERT INTO entries(seq, leaf, hash) SELECT max(seq) + 1, leaf, hash FROM entries",
  "UPDATE entries SET leaf = CAST(leaf AS BLOB) WHERE seq = :at",
  "UPDATE entries SET leaf = NULL WHERE seq = :at",
  "UPDATE entries SET leaf = 17 WHERE seq = :at",
  "UPDATE entries SET leaf = zeroblob(100000) WHERE seq = :at",
  "UPDATE entries SET hash = x'00' WHERE seq = :at",
  "DELETE FROM checkpoints WHERE rowid = (SELECT rowid FROM checkpoints ORDER BY abs(size - :at) LIMIT 1)",
  "UPDATE checkpoints SET size = :at WHERE size = (SELECT max(size) FROM checkpoints)",
  "UPDATE checkpoints SET size = -5 WHERE size = (SELECT max(size) FROM checkpoints)",
  "UPDATE checkpoints SET note = replace(note, 'A', 'B') WHERE size >= :at",
  "INSERT INTO checkpoints(size, epoch, note) SELECT :at + 2000, epoch, note FROM checkpoints WHERE size = 1",
  "DELETE FROM disclosures",
  "UPDATE disclosures SET seq = :at",
  "UPDATE disclosures SET body = replace(body, 'token', 'other')",
  "INSERT INTO disclosures(seq, body) VALUES (:at, '[1]')",
  "INSERT INTO disclosures(seq, body) VALUES (-1, '[1]')",
  "INSERT INTO cosignatures(size, line) SELECT size, 'nonsense' FROM checkpoints ORDER BY abs(size - :at) LIMIT 1",
  "INSERT INTO timestamps(size, token) SELECT size, x'3000' FROM checkpoints ORDER BY abs(size - :at) LIMIT 1",
  "SELECT 1"
]

const share = FastCheck.double({ min: 0, max: 0.999_999, noNaN: true })

/** A log of many ordinary entries, and a note that somebody kept in the middle of it. */
const longLog = () => {
  const records = Array.from({ length: 3000 }, (_, at) =>
    at % 400 === 7 ? Logs.secret({ token: at }) : Logs.consoleLine(`line ${at} ${"·".repeat(at % 50)}`)
  )
  const log = Logs.buildLog({ records, checkpointEvery: 700, rotateEvery: 1300 })
  const known = Either.getOrThrow(
    Evidence.parseKnown(Logs.noteOf(log.origin, log.leaves.slice(0, 1000), [log.epochs[0]!]))
  )
  return { log, options: { ...Logs.trusting(log), known: [known] } }
}

const applyRandom = (sql: string, count: number, at: number, to: number): void =>
  edit((database) => {
    const statement = database.prepare(sql)
    const bound = { at: Math.floor(at * count), to: Math.floor(to * count) }
    if (statement.reader) statement.all()
    else statement.run(sql.includes(":to") ? bound : sql.includes(":at") ? { at: bound.at } : {})
  })

describe("VerifyDatabase", () => {
  it.effect.prop(
    "the fast path says of any log and any single change of it what the simple path says",
    [logOptions, FastCheck.constantFrom(...statements), share, share],
    ([options, sql, at, to]) =>
      Effect.promise(async () => {
        const log = Logs.buildLog(options)
        Logs.writeDatabase(path, log)
        applyRandom(sql, log.leaves.length, at, to)
        const report = await agree(Logs.trusting(log), [{ threads: 1 }])
        if (sql === "SELECT 1" && options.end === "close") assert.strictEqual(report.verdict, "INTACT", report.why)
      }),
    { fastCheck: { numRuns: 200 }, timeout: 60_000 }
  )

  it.effect.prop(
    "threads say the same, however the entries fall into pieces",
    [logOptions, FastCheck.constantFrom(...statements), share, share, FastCheck.integer({ min: 1, max: 20 })],
    ([options, sql, at, to, piece]) =>
      Effect.promise(async () => {
        const log = Logs.buildLog(options)
        Logs.writeDatabase(path, log)
        applyRandom(sql, log.leaves.length, at, to)
        await agree(Logs.trusting(log), [{ threads: 2, piece }])
      }),
    { fastCheck: { numRuns: 30 }, timeout: 60_000 }
  )

  it("a long log is INTACT on every path, with a note that was kept from the middle", async () => {
    const { log, options } = longLog()
    Logs.writeDatabase(path, log)
    const report = await agree(options, [{}, { threads: 1 }, { threads: 3, piece: 256 }])
    assert.strictEqual(report.verdict, "INTACT", report.why)
    assert.strictEqual(report.counts.entries, log.leaves.length)
    assert.strictEqual(report.counts.disclosed, 8)
    assert.deepStrictEqual(report.anchors, ["the kept checkpoint of size 1000 agrees at size 1000"])
  })

  for (const sql of statements) {
    it(`every path says the same of a long log after: ${sql}`, async () => {
      const { log, options } = longLog()
      Logs.writeDatabase(path, log)
      applyRandom(sql, log.leaves.length, 0.5, 0.7)
      const report = await agree(options, [{ threads: 1 }, { threads: 2, piece: 500 }])
      const isHarmless = sql === "SELECT 1" || sql.includes("SET hash") || sql === "DELETE FROM disclosures"
      assert.strictEqual(report.verdict === "INTACT", isHarmless, report.why)
    })
  }
})
