import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as LedgerDatabase from "../../src/layers/LedgerDatabase.ts"
import * as LedgerKey from "../../src/layers/LedgerKey.ts"
import { Ledger, type LedgerFailureReason, LedgerReader } from "../../src/services/Ledger.ts"
import { Signer, SignerError } from "../../src/services/Signer.ts"
import * as Home from "./LedgerHome.ts"

const open = (id: string) => Effect.flatMap(Ledger, (ledger) => ledger.open(Home.run(id)))

/** A home with the ledger of one whole run: log.open, run.open, run.point, run.close, log.key. */
const recorded = Effect.tap(Home.make, (home) => Home.command(home, Home.record("run_a")))

const reasonOf = (code: string): LedgerFailureReason =>
  LedgerDatabase.failureOf("ledger.db", Object.assign(new Error("words"), { code })).reason

const contentOf = (home: Home.Home) => [Home.leaves(home), Home.notes(home)]

/** `run.open` fails for this reason; what the ledger holds stays as it is. */
const assertRefused = (home: Home.Home, reason: LedgerFailureReason) =>
  Effect.gen(function* () {
    const before = contentOf(home)
    const error = yield* Effect.flip(Home.command(home, open("run_z")))
    if (error._tag !== "LedgerFailed") return assert.fail(`${error._tag}: ${error.message}`)
    assert.strictEqual(error.reason, reason, error.message)
    assert.notInclude(error.message, "\n")
    assert.deepStrictEqual(contentOf(home), before)
  })

const appends = (home: Home.Home, id: string) =>
  Effect.gen(function* () {
    yield* Home.command(home, Home.record(id))
    assert.strictEqual((yield* Home.verify(home)).verdict, "INCOMPLETE")
  })

describe("a ledger that was changed is not signed again", () => {
  it.scoped.each<readonly [string, ReadonlyArray<string>]>([
    ["an entry is edited", ["UPDATE entries SET leaf=replace(leaf,'run_a','run_b') WHERE seq=1"]],
    ["an entry is no entry", ["UPDATE entries SET leaf='[4]' WHERE seq=4"]],
    ["an entry in the middle is missing", ["DELETE FROM entries WHERE seq=2"]],
    ["the last entry is missing", ["DELETE FROM entries WHERE seq=4"]],
    [
      "the last entry and its checkpoint are missing",
      ["DELETE FROM entries WHERE seq=4", "DELETE FROM checkpoints WHERE size=5"]
    ],
    ["all checkpoints are missing", ["DELETE FROM checkpoints"]],
    ["an entry is added", ["INSERT INTO entries SELECT 5, leaf, hash FROM entries WHERE seq=1"]],
    [
      "two entries are swapped",
      [
        "UPDATE entries SET seq=9 WHERE seq=1",
        "UPDATE entries SET seq=1 WHERE seq=2",
        "UPDATE entries SET seq=2 WHERE seq=9"
      ]
    ],
    ["the last note is no note", ["UPDATE checkpoints SET note='x' WHERE size=5"]],
    [
      "the last note is that of another size",
      ["UPDATE checkpoints SET note=(SELECT note FROM checkpoints WHERE size=3) WHERE size=5"]
    ],
    [
      "the last note names another root",
      [
        "UPDATE checkpoints SET note=replace(note, substr(note, instr(note, char(10)||'5'||char(10))+3, 4), 'AAAA') WHERE size=5"
      ]
    ],
    ["the last note is said to be of another epoch", ["UPDATE checkpoints SET epoch=1 WHERE size=5"]],
    ["the first entry is another one", ["UPDATE entries SET leaf=replace(leaf,'log.open','log.tick') WHERE seq=0"]]
  ])("%s", ([, statements]) =>
    Effect.gen(function* () {
      const home = yield* recorded
      Home.tamper(home, ...statements)
      yield* assertRefused(home, "corrupt")
    })
  )

  it.scoped("a line of the host or of the epoch is missing", () =>
    Effect.gen(function* () {
      for (const kept of [0, 1]) {
        const home = yield* recorded
        const [head, lines] = (Home.notes(home).at(-1)?.note ?? "").split("\n\n")
        const note = SignedNote.assemble(`${head}\n`, [`${lines?.split("\n")[kept]}\n`])
        Home.tamper(home, `UPDATE checkpoints SET note='${note}' WHERE size=5`)
        yield* assertRefused(home, "corrupt")
      }
    })
  )
})

