import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Checkpoint from "../../src/domain/Checkpoint.ts"
import * as Entry from "../../src/domain/Entry.ts"
import * as Evidence from "../../src/domain/Evidence.ts"
import * as Jcs from "../../src/domain/Jcs.ts"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as TlogPolicy from "../../src/domain/TlogPolicy.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import { Ledger, LedgerReader } from "../../src/services/Ledger.ts"
import * as Home from "./LedgerHome.ts"

const entryAt = (home: Home.Home, seq: number): Entry.Entry =>
  Either.getOrThrow(Entry.decode(Home.leaves(home)[seq] ?? ""))

const signatureNames = (note: string): ReadonlyArray<number> =>
  Either.getOrThrow(SignedNote.parse(note)).signatures.map((signature) => signature.keyId)

const keyIdOf = (vkey: unknown): number => Either.getOrThrow(Vkey.parse(String(vkey))).keyId

const ids = (prefix: string) => Array.from({ length: 6 }, (_, n) => `run_${prefix}${n}`)

describe("LedgerSqlite", () => {
  it.scoped("begins with a log.open of kind ledger and a checkpoint of size 1 by epoch key and host key", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const opening = Home.run("run_a")
      const receipt = yield* Home.command(
        home,
        Effect.flatMap(Ledger, (ledger) => ledger.open(opening))
      )
      assert.deepStrictEqual(Home.types(home), ["log.open", "run.open"])
      const { data, source, ts } = entryAt(home, 0)
      assert.strictEqual(data["kind"], "ledger")
      assert.strictEqual(data["format"], "agent-audit/1")
      assert.strictEqual(data["origin"], Home.host.ledgerOrigin)
      assert.strictEqual(data["host"], Home.host.host.text)
      assert.strictEqual(data["tool"], "agentops/test")
      assert.strictEqual(source, "recorder")
      assert.strictEqual(ts, "1970-01-01T00:00:00.000Z")
      assert.deepStrictEqual(entryAt(home, 1).data, { key: opening.key, origin: opening.origin, root: opening.root })
      const [first, second] = Home.notes(home)
      assert.strictEqual(first?.size, 1)
      assert.deepStrictEqual(signatureNames(first?.note ?? ""), [keyIdOf(data["key"]), Home.host.host.keyId])
      assert.deepStrictEqual(receipt, { seq: 1, size: 2, note: second?.note ?? "" })
      assert.strictEqual(Fs.statSync(home.path).mode & 0o777, 0o600)
      assert.strictEqual(Fs.statSync(home.key).mode & 0o777, 0o600)
    })
  )

  it.scoped("verifies as a ledger that is never closed", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Home.command(home, Effect.forEach(["run_a", "run_b", "run_c"], Home.record))
      const report = yield* Home.verify(home)
      assert.strictEqual(report.verdict, "INCOMPLETE", report.why)
      assert.deepStrictEqual(report.counts.entries, 13)
      assert.strictEqual(report.counts.signed, 13)
      assert.strictEqual(report.counts.epochs, 4)
    })
  )

  it.scoped("replaces its key with every run.close, and the old key signs the checkpoint that ends its epoch", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Home.command(home, Home.record("run_a"))
      const before = Fs.readFileSync(home.key, "utf8")
      yield* Home.command(home, Home.record("run_b"))
      assert.notStrictEqual(Fs.readFileSync(home.key, "utf8"), before)
      assert.isFalse(Fs.existsSync(home.nextKey))
      assert.deepStrictEqual(Home.types(home).slice(1, 5), ["run.open", "run.point", "run.close", "log.key"])
      const key0 = keyIdOf(entryAt(home, 0).data["key"])
      const { data } = entryAt(home, 4)
      assert.strictEqual(data["epoch"], 1)
      const bySize = new Map(Home.notes(home).map((row) => [row.size, row]))
      assert.deepStrictEqual([...bySize.keys()], [1, 2, 3, 5, 6, 7, 9])
      assert.strictEqual(signatureNames(bySize.get(5)?.note ?? "")[0], key0)
      assert.strictEqual(bySize.get(5)?.epoch, 0)
      assert.strictEqual(signatureNames(bySize.get(6)?.note ?? "")[0], keyIdOf(data["key"]))
      assert.strictEqual(data["checkpoints"], 3)
      assert.strictEqual(entryAt(home, 8).data["checkpoints"], 6)
    })
  )

  it.scoped("gives evidence that holds for the run that it is about, and for no other", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const runs = Array.from({ length: 9 }, (_, n) => `run_${n}`)
      yield* Home.command(home, Effect.forEach(runs, Home.record))
      const { origin } = Home.run("run_4")
      const evidence = yield* Home.ask(
        home,
        Effect.flatMap(LedgerReader, (ledger) => ledger.evidence(origin))
      )
      const claims = evidence.map(({ leaf, proof }) => {
        const checked = Evidence.checkLedgerRecord(Jcs.parseCanonical(leaf), proof, origin, TlogPolicy.none)
        const { claim, note } = Either.getOrThrow(checked)
        assert.strictEqual(SignedNote.check(note, Home.host.host), "valid")
        assert.strictEqual(Either.getOrThrow(Checkpoint.parse(note.text)).size, 37)
        const other = Home.run("run_5").origin
        assert.isTrue(
          Either.isLeft(Evidence.checkLedgerRecord(Jcs.parseCanonical(leaf), proof, other, TlogPolicy.none))
        )
        return [claim.size, Buffer.from(claim.root).toString("base64")]
      })
      assert.deepStrictEqual(claims, [
        [1, Home.rootOf(1)],
        [5, Home.rootOf(5)],
        [9, Home.rootOf(9)]
      ])
    })
  )

  it.scoped("leaves out what names more entries than an export has", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const sizes = yield* Home.command(
        home,
        Effect.gen(function* () {
          yield* Home.record("run_a")
          const ledger = yield* Ledger
          const { origin } = Home.run("run_a")
          return yield* Effect.forEach([0, 1, 8, 9], (upTo) =>
            Effect.map(ledger.evidence(origin, { upTo }), (found) => found.length)
          )
        })
      )
      assert.deepStrictEqual(sizes, [0, 1, 2, 3])
    })
  )

  it.scoped("adds the cosignatures of its latest checkpoint to the evidence", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      yield* Home.command(home, Home.record("run_a"))
      const line = SignedNote.signatureLine("witness.example/w1", 7, Buffer.alloc(72, 1))
      Home.tamper(home, `INSERT INTO cosignatures VALUES (5, '${line}'), (3, 'of another size')`)
      const [first] = yield* Home.ask(
        home,
        Effect.flatMap(LedgerReader, (ledger) => ledger.evidence(Home.run("run_a").origin))
      )
      assert.isTrue(first?.proof.endsWith(line))
    })
  )

  it.scoped("says what it knows last of a run, and how far it is", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const { origin } = Home.run("run_a")
      yield* Home.command(
        home,
        Effect.gen(function* () {
          const ledger = yield* Ledger
          yield* ledger.open(Home.run("run_a"))
          yield* Home.record("run_b")
          const opened = Option.getOrThrow(yield* ledger.latest(origin))
          assert.deepStrictEqual(opened, {
            type: "run.open",
            seq: 1,
            origin,
            size: 1,
            root: Home.rootOf(1),
            state: undefined
          })
          const { note } = yield* ledger.close({ origin, size: 4, root: Home.rootOf(4), state: "aborted" })
          const closed = Option.getOrThrow(yield* ledger.latest(origin))
          assert.deepStrictEqual([closed.type, closed.size, closed.state], ["run.close", 4, "aborted"])
          assert.deepStrictEqual(yield* ledger.latest(Home.run("run_c").origin), Option.none())
          const head = Option.getOrThrow(yield* ledger.head)
          assert.deepStrictEqual([head.origin, head.size, head.epoch], [Home.host.ledgerOrigin, 8, 2])
          assert.strictEqual(head.note, note)
          assert.deepStrictEqual(yield* ledger.checkpoint, Option.some(note))
        })
      )
    })
  )

  it.scoped("answers questions without a ledger, and makes nothing", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const { origin } = Home.run("run_a")
      const questions = Effect.gen(function* () {
        const ledger = yield* LedgerReader
        assert.isTrue(Option.isNone(yield* ledger.head))
        assert.isTrue(Option.isNone(yield* ledger.checkpoint))
        assert.isTrue(Option.isNone(yield* ledger.latest(origin)))
        assert.deepStrictEqual(yield* ledger.evidence(origin), [])
      })
      yield* Home.ask(home, questions)
      yield* Home.ask(Home.homeAt(`${home.directory}/none`), questions)
      yield* Home.command(home, Effect.void)
      assert.deepStrictEqual(Fs.readdirSync(home.directory), [])
    })
  )

  it.scoped("closes a run once: the same again is answered, anything else refused", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const { origin } = Home.run("run_a")
      const first = yield* Home.command(home, Home.record("run_a"))
      yield* Home.command(
        home,
        Effect.gen(function* () {
          const ledger = yield* Ledger
          const again = yield* ledger.close({ origin, size: 9, root: Home.rootOf(9), state: "closed" })
          assert.deepStrictEqual(again, first)
          const other = yield* Effect.flip(ledger.close({ origin, size: 8, root: Home.rootOf(9), state: "closed" }))
          assert.strictEqual(other._tag, "LedgerRefused")
          const state = yield* Effect.flip(ledger.close({ origin, size: 9, root: Home.rootOf(9), state: "aborted" }))
          assert.strictEqual(state._tag, "LedgerRefused")
          yield* ledger.purge({ origin, size: 9, root: Home.rootOf(9), by: "test" })
        })
      )
      assert.deepStrictEqual(Home.types(home).slice(-2), ["log.key", "run.purge"])
    })
  )

  it.scoped("refuses what is not about a run of its own, or has a member of another form", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const { origin, root, key } = Home.run("run_a")
      yield* Home.command(
        home,
        Effect.gen(function* () {
          const ledger = yield* Ledger
          const refused = [
            ledger.point({ origin: "agent.example/other/run_a", size: 1, root }),
            ledger.point({ origin: Home.host.ledgerOrigin, size: 1, root }),
            ledger.point({ origin: `${origin}/deeper`, size: 1, root }),
            ledger.point({ origin, size: 0, root }),
            ledger.point({ origin, size: 1.5, root }),
            ledger.point({ origin, size: 1, root: "AA==" }),
            ledger.open({ origin, key: Home.run("run_b").key, root }),
            ledger.open({ origin, key: key.slice(1), root })
          ]
          for (const request of refused) assert.strictEqual((yield* Effect.flip(request))._tag, "LedgerRefused")
        })
      )
      assert.isFalse(Fs.existsSync(home.path))
    })
  )

  it.scoped("records a wall clock that goes back more than a second, once, and never lets time go back", () =>
    Effect.gen(function* () {
      const home = yield* Home.make
      const point = Effect.flatMap(Ledger, (ledger) =>
        ledger.point({ origin: Home.run("run_a").origin, size: 1, root: Home.rootOf(1) })
      )
      const at = (millis: number) => Effect.zipRight(TestClock.setTime(millis), Home.command(home, point))
      yield* at(100_000)
      yield* at(99_000)
      assert.deepStrictEqual(Home.types(home).slice(1), ["run.point", "run.point"])
      yield* at(90_000)
      yield* at(90_500)
      yield* at(89_500)
      yield* at(80_000)
      yield* at(100_001)
      assert.deepStrictEqual(Home.types(home).slice(3), [
        "log.clock",
        "run.point",
        "run.point",
        "run.point",
        "log.clock",
        "run.point",
        "run.point"
      ])
      assert.deepStrictEqual(entryAt(home, 3).data, { step_ms: -10_000, wall: "1970-01-01T00:01:30.000Z" })
      assert.deepStrictEqual(entryAt(home, 7).data, { step_ms: -10_000, wall: "1970-01-01T00:01:20.000Z" })
      assert.strictEqual(entryAt(home, 8).ts, "1970-01-01T00:01:40.000Z")
      assert.strictEqual(entryAt(home, 9).ts, "1970-01-01T00:01:40.001Z")
      assert.strictEqual((yield* Home.verify(home)).verdict, "INCOMPLETE")
    })
  )

  it.scopedLive(
    "serves fibers and layers of one process at once, one after the other",
    () =>
      Effect.gen(function* () {
        const home = yield* Home.make
        const fibers = (prefix: string) =>
          Home.command(home, Effect.forEach(ids(prefix), Home.record, { concurrency: "unbounded", discard: true }))
        yield* Effect.all([fibers("a"), fibers("b"), fibers("c")], { concurrency: "unbounded" })
        const report = yield* Home.verify(home)
        assert.strictEqual(report.verdict, "INCOMPLETE", report.why)
        assert.strictEqual(report.counts.entries, 1 + 18 * 4)
      }),
    30_000
  )
})
