/** One contract for every store. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll } from "vitest"
import type * as Schedule from "../../src/domain/Schedule.ts"
import * as AuditStoreMemory from "../../src/layers/AuditStoreMemory.ts"
import * as AuditStoreSqlite from "../../src/layers/AuditStoreSqlite.ts"
import * as RecordIntake from "../../src/layers/RecordIntake.ts"
import * as SignerMemory from "../../src/layers/SignerMemory.ts"
import { type AuditRecord, AuditStore } from "../../src/services/AuditStore.ts"
import { dataArbitrary } from "../fixtures/Arbitraries.ts"
import * as LogCheck from "../fixtures/LogCheck.ts"

type Store = AuditStore["Type"]

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-store-"))
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))
let files = 0

const stores = [
  { name: "memory", layer: (options: AuditStoreMemory.Options) => AuditStoreMemory.layer(options) },
  {
    name: "SQLite",
    layer: (options: AuditStoreMemory.Options) =>
      AuditStoreSqlite.layer({ ...options, path: Path.join(directory, `${files++}.db`) })
  }
]

const line = (text: string): AuditRecord => ({
  type: "console",
  source: "agent",
  data: { line: text, stream: "stdout" }
})

const read = (store: Store) =>
  Effect.gen(function* () {
    const leaves = [...(yield* Stream.runCollect(store.entries()))]
    const checkpoints = [...(yield* Stream.runCollect(store.checkpoints))]
    return { entries: LogCheck.check(leaves, checkpoints), leaves, checkpoints }
  })

const linesOf = (entries: ReadonlyArray<{ readonly type: string; readonly data: object }>) =>
  entries.filter(({ type }) => type === "console").map(({ data }) => ("line" in data ? data.line : undefined))

/** Turns of the real event loop, so that worker threads answer while the test's clock stands. */
const until = (condition: Effect.Effect<boolean>) =>
  Effect.gen(function* () {
    const start = performance.now()
    while (!(yield* condition)) {
      if (performance.now() - start > 20_000) assert.fail("nothing happened for 20 seconds")
      yield* Effect.promise(() => new Promise(setImmediate))
    }
  })