describe("a ledger that cannot be used", () => {
  it.scoped("a database of another schema is left as it is", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      Home.tamper(home, "CREATE INDEX fast ON entries(type)")
      yield* assertRefused(home, "other-schema")
      const other = yield* Home.make
      const database = new Database(other.path)
      database.exec("CREATE TABLE mine(x)")
      database.close()
      const before = Fs.readFileSync(other.path)
      const error = yield* Effect.flip(Home.command(other, open("run_z")))
      assert.include(error.message, "other-schema")
      assert.deepStrictEqual(Fs.readFileSync(other.path), before)
      assert.deepStrictEqual(Fs.readdirSync(other.directory), ["ledger.db"])
    })
  )

  it.scoped("a file that is no database", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      Fs.writeFileSync(
        home.path,
        "not a database, and longer than the header of one, which is what SQLite looks at first"
      )
      const writing = yield* Effect.flip(Home.command(home, open("run_z")))
      assert.include(writing.message, "not-a-database")
      const reading = yield* Effect.flip(
        Home.ask(
          home,
          Effect.flatMap(LedgerReader, (ledger) => ledger.head)
        )
      )
      assert.include(reading.message, "not-a-database")
    })
  )

  it.scoped("the ledger of another host", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      const before = contentOf(home)
      const other = Home.command(
        home,
        Effect.gen(function* () {
          const { ledgerOrigin } = yield* Signer
          const ledger = yield* Ledger
          return yield* ledger.point({ origin: `${ledgerOrigin}/run_z`, size: 1, root: Home.rootOf(1) })
        }),
        Home.withSeed(8)
      )
      const error = yield* Effect.flip(other)
      assert.include(error.message, "other-host")
      assert.deepStrictEqual(contentOf(home), before)
    })
  )

  it.scoped("a ledger.db that went missing is not replaced by an empty one", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      Fs.rmSync(home.path)
      const error = yield* Effect.flip(Home.command(home, open("run_z")))
      assert.include(error.message, "missing")
      assert.isFalse(Fs.existsSync(home.path))
      Fs.writeFileSync(home.path, "")
      assert.include((yield* Effect.flip(Home.command(home, open("run_z")))).message, "missing")
      Fs.rmSync(home.path)
      Fs.rmSync(home.key)
      yield* appends(home, "run_b")
    })
  )

  it.scoped("a directory that is not there to be made", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      Fs.writeFileSync(`${home.directory}/file`, "")
      const error = yield* Effect.flip(Home.command(Home.homeAt(`${home.directory}/file`), open("run_z")))
      assert.strictEqual(error._tag, "LedgerFailed")
    })
  )

  it("tells a full disk, a read-only one, and missing rights from each other", () => {
    assert.strictEqual(reasonOf("SQLITE_FULL"), "disk-full")
    assert.strictEqual(reasonOf("SQLITE_IOERR_SHMSIZE"), "disk-full")
    assert.strictEqual(reasonOf("ENOSPC"), "disk-full")
    assert.strictEqual(reasonOf("SQLITE_READONLY_DBMOVED"), "read-only")
    assert.strictEqual(reasonOf("EACCES"), "permission")
    assert.strictEqual(reasonOf("SQLITE_CORRUPT_VTAB"), "corrupt")
    assert.strictEqual(reasonOf("SQLITE_IOERR_WRITE"), "io")
  })
})

describe("a ledger that somebody else holds", () => {
  it.scoped(
    "is waited for, and given up after 30 seconds",
    () =>
      Effect.gen(function* () {
        const home = yield* recorded
        const holder = new Database(home.path)
        holder.exec("BEGIN IMMEDIATE")
        const waiting = yield* Effect.fork(Effect.flip(Home.command(home, open("run_z"))))
        yield* TestClock.adjust("29 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
        yield* TestClock.adjust("2 seconds")
        const error = yield* Fiber.join(waiting)
        assert.strictEqual(error._tag, "LedgerBusy")
        holder.exec("ROLLBACK")
        holder.close()
        yield* appends(home, "run_b")
      }),
    20_000
  )

  it.scoped("is appended to as soon as it is free", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      const holder = new Database(home.path)
      holder.exec("BEGIN IMMEDIATE")
      const waiting = yield* Effect.fork(Home.command(home, open("run_z")))
      yield* TestClock.adjust("10 seconds")
      holder.exec("ROLLBACK")
      holder.close()
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(waiting)).seq, 5)
    })
  )

  it.scoped("is not waited for by who is interrupted, and nothing is left open", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      const holder = new Database(home.path)
      holder.exec("BEGIN IMMEDIATE")
      const waiting = yield* Effect.fork(Home.command(home, open("run_z")))
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.interrupt(waiting)
      holder.exec("ROLLBACK")
      holder.close()
      assert.strictEqual(Home.leaves(home).length, 5)
      yield* appends(home, "run_b")
    })
  )
})

