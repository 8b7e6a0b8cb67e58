import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Jcs from "../../src/domain/Jcs.ts"
import * as TlogProof from "../../src/domain/TlogProof.ts"
import * as AuditDatabase from "../../src/layers/AuditDatabase.ts"
import * as ExportBundle from "../../src/layers/ExportBundle.ts"
import * as ExportSubset from "../../src/layers/ExportSubset.ts"
import * as LogReaderSqlite from "../../src/layers/LogReaderSqlite.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as LogReaderArrays from "../fixtures/LogReaderArrays.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"

const logOf = (name: string) => LogReaderArrays.fromBundle(Bundles.read(name))

const withDatabase = (path: string, use: (database: Database.Database) => void) => {
  const database = new Database(path)
  try {
    use(database)
  } finally {
    database.close()
  }
}

/** An audit.db that holds what the bundle holds; every cached hash is wrong. */
const databaseOf = (name: string) =>
  Effect.gen(function* () {
    const path = Path.join(yield* temporaryDirectory, "audit.db")
    const log = logOf(name)
    yield* AuditDatabase.create(path)
    withDatabase(path, (database) => {
      const run = (sql: string, ...values: ReadonlyArray<unknown>) => database.prepare(sql).run(...values)
      for (const [seq, leaf] of log.leaves.entries()) {
        run("INSERT INTO entries(seq, leaf, hash) VALUES(?,?,?)", seq, leaf, Buffer.alloc(32))
      }
      for (const { note, size, timestamps, witnesses } of log.checkpoints) {
        run("INSERT INTO checkpoints VALUES(?,0,?)", size, note)
        for (const line of witnesses.toReversed()) run("INSERT INTO cosignatures VALUES(?,?)", size, line)
        for (const token of timestamps) run("INSERT INTO timestamps VALUES(?,?)", size, Buffer.from(token, "base64"))
      }
      for (const { body, seq } of log.disclosures) run("INSERT INTO disclosures VALUES(?,?)", seq, body)
      for (const { leaf, proof } of log.ledger.toReversed()) {
        const parsed = Either.getOrThrow(TlogProof.parse(proof))
        run("INSERT INTO evidence VALUES('ledger',?)", TlogProof.encode({ ...parsed, extra: Buffer.from(leaf) }))
      }
    })
    return path
  })

/** The full export of a database. */
const exported = (path: string) =>
  Effect.gen(function* () {
    const target = Path.join(yield* temporaryDirectory, "bundle.json")
    yield* ExportBundle.full(target).pipe(Effect.provide(LogReaderSqlite.layer(path)))
    return Fs.readFileSync(target, "utf8")
  })

const failure = (path: string) => Effect.map(Effect.flip(exported(path)), (error) => error.message)

/** The failure of the export of ok-rotate.json after a change of its database. */
const changed = (sql: string) =>
  Effect.gen(function* () {
    const path = yield* databaseOf("ok-rotate.json")
    withDatabase(path, (database) => database.exec(sql))
    return yield* failure(path)
  })

describe("LogReaderSqlite", () => {
  for (const name of [
    "ok-rotate-ledger.json",
    "ok-five-tsa.json",
    "incomplete-recovered.json",
    "unsigned-tail.json",
    "truncated-tail-cp-kept.json",
    "tampered-edit.json"
  ]) {
    it.scoped(`exports a database that holds ${name} as that file`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* exported(yield* databaseOf(name)), Bundles.read(name))
      })
    )
  }

  it.scoped("exports a subset of a database that is INTACT: its cached hashes count for nothing", () =>
    Effect.gen(function* () {
      const path = yield* databaseOf("ok-rotate-ledger.json")
      const target = Path.join(yield* temporaryDirectory, "subset.json")
      yield* ExportSubset.subset(target, { type: "console" }).pipe(Effect.provide(LogReaderSqlite.layer(path)))
      const report = yield* Effect.promise(() => Bundles.verify(Fs.readFileSync(target, "utf8")))
      assert.strictEqual(report.verdict, "INTACT", report.why)
      assert.strictEqual(report.counts.ledger, 3)
    })
  )

  it.scoped("sees one moment, whatever a writer adds meanwhile", () =>
    Effect.gen(function* () {
      const path = yield* databaseOf("unsigned-tail.json")
      const writer = yield* Effect.acquireRelease(
        Effect.sync(() => new Database(path)),
        (database) => Effect.sync(() => database.close())
      )
      writer.pragma("journal_mode=WAL")
      writer.exec("UPDATE entries SET hash=zeroblob(32) WHERE seq=0")
      const reader = yield* LogReaderSqlite.open(path)
      assert.strictEqual(reader.size, 11)
      writer.exec("INSERT INTO entries(seq, leaf, hash) VALUES(11,'{}',zeroblob(32))")
      writer.exec("INSERT INTO checkpoints VALUES(11,0,'later')")
      assert.strictEqual((yield* reader.leaves(0, reader.size)).length, 11)
      assert.strictEqual(Option.getOrThrow(yield* reader.lastCheckpoint).size, 9)
      assert.strictEqual((yield* Effect.scoped(LogReaderSqlite.open(path))).size, 12)
    })
  )

  it.scoped("says what is wrong with a log that cannot be exported", () =>
    Effect.gen(function* () {
      assert.match(yield* changed("DELETE FROM entries WHERE seq=5"), /: entry 5 is missing; nothing was exported/)
      assert.match(yield* changed("DELETE FROM entries"), /: entry 0 is missing/)
      assert.match(yield* changed("DELETE FROM entries WHERE seq=0"), /: entry 0 is missing/)
      assert.match(yield* changed("UPDATE entries SET leaf='{}' WHERE seq=0"), /: entry 0 is not the log.open of a log/)
      const long = `UPDATE entries SET leaf='{"x":"' || hex(zeroblob(40000)) || '"}' WHERE seq=3`
      assert.match(yield* changed(long), /: entry 3 is longer than 65535 bytes/)
      assert.match(
        yield* changed(`UPDATE entries SET leaf=replace(leaf, '"stdout"', '"a' || char(10) || 'b"') WHERE seq=1`),
        /: entry 1 has a line feed in it/
      )
      assert.match(
        yield* changed("UPDATE checkpoints SET note=hex(zeroblob(600000)) WHERE size=5"),
        /: entry 4 is followed by a checkpoint that is too long/
      )
      assert.match(
        yield* changed("UPDATE disclosures SET body=hex(zeroblob(600000))"),
        /: entry 6 has a disclosure that is too long/
      )
      assert.match(
        yield* changed("INSERT INTO evidence VALUES('ledger','no proof')"),
        /: the log comes with ledger evidence that is no tlog-proof/
      )
    })
  )

  it.scoped("refuses what is no audit database, and changes nothing", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = Path.join(directory, "audit.db")
      assert.match(yield* failure(path), /no such file.*\(missing\)/)
      Fs.writeFileSync(path, Jcs.encode({ not: "a database" }).repeat(100))
      assert.match(yield* failure(path), /\(not-a-database\)/)
      Fs.rmSync(path)
      withDatabase(path, (database) => database.exec("CREATE TABLE entries(seq)"))
      assert.match(yield* failure(path), /\(other-schema\)/)
      assert.deepStrictEqual(Fs.readdirSync(directory), ["audit.db"])
    })
  )
})