describe.each(stores)("AuditStore in $name", ({ layer }) => {
  const run = <A, E>(
    use: (store: Store) => Effect.Effect<A, E>,
    intervals: Partial<Schedule.Intervals> = {}
  ): Effect.Effect<A, unknown> =>
    Effect.flatMap(AuditStore, use).pipe(
      Effect.provide(layer({ run: "run_test", tool: "test/1", intervals }).pipe(Layer.provide(SignerMemory.layer)))
    )

  const build = (options: AuditStoreMemory.Options) =>
    Effect.flatMap(AuditStore, read).pipe(Effect.provide(layer(options).pipe(Layer.provide(SignerMemory.layer))))

  it.effect("opens with log.open and a checkpoint of size 1 by epoch 0, then the host", () =>
    run((store) =>
      Effect.gen(function* () {
        const { checkpoints, entries } = yield* read(store)
        const head = yield* store.head
        assert.lengthOf(entries, 1)
        assert.include(entries[0]!.data, { format: "agent-audit/1", kind: "run", run: "run_test", tool: "test/1" })
        assert.match(JSON.stringify(entries[0]!.data["nonce"]), /^"[0-9a-f]{32}"$/)
        assert.strictEqual(entries[0]!.data["key"], head.firstKey)
        assert.deepStrictEqual(
          checkpoints.map(({ size }) => size),
          [1]
        )
        assert.include(head, { size: 1, signedSize: 1, epoch: 0, checkpoints: 1, closed: false })
        assert.strictEqual(head.note, checkpoints[0]!.note)
        assert.isTrue(checkpoints[0]!.note.includes(`\n${head.firstRoot}\n\n— ${head.origin} `))
      })
    )
  )

  it.effect("a committed record stands where its receipt says", () =>
    run((store) =>
      Effect.gen(function* () {
        const first = yield* store.commit(line("a"))
        const second = yield* store.commit(line("b"))
        const { entries } = yield* read(store)
        assert.deepStrictEqual([first.seq, second.seq], [1, 2])
        assert.strictEqual(entries[2]!.prev, first.hash)
        assert.strictEqual((yield* store.head).hash, second.hash)
        assert.strictEqual((yield* store.head).size, 3)
      })
    )
  )

  it.effect("a sealed record is covered by a stored checkpoint", () =>
    run((store) =>
      Effect.gen(function* () {
        yield* store.append(line("before"))
        const sealed = yield* store.seal(line("gated"))
        const { checkpoints } = yield* read(store)
        const covering = checkpoints.find(({ note }) => note === sealed.note)
        assert.isAbove(covering!.size, sealed.seq)
      })
    )
  )

  it.effect("keeps the order in which records were handed in", () =>
    run((store) =>
      Effect.gen(function* () {
        const texts = Array.from({ length: 3000 }, (_, at) => `line ${at}`)
        for (const text of texts.slice(0, 1500)) yield* store.append(line(text))
        yield* store.appendAll(texts.slice(1500).map(line))
        yield* store.checkpoint
        assert.deepStrictEqual(linesOf((yield* read(store)).entries), texts)
      })
    )
  )

  it.effect("whoever waits at the same time gets places of its own, each behind its earlier ones", () =>
    run((store) =>
      Effect.gen(function* () {
        const producer = (name: number) =>
          Effect.forEach(
            Array.from({ length: 20 }, (_, at) => `${name}.${at}`),
            (text) => store.commit(line(text))
          )
        const receipts = yield* Effect.all(
          Array.from({ length: 64 }, (_, name) => producer(name)),
          { concurrency: "unbounded" }
        )
        for (const own of receipts) {
          const seqs = own.map(({ seq }) => seq)
          assert.deepStrictEqual(
            seqs,
            seqs.toSorted((a, b) => a - b)
          )
        }
        assert.strictEqual(new Set(receipts.flat().map(({ seq }) => seq)).size, 64 * 20)
        const { entries } = yield* read(store)
        for (const { hash, seq } of receipts.flat())
          if (seq + 1 < entries.length) assert.strictEqual(entries[seq + 1]!.prev, hash)
      })
    )
  )

  it.live("a record that is waited for alone keeps its place before what is handed in meanwhile", () =>
    run((store) =>
      Effect.gen(function* () {
        const expected: Array<string> = []
        for (let turn = 0; turn < 200; turn++) {
          const [alone, ...more] = Array.from({ length: 1 + (turn % 4) }, (_, at) => `${turn}.${at}`)
          expected.push(alone!, ...more) // there is at least one
          const waiting = yield* Effect.fork(store.commit(line(alone!)))
          yield* Effect.yieldNow()
          yield* store.appendAll(more.map(line))
          yield* Fiber.join(waiting)
        }
        yield* store.checkpoint
        assert.deepStrictEqual(linesOf((yield* read(store)).entries), expected)
      })
    )
  )

  it.live("any sequence of records round-trips, through rotations and checkpoints", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.array(
            FastCheck.oneof(
              dataArbitrary.map((data) => ({ _tag: "append" as const, data })),
              dataArbitrary.map((data) => ({ _tag: "commit" as const, data })),
              dataArbitrary.map((data) => ({ _tag: "seal" as const, data })),
              FastCheck.constantFrom({ _tag: "rotate" as const }, { _tag: "checkpoint" as const })
            ),
            { maxLength: 30 }
          ),
          (steps) =>
            Effect.runPromise(
              run(
                (store) =>
                  Effect.gen(function* () {
                    for (const step of steps) {
                      if (step._tag === "rotate" || step._tag === "checkpoint") yield* store[step._tag]
                      else yield* store[step._tag]({ type: "any.type", source: "shim", data: step.data })
                    }
                    yield* store.close({ reason: "exit", exit: 0 })
                    const { entries } = yield* read(store)
                    assert.deepStrictEqual(
                      entries.filter(({ type }) => type === "any.type").map(({ data }) => data),
                      steps.flatMap((step) => ("data" in step ? [step.data] : []))
                    )
                  }),
                { rotateAfterEntries: 7, signAfterEntries: 3 }
              )
            )
        ),
        { numRuns: 15 }
      )
    )
  )

  it.effect("refuses what breaks the format, says which member, and goes on", () =>
    run((store) =>
      Effect.gen(function* () {
        const refused = (record: AuditRecord) => Effect.map(Effect.flip(store.append(record)), (error) => error.message)
        assert.match(yield* refused({ ...line("a"), data: { ms: 1.5 } }), /^record refused: data\.ms: not an integer/)
        assert.match(yield* refused({ ...line("a"), type: "Console" }), /^record refused: type:/)
        assert.match(yield* refused({ ...line("a"), source: "A" }), /^record refused: source:/)
        assert.match(yield* refused({ ...line("a"), type: "log.drop" }), /recorder/)
        assert.match(yield* refused({ ...line("a"), type: "run.close" }), /recorder/)
        for (const type of ["log.open", "log.key", "log.close", "log.abort", "log.tick", "log.clock"]) {
          assert.match(yield* refused({ ...line("a"), source: "recorder", type }), /written by the store/)
        }
        assert.match(yield* refused(line("é".repeat(32_700))), /65535 is the limit/)
        const mixed = yield* Effect.either(store.appendAll([line("good"), { ...line("bad"), type: "" }]))
        assert.isTrue(Either.isLeft(mixed))
        assert.throws(() => store.offer([line("good"), { ...line("bad"), type: "" }]), /record refused/)
        yield* store.append({ type: "log.drop", source: "recorder", data: { count: 3 } })
        yield* store.commit(line("x".repeat(65_000)))
        assert.deepStrictEqual(
          (yield* read(store)).entries.map(({ type }) => type),
          ["log.open", "log.drop", "console"]
        )
      })
    )
  )

  it.effect("rotates on demand: the old key closes its epoch, and the new one signs what follows", () =>
    run((store) =>
      Effect.gen(function* () {
        yield* store.append(line("a"))
        const closing = yield* store.rotate
        assert.include(closing, { size: 3, epoch: 0 })
        assert.strictEqual((yield* store.head).epoch, 1)
        yield* store.append(line("b"))
        assert.include(yield* store.checkpoint, { size: 4, epoch: 1 })
        yield* store.rotate
        yield* store.rotate
        const { entries } = yield* read(store)
        assert.deepStrictEqual(
          entries.slice(2).map(({ type }) => type),
          ["log.key", "console", "log.key", "log.key"]
        )
      })
    )
  )

  it.effect("an epoch ends after as many entries as it may have, whatever way they came", () =>
    run(
      (store) =>
        Effect.gen(function* () {
          yield* store.appendAll(Array.from({ length: 35 }, (_, at) => line(`${at}`)))
          for (let at = 0; at < 25; at++) yield* store.commit(line(`c${at}`))
          yield* store.checkpoint
          const { entries } = yield* read(store)
          const keys = entries.filter(({ type }) => type === "log.key").map(({ seq }) => seq)
          assert.deepStrictEqual(keys, [10, 20, 30, 40, 50, 60])
        }),
      { rotateAfterEntries: 10 }
    )
  )

  it.effect("signs a second after the first unsigned entry, without being asked", () =>
    run((store) =>
      Effect.gen(function* () {
        yield* store.commit(line("a"))
        yield* TestClock.adjust("999 millis")
        assert.strictEqual((yield* store.head).signedSize, 1)
        yield* TestClock.adjust("1 millis")
        yield* until(Effect.map(store.head, ({ signedSize }) => signedSize === 2))
        yield* read(store)
      })
    )
  )

  it.effect("signs at the commit when 256 entries are unsigned", () =>
    run((store) =>
      Effect.gen(function* () {
        yield* store.appendAll(Array.from({ length: 255 }, (_, at) => line(`${at}`)))
        yield* until(Effect.map(store.head, ({ size }) => size === 256))
        assert.strictEqual((yield* store.head).signedSize, 1)
        yield* store.append(line("one more"))
        yield* until(Effect.map(store.head, ({ signedSize }) => signedSize === 257))
      })
    )
  )

  it.effect("a silent log ticks every ten seconds, and ticks do not end its epoch", () =>
    run((store) =>
      Effect.gen(function* () {
        for (let tick = 1; tick <= 8; tick++) {
          yield* TestClock.adjust("10 seconds")
          yield* until(Effect.map(store.head, ({ size }) => size === 1 + tick))
          yield* TestClock.adjust("1 seconds")
          yield* until(Effect.map(store.head, ({ signedSize }) => signedSize === 1 + tick))
        }
        const { entries } = yield* read(store)
        assert.deepStrictEqual(new Set(entries.slice(1).map(({ type }) => type)), new Set(["log.tick"]))
        assert.strictEqual((yield* store.head).epoch, 0)
      })
    )
  )

  it.effect("an epoch with records ends after a minute", () =>
    run((store) =>
      Effect.gen(function* () {
        yield* store.commit(line("a"))
        for (let second = 0; second < 60; second++) {
          yield* TestClock.adjust("1 seconds")
          yield* Effect.promise(() => new Promise(setImmediate))
        }
        yield* until(Effect.map(store.head, ({ epoch }) => epoch === 1))
        yield* store.checkpoint
        assert.strictEqual((yield* read(store)).entries.at(-1)!.type, "log.key")
      })
    )
  )

  it.live("a step of the wall clock is an entry, and time goes on from where it was", () => {
    let offset = 0
    const real = Clock.make()
    const stepping: Clock.Clock = {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      currentTimeMillis: Effect.sync(() => stepping.unsafeCurrentTimeMillis()),
      currentTimeNanos: real.currentTimeNanos,
      unsafeCurrentTimeMillis: () => real.unsafeCurrentTimeMillis() + offset,
      unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos(),
      sleep: (duration) => real.sleep(duration)
    }
    return run((store) =>
      Effect.gen(function* () {
        yield* store.commit(line("a"))
        offset = -3_600_000
        yield* store.commit(line("b"))
        yield* store.append(line("c"))
        yield* store.checkpoint
        const { entries } = yield* read(store)
        assert.deepStrictEqual(
          entries.map(({ type }) => type),
          ["log.open", "console", "log.clock", "console", "console"]
        )
        assert.approximately(Number(entries[2]!.data["step_ms"]), -3_600_000, 1000)
        assert.match(JSON.stringify(entries[2]!.data["wall"]), /^"\d{4}-.*Z"$/)
        assert.strictEqual(entries[3]!.ts, entries[1]!.ts)
      })
    ).pipe(Effect.withClock(stepping))
  })

  it.effect("close writes the last entry and the last checkpoint, once, and nothing follows", () =>
    run((store) =>
      Effect.gen(function* () {
        yield* store.append(line("a"))
        const [final, again] = yield* Effect.all(
          [store.close({ reason: "exit", exit: 3 }), store.close({ reason: "other", exit: 0 })],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(again, final)
        assert.deepStrictEqual(yield* store.close({ reason: "exit", exit: 3 }), final)
        assert.deepStrictEqual(yield* store.checkpoint, final)
        const refused = [
          yield* Effect.flip(store.append(line("late"))),
          yield* Effect.flip(store.commit(line("late"))),
          yield* Effect.flip(store.seal(line("late"))),
          yield* Effect.flip(store.rotate)
        ]
        assert.deepStrictEqual(new Set(refused.map(({ _tag }) => _tag)), new Set(["StoreClosed"]))
        assert.isFalse(store.offer([line("late")]))
        yield* TestClock.adjust("5 minutes")
        const { checkpoints, entries } = yield* read(store)
        assert.deepInclude(entries.at(-1), { type: "log.close" })
        assert.deepInclude(entries.at(-1)!.data, { entries: 3, exit: 3, reason: "exit" })
        assert.deepStrictEqual(checkpoints.at(-1), final)
        assert.include(yield* store.head, { closed: true, size: 3, signedSize: 3 })
      })
    )
  )

  it.effect("closing comes after everything that was accepted before it", () =>
    run((store) =>
      Effect.gen(function* () {
        const texts = Array.from({ length: 5000 }, (_, at) => `line ${at}`)
        yield* store.appendAll(texts.map(line))
        yield* store.close({ reason: "exit", exit: 0 })
        assert.deepStrictEqual(linesOf((yield* read(store)).entries), texts)
      })
    )
  )

  it.effect("a scope that ends without close leaves everything durable and signed, and no log.close", () =>
    Effect.gen(function* () {
      const store = yield* run((open) => Effect.as(open.appendAll(["a", "b", "c"].map(line)), open))
      const { checkpoints, entries } = yield* read(store)
      assert.deepStrictEqual(linesOf(entries), ["a", "b", "c"])
      assert.strictEqual(checkpoints.at(-1)!.size, 4)
      assert.strictEqual((yield* Effect.flip(store.append(line("late"))))._tag, "StoreClosed")
      assert.strictEqual((yield* Effect.flip(store.close({ reason: "exit", exit: 0 })))._tag, "StoreClosed")
    })
  )

  it.effect("offer takes all or nothing, and onDrain says when there is room again", () =>
    run((store) =>
      Effect.gen(function* () {
        const chunk = Array.from({ length: 100 }, (_, at) => line(`${at}`))
        const total = 3 * RecordIntake.maxQueuedRecords
        let offered = 0
        let drains = 0
        yield* Effect.async<void>((resume) => {
          const pour = () => {
            while (offered < total) {
              if (!store.offer(chunk)) return
              offered += chunk.length
            }
            resume(Effect.void)
          }
          const stop = store.onDrain(() => {
            drains++
            pour()
          })
          pour()
          assert.isAtMost(offered, RecordIntake.maxQueuedRecords)
          return Effect.sync(stop)
        })
        assert.isAbove(drains, 0)
        yield* store.checkpoint
        const lines = linesOf((yield* read(store)).entries)
        assert.lengthOf(lines, offered)
        assert.isTrue(lines.every((text, at) => text === `${at % 100}`))
      })
    )
  )

  it.effect("who appends faster than the store stores has to wait, and loses nothing", () =>
    run((store) =>
      Effect.gen(function* () {
        const count = RecordIntake.maxQueuedRecords + 5000
        for (let at = 0; at < count; at++) yield* store.append(line(`${at}`))
        yield* store.checkpoint
        assert.lengthOf(linesOf((yield* read(store)).entries), count)
      })
    )
  )

  it.effect("a caller that is interrupted leaves a whole log behind", () =>
    run((store) =>
      Effect.gen(function* () {
        const callers = yield* Effect.forEach(
          Array.from({ length: 30 }, (_, at) => at),
          (at) => Effect.fork(at % 2 === 0 ? store.commit(line(`${at}`)) : store.seal(line(`${at}`)))
        )
        yield* Effect.yieldNow()
        const exits = yield* Effect.forEach(callers, Fiber.interrupt)
        assert.isTrue(exits.every((exit) => Exit.isSuccess(exit) || Cause.isInterrupted(exit.cause)))
        yield* store.commit(line("after"))
        yield* store.close({ reason: "exit", exit: 0 })
        assert.strictEqual(linesOf((yield* read(store)).entries).at(-1), "after")
      })
    )
  )

  it.effect("entries can be read from a place to a place", () =>
    run((store) =>
      Effect.gen(function* () {
        yield* store.appendAll(Array.from({ length: 600 }, (_, at) => line(`${at}`)))
        yield* store.checkpoint
        const { leaves } = yield* read(store)
        const part = yield* Stream.runCollect(store.entries({ from: 255, to: 520 }))
        assert.deepStrictEqual([...part], leaves.slice(255, 520))
        assert.lengthOf([...(yield* Stream.runCollect(store.entries({ from: 601 })))], 0)
      })
    )
  )

  it.effect("the members of log.open may have company, and a run needs a name that is allowed", () =>
    Effect.gen(function* () {
      const { entries } = yield* build({ run: "r", tool: "t/1", extra: { argv: ["a"], run: "forged" } })
      assert.deepInclude(entries[0]!.data, { argv: ["a"], run: "r" })
      assert.deepInclude(yield* Effect.flip(build({ run: "../r", tool: "t/1" })), {
        _tag: "RecordRejected",
        member: "run"
      })
      const fraction = yield* Effect.flip(build({ run: "r", tool: "t/1", extra: { ms: 0.5 } }))
      assert.deepInclude(fraction, { _tag: "RecordRejected", member: "data.ms" })
    })
  )
})