describe("the ledger's key in files", () => {
  it.scoped("a kill between the COMMIT and the rename is put right by the next append", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      const old = Fs.readFileSync(home.key)
      yield* Home.command(home, Home.record("run_b"))
      Fs.renameSync(home.key, home.nextKey)
      Fs.writeFileSync(home.key, old, { mode: 0o600 })
      yield* Home.command(home, open("run_c"))
      assert.isFalse(Fs.existsSync(home.nextKey))
      assert.notDeepEqual(Fs.readFileSync(home.key), old)
      yield* appends(home, "run_d")
    })
  )

  it.scoped("a kill after the old key was overwritten is, too", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      Fs.renameSync(home.key, home.nextKey)
      Fs.writeFileSync(home.key, Buffer.alloc(119), { mode: 0o600 })
      yield* appends(home, "run_b")
    })
  )

  it.scoped("a key that was made for a COMMIT that never came is used by the next replacement", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      const waiting = LedgerKey.prepare(home.keysDirectory, Home.host.ledgerOrigin, undefined)
      yield* Home.command(home, open("run_b"))
      assert.isTrue(Fs.existsSync(home.nextKey))
      yield* appends(home, "run_c")
      assert.include(Home.leaves(home).at(-1) ?? "", waiting.vkey.text)
      assert.isFalse(Fs.existsSync(home.nextKey))
    })
  )

  it.scoped("a kill before the first COMMIT leaves a home that works", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      LedgerKey.prepare(home.keysDirectory, Home.host.ledgerOrigin, undefined)
      Fs.writeFileSync(home.path, "")
      yield* appends(home, "run_a")
    })
  )

  it.scoped("without any key file the ledger is not continued, and the message says what to do", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      Fs.rmSync(home.key)
      yield* assertRefused(home, "key-lost")
      Fs.writeFileSync(home.nextKey, "no key", { mode: 0o600 })
      yield* assertRefused(home, "key-lost")
      LedgerKey.prepare(home.keysDirectory, Home.host.ledgerOrigin, undefined)
      yield* assertRefused(home, "key-lost")
      const evidence = yield* Home.ask(
        home,
        Effect.flatMap(LedgerReader, (ledger) => ledger.evidence(Home.run("run_a").origin))
      )
      assert.strictEqual(evidence.length, 3)
    })
  )

  it.scoped("another ledger begins when the user moves the old one away, also under a program that runs", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Home.command(
        home,
        Effect.gen(function* () {
          yield* Home.record("run_a")
          Fs.renameSync(home.path, `${home.directory}/ledger-1.db`)
          Fs.rmSync(`${home.path}-wal`, { force: true })
          Fs.rmSync(`${home.path}-shm`, { force: true })
          Fs.rmSync(home.key)
          yield* Home.record("run_b")
        })
      )
      assert.strictEqual(Home.leaves(home).length, 5)
      assert.strictEqual((yield* Home.verify(home)).verdict, "INCOMPLETE")
    })
  )

  it.scoped("a key that others may read is refused", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      Fs.chmodSync(home.key, 0o644)
      yield* assertRefused(home, "permission")
      Fs.chmodSync(home.key, 0o600)
      yield* appends(home, "run_b")
    })
  )

  it.scoped("a host key that cannot sign leaves nothing behind", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      const error = new SignerError({ path: "agent", reason: "it is locked", advice: "unlock it" })
      const locked = Layer.succeed(Signer, { ...Home.host, signAsHost: () => Effect.fail(error) })
      const close = Home.command(home, Home.record("run_b"), locked)
      assert.strictEqual((yield* Effect.flip(close))._tag, "SignerError")
      assert.strictEqual(Home.leaves(home).length, 5)
      yield* appends(home, "run_c")
    })
  )
})

describe("the ledger's connection", () => {
  it.scoped("stays at synchronous=FULL after a write", () =>
    Effect.gen(function* () {
      const home = yield* recorded
      const database = LedgerDatabase.openForWriting(home)
      database.exec("UPDATE entries SET hash=hash WHERE seq=0")
      assert.strictEqual(database.pragma("synchronous", { simple: true }), 2)
      assert.strictEqual(database.pragma("journal_mode", { simple: true }), "wal")
      LedgerDatabase.assertDurable(database, home.path)
      database.pragma("synchronous = NORMAL")
      assert.throws(() => LedgerDatabase.assertDurable(database, home.path))
      database.close()
    })
  )
})
