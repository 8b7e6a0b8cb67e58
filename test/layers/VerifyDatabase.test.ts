import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, beforeAll } from "vitest"
import * as Evidence from "../../src/domain/Evidence.ts"
import type * as Verdict from "../../src/domain/Verdict.ts"
import * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import * as AuditSchema from "../../src/layers/AuditSchema.ts"
import * as VerifyDatabase from "../../src/layers/VerifyDatabase.ts"
import { logOptions, share } from "../fixtures/LogMutations.ts"
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
  "UPDATE OR REPLACE checkpoints SET size = :at WHERE size = (SELECT max(size) FROM checkpoints)",
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

/** A log of many ordinary entries, and a note that somebody kept in the middle of it. */
const longLog = () => {
  const records = Array.from({ length: 1200 }, (_, at) =>
    at % 400 === 7 ? Logs.secret({ token: at }) : Logs.consoleLine(`line ${at} ${"·".repeat(at % 50)}`)
  )
  const log = Logs.buildLog({ records, checkpointEvery: 300, rotateEvery: 550 })
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
    { fastCheck: { numRuns: 60 }, timeout: 60_000 }
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
    { fastCheck: { numRuns: 15 }, timeout: 60_000 }
  )

  it("a long log is INTACT on every path, with a note that was kept from the middle", async () => {
    const { log, options } = longLog()
    Logs.writeDatabase(path, log)
    const report = await agree(options, [{}, { threads: 1 }, { threads: 3, piece: 256 }])
    assert.strictEqual(report.verdict, "INTACT", report.why)
    assert.strictEqual(report.counts.entries, log.leaves.length)
    assert.strictEqual(report.counts.disclosed, 3)
    assert.deepStrictEqual(report.anchors, ["the kept checkpoint of size 1000 agrees at size 1000"])
  })

  for (const sql of statements) {
    it(`every path says the same of a long log after: ${sql}`, async () => {
      const { log, options } = longLog()
      Logs.writeDatabase(path, log)
      applyRandom(sql, log.leaves.length, 0.5, 0.7)
      const report = await agree(options, [{ threads: 1 }, { threads: 2, piece: 200 }])
      const isHarmless = sql === "SELECT 1" || sql.includes("SET hash") || sql === "DELETE FROM disclosures"
      assert.strictEqual(report.verdict === "INTACT", isHarmless, report.why)
    })
  }

  it("reads what a living writer has committed, in one snapshot, and doesn't disturb it", async () => {
    const { log, options } = longLog()
    Logs.writeDatabase(path, log)
    const writer = new Database(path)
    try {
      const move = writer.prepare("UPDATE checkpoints SET epoch = epoch WHERE size = 1")
      move.run()
      assert.isTrue(Fs.existsSync(`${path}-wal`))
      const settings: VerifyDatabase.Settings = { threads: 2, piece: 200, onProgress: () => void move.run() }
      const report = await run(VerifyDatabase.verifyFile(path, options, settings))
      assert.strictEqual(report.verdict, "INTACT", report.why)
      move.run()
    } finally {
      writer.close()
    }
    assert.deepStrictEqual(Fs.readdirSync(directory), ["audit.db"])
  })

  it("reads entries that a killed writer left in the -wal, and leaves them there", async () => {
    const { log, options } = longLog()
    const source = Path.join(directory, "source")
    Fs.mkdirSync(source)
    const kept = path
    path = Path.join(source, "audit.db")
    Logs.writeDatabase(path, log)
    const writer = new Database(path)
    writer.pragma("wal_autocheckpoint = 0")
    writer.exec(`UPDATE entries SET leaf = replace(leaf, 'line 9', 'line 8') WHERE seq = 901`)
    path = kept
    for (const suffix of ["", "-wal"]) Fs.copyFileSync(Path.join(source, `audit.db${suffix}`), path + suffix)
    writer.close()
    Fs.rmSync(source, { recursive: true })
    const wal = Fs.readFileSync(`${path}-wal`)
    const report = await run(VerifyDatabase.verifyFile(path, options))
    assert.strictEqual(report.counts.entries, log.leaves.length)
    assert.deepStrictEqual(Fs.readFileSync(`${path}-wal`), wal)
    for (const suffix of ["-wal", "-shm"]) Fs.rmSync(path + suffix, { force: true })
  })

  it("reads a copy where SQLite would change the files, and removes it", async () => {
    const { log, options } = longLog()
    Logs.writeDatabase(path, log)
    Fs.writeFileSync(`${path}-journal`, "not a journal")
    const before = Fs.readdirSync(Os.tmpdir()).filter((name) => name.startsWith("agentops-verify-"))
    const report = await agree(options, [{ threads: 2, piece: 200 }])
    assert.strictEqual(report.verdict, "INTACT", report.why)
    assert.strictEqual(Fs.readFileSync(`${path}-journal`, "utf8"), "not a journal")
    const after = Fs.readdirSync(Os.tmpdir()).filter((name) => name.startsWith("agentops-verify-"))
    assert.deepStrictEqual(after, before)
    Fs.rmSync(`${path}-journal`)
  })

  it.effect.prop(
    "says something of any damaged file, the same on every path",
    [FastCheck.array(FastCheck.tuple(share, FastCheck.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 40 })],
    ([damage]) =>
      Effect.promise(async () => {
        const { log, options } = longLog()
        Logs.writeDatabase(path, log)
        const bytes = Fs.readFileSync(path)
        for (const [at, byte] of damage) bytes[Math.floor(at * bytes.length)] = byte
        Fs.writeFileSync(path, bytes)
        await agree(options, [{ threads: 1 }, { threads: 2, piece: 200 }])
      }),
    { fastCheck: { numRuns: 15 }, timeout: 60_000 }
  )

  it("says of pages with cells at wrong places what the simple path says, also when it met them before", async () => {
    const { log, options } = longLog()
    Logs.writeDatabase(path, log)
    const whole = Fs.readFileSync(path)
    const size = whole.readUInt16BE(16)
    for (const at of [0.35, 0.45, 0.6, 0.7, 0.8]) {
      const page = Math.floor((at * whole.length) / size) * size
      const bytes = Buffer.from(whole)
      // The third cell of the page is said to begin inside of another one.
      bytes.writeUInt16BE(bytes.readUInt16BE(page + 12) + 7, page + 12)
      Fs.writeFileSync(path, bytes)
      // oxlint-disable-next-line no-await-in-loop
      const { verdict } = await agree(options, [{ threads: 1 }, { threads: 2, piece: 200 }])
      assert.include(["TAMPERED", "MALFORMED"], verdict)
    }
  })

  it("says MALFORMED of other files, and of a database with anything more or less than the format's tables", async () => {
    for (const text of ["", "not a database at all ".repeat(400)]) {
      Fs.writeFileSync(path, text)
      // oxlint-disable-next-line no-await-in-loop
      assert.strictEqual((await agree(VerifyOptions.nothing, [{ threads: 2 }])).verdict, "MALFORMED")
    }
    for (const sql of [
      "CREATE TABLE more(x)",
      "CREATE VIEW more AS SELECT 1",
      "CREATE INDEX more ON entries(hash)",
      "DROP TABLE evidence",
      "CREATE TRIGGER more AFTER INSERT ON entries BEGIN SELECT 1; END"
    ]) {
      Logs.writeDatabase(path, longLog().log)
      withDatabase((database) => database.exec(sql))
      // oxlint-disable-next-line no-await-in-loop
      const report = await agree(VerifyOptions.nothing, [{ threads: 2 }])
      assert.strictEqual(report.verdict, "MALFORMED")
      assert.match(report.why, /^not an audit database: /)
    }
  })

  it("says what is wrong with a path that cannot be read", async () => {
    const missing = await run(
      Effect.flip(VerifyDatabase.verifyFile(Path.join(directory, "none.db"), VerifyOptions.nothing))
    )
    assert.strictEqual(missing.isMissing, true)
    assert.isFalse(Fs.existsSync(Path.join(directory, "none.db")))
    const folder = await run(Effect.flip(VerifyDatabase.verifyFile(directory, VerifyOptions.nothing)))
    assert.match(folder.message, /it is a directory/)
  })

  it("stops when it is interrupted, and closes what it opened", async () => {
    const { log, options } = longLog()
    Logs.writeDatabase(path, log)
    for (const threads of [1, 2]) {
      const controller = new AbortController()
      const settings = { threads, piece: 100, onProgress: () => controller.abort() }
      // oxlint-disable-next-line no-await-in-loop
      const exit = await Effect.runPromiseExit(VerifyDatabase.verifyFile(path, options, settings), {
        signal: controller.signal
      })
      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(Fs.readdirSync(directory), ["audit.db"])
    }
  })
})
