import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { afterAll, vi } from "vitest"
import * as EvidenceDatabase from "../../src/layers/EvidenceDatabase.ts"
import * as AuditDatabase from "../../src/layers/AuditDatabase.ts"
import * as AuditStoreSqlite from "../../src/layers/AuditStoreSqlite.ts"
import * as SignerMemory from "../../src/layers/SignerMemory.ts"
import * as SqliteFailure from "../../src/layers/SqliteFailure.ts"
import { type AuditRecord, AuditStore } from "../../src/services/AuditStore.ts"
import { Signer } from "../../src/services/Signer.ts"
import * as LogCheck from "../fixtures/LogCheck.ts"

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-sqlite-"))
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))
let files = 0
const fresh = () => Path.join(directory, `${files++}.db`)

const line = (text: string): AuditRecord => ({ type: "console", source: "agent", data: { line: text } })
const seed = new Uint8Array(32).fill(7)
const host = SignerMemory.fromSeed(seed)

const run = <A, E>(path: string, use: (store: AuditStore["Type"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(AuditStore, use).pipe(
    Effect.provide(AuditStoreSqlite.layer({ path, run: "run_test", tool: "test/1" }).pipe(Layer.provide(host)))
  )

/** A log whose writer said nothing at its end. */
const openEnded = (path: string, texts: ReadonlyArray<string>) => run(path, (store) => store.appendAll(texts.map(line)))

const readAll = (path: string) =>
  Effect.gen(function* () {
    const leaves = [...(yield* Stream.runCollect(AuditDatabase.entries(path)))]
    return LogCheck.check(leaves, [...(yield* Stream.runCollect(AuditDatabase.checkpoints(path)))])
  })

const recover = (path: string, signer = host) =>
  Effect.flatMap(Signer, (own) => AuditDatabase.recover(path, own, "killed")).pipe(Effect.provide(signer))

const change = (path: string, sql: string) => {
  const db = new Database(path)
  db.exec(sql)
  db.close()
}

const openAsEvidence = (path: string) => Effect.scoped(Effect.asVoid(EvidenceDatabase.scoped(path)))

const reasonOf = (path: string) =>
  Effect.map(Effect.flip(openAsEvidence(path)), ({ message, reason }) => [reason, message] as const)

describe("AuditStoreSqlite", () => {
  it.effect("the file is private, holds the format's tables and nothing else, and its WAL is empty at the end", () =>
    Effect.gen(function* () {
      const path = fresh()
      yield* run(path, (store) => store.close({ reason: "exit", exit: 0 }))
      assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
      assert.isFalse(Fs.existsSync(`${path}-wal`) && Fs.statSync(`${path}-wal`).size > 0)
      const db = new Database(path, { readonly: true })
      const format = Fs.readFileSync(new URL("../fixtures/format/../../../docs/format.md", import.meta.url), "utf8")
      for (const { sql } of db
        .prepare<[], { sql: string }>("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
        .all()) {
        assert.include(format, `${sql};`)
      }
      assert.strictEqual(db.pragma("journal_mode", { simple: true }), "wal")
      assert.strictEqual(db.prepare("SELECT hash FROM entries WHERE seq=1").pluck().get() instanceof Uint8Array, true)
      assert.strictEqual(db.prepare("SELECT type FROM entries WHERE seq=1").pluck().get(), "log.close")
      db.close()
    })
  )

  it.effect("the -wal file has its blocks from the start, and the zeros in it are no frames to anybody", () =>
    Effect.gen(function* () {
      const path = fresh()
      const copy = fresh()
      yield* run(path, (store) =>
        Effect.gen(function* () {
          const { size: before } = Fs.statSync(`${path}-wal`)
          for (let at = 0; at < 20; at++) yield* store.commit(line(`line ${at}`))
          const { blocks, size } = Fs.statSync(`${path}-wal`)
          assert.strictEqual(size, before, "a commit does not make the file longer")
          assert.isAtLeast(size, 4 * 1024 * 1024)
          assert.isAtLeast(blocks * 512, size)
          // What a killed recorder leaves behind.
          for (const suffix of ["", "-wal"]) Fs.copyFileSync(path + suffix, copy + suffix)
        })
      )
      yield* recover(copy)
      const { length } = yield* readAll(copy)
      assert.isAtLeast(length, 22)
    })
  )

  it("needs synchronous=FULL on every open: better-sqlite3 writes a WAL database with NORMAL unless told", () => {
    const path = fresh()
    const db = new Database(path)
    db.pragma("journal_mode=WAL")
    db.exec("CREATE TABLE t(a)")
    assert.strictEqual(db.pragma("synchronous", { simple: true }), 1)
    db.close()
  })

  it.effect("never continues a log: an existing file is refused and left alone", () =>
    Effect.gen(function* () {
      const path = fresh()
      Fs.writeFileSync(path, "something else")
      const error = yield* Effect.flip(run(path, () => Effect.void))
      assert.deepInclude(error, { _tag: "StoreFailed", reason: "exists" })
      assert.strictEqual(Fs.readFileSync(path, "utf8"), "something else")
    })
  )

  it.effect("a directory that does not exist is a typed error with advice", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run(Path.join(directory, "no", "such.db"), () => Effect.void))
      assert.deepInclude(error, { _tag: "StoreFailed", reason: "missing" })
      assert.match(error.message, /check the path/)
    })
  )

  it.effect("a database that fails reaches everybody who waits, everybody who calls later, and `failed`", () =>
    Effect.gen(function* () {
      const path = fresh()
      yield* run(path, (store) =>
        Effect.gen(function* () {
          yield* store.commit(line("kept"))
          const observer = yield* Effect.fork(Effect.flip(store.failed))
          yield* Effect.yieldNow()
          change(path, "DROP TABLE checkpoints")
          const waiting = yield* Effect.all(
            [
              Effect.flip(store.seal(line("a"))),
              Effect.flip(store.rotate),
              Effect.flip(store.close({ reason: "exit", exit: 0 }))
            ],
            { concurrency: "unbounded" }
          )
          const observed = yield* Fiber.join(observer)
          const later = [yield* Effect.flip(store.append(line("b"))), yield* Effect.flip(store.commit(line("b")))]
          for (const error of [...waiting, observed, ...later]) assert.strictEqual(error._tag, "StoreFailed")
          assert.isFalse(store.offer([line("c")]))
          assert.include(observed.message, path)
        })
      )
      const db = new Database(path)
      assert.strictEqual(db.prepare("SELECT leaf ->> '$.data.line' FROM entries WHERE seq=1").pluck().get(), "kept")
      db.close()
    })
  )

  it.effect("a writer thread that is killed in the middle fails the store; what was acknowledged is there", () =>
    Effect.gen(function* () {
      const path = fresh()
      const posts = vi.spyOn(Worker.prototype, "postMessage")
      const acknowledged = new Map<number, string>()
      yield* run(path, (store) =>
        Effect.gen(function* () {
          const producer = (name: number) =>
            store.commit(line(`${name}`)).pipe(
              Effect.map(({ hash, seq }) => acknowledged.set(seq, hash)),
              Effect.forever,
              Effect.flip
            )
          const producers = yield* Effect.fork(
            Effect.all(
              Array.from({ length: 8 }, (_, name) => producer(name)),
              { concurrency: "unbounded" }
            )
          )
          while (acknowledged.size < 300) yield* Effect.promise(() => new Promise(setImmediate))
          const workers = new Set(posts.mock.contexts.filter((context) => context instanceof Worker))
          assert.strictEqual(workers.size, 2)
          yield* Effect.promise(() => Promise.all([...workers].map((worker) => worker.terminate())))
          for (const error of yield* Fiber.join(producers)) assert.deepInclude(error, { reason: "crashed" })
          assert.strictEqual((yield* Effect.flip(store.failed))._tag, "StoreFailed")
        })
      ).pipe(Effect.ensuring(Effect.sync(() => posts.mockRestore())))
      const outcome = yield* recover(path)
      assert.strictEqual(outcome._tag, "Recovered")
      const entries = yield* readAll(path)
      for (const [seq, hash] of acknowledged) assert.strictEqual(entries[seq + 1]!.prev, hash)
      assert.strictEqual(entries.at(-1)!.type, "log.abort")
    })
  )

  it.live("kill -9 of the process loses nothing that was acknowledged, and the log can be ended by the host", () =>
    Effect.promise(async () => {
      const path = fresh()
      const script = fileURLToPath(new URL("../fixtures/commitForever.ts", import.meta.url))
      const child = spawn(process.execPath, ["--import", "tsx", script, path], { stdio: ["ignore", "pipe", "inherit"] })
      const acknowledged: Array<[number, string]> = []
      for await (const text of createInterface({ input: child.stdout })) {
        const [seq, hash] = text.split(" ")
        acknowledged.push([Number(seq), hash!])
        if (acknowledged.length === 400) child.kill("SIGKILL")
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
      assert.strictEqual(child.signalCode, "SIGKILL")
      assert.isAtLeast(acknowledged.length, 400)
      await Effect.runPromise(
        Effect.gen(function* () {
          assert.strictEqual((yield* recover(path))._tag, "Recovered")
          const entries = yield* readAll(path)
          for (const [seq, hash] of acknowledged) assert.strictEqual(entries[seq + 1]!.prev, hash)
        })
      )
    })
  )

  it.live("worker threads do not keep a process alive whose store is released", () =>
    Effect.promise(async () => {
      const script = fileURLToPath(new URL("../fixtures/commitForever.ts", import.meta.url))
      const child = spawn(process.execPath, ["--import", "tsx", script, fresh(), "3"], { stdio: "ignore" })
      const [status] = await once(child, "exit")
      assert.strictEqual(status, 0)
    })
  )

  it.effect("another process may read while the store writes", () =>
    run(fresh(), (store) =>
      Effect.gen(function* () {
        yield* store.appendAll(["a", "b"].map(line))
        yield* store.checkpoint
        const seen = yield* Stream.runCollect(store.entries())
        assert.lengthOf([...seen], 3)
        yield* store.commit(line("c"))
        assert.lengthOf([...(yield* Stream.runCollect(store.entries()))], 4)
      })
    )
  )
})

describe("SqliteFailure", () => {
  it.each([
    ["SQLITE_FULL", "disk-full"],
    ["SQLITE_IOERR_WRITE", "io"],
    ["SQLITE_READONLY_DBMOVED", "read-only"],
    ["SQLITE_BUSY", "locked"],
    ["SQLITE_CORRUPT_VTAB", "corrupt"],
    ["ENOSPC", "disk-full"],
    ["EACCES", "permission"],
    ["SQLITE_ERROR", "crashed"]
  ])("%s is %s", (code, reason) => {
    const error = SqliteFailure.from("/x.db", Object.assign(new Error("words"), { code }))
    assert.deepStrictEqual<unknown>([error.path, error.reason, error.detail], ["/x.db", reason, "words"])
    const wrapped = SqliteFailure.from("/x.db", { cause: Object.assign(new Error("words"), { code }) })
    assert.strictEqual<string>(wrapped.reason, reason)
  })
})

describe("EvidenceDatabase", () => {
  it.effect("refuses what is no audit database, each for its reason", () =>
    Effect.gen(function* () {
      const missing = fresh()
      const text = fresh()
      Fs.writeFileSync(text, "no database".repeat(100))
      const empty = fresh()
      Fs.writeFileSync(empty, "")
      const foreign = fresh()
      change(foreign, "CREATE TABLE t(a)")
      const extra = fresh()
      yield* AuditDatabase.create(extra)
      change(extra, "CREATE VIEW v AS SELECT 1")
      const altered = fresh()
      yield* AuditDatabase.create(altered)
      change(altered, "DROP TABLE tiles; CREATE TABLE tiles(level INTEGER)")
      const corrupt = fresh()
      yield* openEnded(
        corrupt,
        Array.from({ length: 500 }, (_, at) => `line ${at}`)
      )
      const bytes = Fs.readFileSync(corrupt)
      Fs.writeFileSync(corrupt, Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(4000, 0x5a), bytes.subarray(4100)]))

      assert.strictEqual((yield* reasonOf(missing))[0], "missing")
      assert.strictEqual((yield* reasonOf(directory))[0], "not-a-database")
      assert.strictEqual((yield* reasonOf(text))[0], "not-a-database")
      assert.strictEqual((yield* reasonOf(empty))[0], "other-schema")
      assert.strictEqual((yield* reasonOf(foreign))[0], "other-schema")
      assert.deepStrictEqual((yield* reasonOf(extra))[0], "other-schema")
      assert.match((yield* reasonOf(extra))[1], /view v/)
      assert.match((yield* reasonOf(altered))[1], /table tiles/)
      assert.strictEqual((yield* reasonOf(corrupt))[0], "corrupt")
    })
  )
})

describe("AuditDatabase.recover", () => {
  it.effect("ends a log that was left open with log.abort under the host key, once", () =>
    Effect.gen(function* () {
      const path = fresh()
      yield* openEnded(path, ["a", "b"])
      const outcome = yield* recover(path)
      assert.deepInclude(outcome, { _tag: "Recovered", signed: 3 })
      const entries = yield* readAll(path)
      assert.deepInclude(entries.at(-1), { type: "log.abort", source: "recorder" })
      assert.deepStrictEqual(entries.at(-1)!.data, { cause: "killed", signed: 3 })
      assert.deepStrictEqual(yield* recover(path), { _tag: "Ended", by: "log.abort" })
      assert.lengthOf(yield* readAll(path), entries.length)
    })
  )

  it.effect("leaves alone what has its end, or nothing at all", () =>
    Effect.gen(function* () {
      const closed = fresh()
      yield* run(closed, (store) => store.close({ reason: "exit", exit: 0 }))
      assert.deepStrictEqual(yield* recover(closed), { _tag: "Ended", by: "log.close" })
      const empty = fresh()
      yield* AuditDatabase.create(empty)
      assert.deepStrictEqual(yield* recover(empty), { _tag: "Empty" })
    })
  )

  it.effect("signs entries that nobody had signed", () =>
    Effect.gen(function* () {
      const path = fresh()
      yield* openEnded(path, ["a", "b", "c"])
      change(path, "DELETE FROM checkpoints WHERE size > 1")
      assert.deepInclude(yield* recover(path), { _tag: "Recovered", signed: 1 })
      assert.lengthOf(yield* readAll(path), 5)
    })
  )

  it.each([
    ["an edited entry", "UPDATE entries SET leaf = replace(leaf, 'bbb', 'ccc') WHERE seq=2"],
    ["a missing entry", "DELETE FROM entries WHERE seq=1"],
    ["a removed tail", "DELETE FROM entries WHERE seq=3"],
    ["no checkpoint", "DELETE FROM checkpoints"],
    ["a note that is none", "UPDATE checkpoints SET note='x'"]
  ])("refuses to vouch for a log with %s, and does not touch it", (_, sql) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const path = fresh()
        yield* openEnded(path, ["aaa", "bbb", "ccc"])
        change(path, sql)
        const before = Fs.readFileSync(path)
        assert.strictEqual((yield* recover(path))._tag, "Refused")
        assert.isTrue(Fs.readFileSync(path).equals(before))
      })
    )
  )

  it.effect("refuses a log of another host", () =>
    Effect.gen(function* () {
      const path = fresh()
      yield* openEnded(path, ["a"])
      assert.deepStrictEqual(yield* recover(path, SignerMemory.layer), {
        _tag: "Refused",
        reason: "it belongs to another host"
      })
    })
  )

  it.effect("a file that is no audit database is a typed error", () =>
    Effect.gen(function* () {
      const path = fresh()
      change(path, "CREATE TABLE t(a)")
      assert.deepInclude(yield* Effect.flip(recover(path)), { _tag: "StoreFailed", reason: "other-schema" })
      assert.deepInclude(yield* Effect.flip(recover(fresh())), { _tag: "StoreFailed", reason: "missing" })
    })
  )
})
