import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import * as AuditStoreMemory from "../../../src/layers/AuditStoreMemory.ts"
import * as RecordSink from "../../../src/layers/collector/RecordSink.ts"
import * as Service from "../../../src/layers/collector/Service.ts"
import * as SignerMemory from "../../../src/layers/SignerMemory.ts"
import { type AuditRecord, AuditStore, StoreFailed } from "../../../src/services/AuditStore.ts"
import { CollectorFailed } from "../../../src/services/Collector.ts"
import * as ArraySink from "../../fixtures/ArraySink.ts"
import * as Cli from "../../fixtures/Cli.ts"
import * as Senders from "../../fixtures/Senders.ts"

const record = (path: string): AuditRecord => ({ type: "open", source: "shim", data: { path } })

const log = Effect.map(
  Layer.build(AuditStoreMemory.layer({ run: "run_test", tool: "test" }).pipe(Layer.provide(SignerMemory.layer))),
  Context.get(AuditStore)
)

const texts = (store: AuditStore["Type"]) =>
  Effect.map(Stream.runCollect(store.entries()), (leaves) =>
    [...leaves].flatMap((leaf) => {
      const { data, type } = JSON.parse(leaf)
      return type === "open" ? [data.path] : type === "malformed" ? [data.reason] : []
    })
  )

const written = (sink: RecordSink.RecordSink, records: ReadonlyArray<AuditRecord>) =>
  Effect.async<void>((resume) => sink.write(records, () => resume(Effect.void)))

/** A store over another, whose mailbox is full until it is opened. */
const full = (store: AuditStore["Type"]) => {
  let isFull = true
  const callbacks = new Set<() => void>()
  return {
    store: {
      ...store,
      offer: (records: ReadonlyArray<AuditRecord>) => !isFull && store.offer(records),
      onDrain: (callback: () => void) => {
        callbacks.add(callback)
        return () => callbacks.delete(callback)
      }
    },
    open: () => {
      isFull = false
      for (const callback of callbacks) callback()
    }
  }
}

describe("the sink of a collector", () => {
  it.scopedLive("waits for room in the log, and keeps the order of the batches", () =>
    Effect.gen(function* () {
      const inner = yield* log
      const { open, store } = full(inner)
      const sink = yield* RecordSink.store(store)
      const batches = [["a", "b", "c"], ["d"], ["e", "f"], ["g"]].map((names) => names.map(record))
      const fiber = yield* Effect.fork(
        Effect.forEach(batches, (batch) => written(sink, batch), { concurrency: "unbounded" })
      )
      yield* Effect.yieldNow()
      assert.deepStrictEqual(yield* texts(inner), [])
      open()
      yield* Effect.fromFiber(fiber)
      assert.deepStrictEqual(yield* texts(inner), ["a", "b", "c", "d", "e", "f", "g"])
    })
  )

  it.scopedLive("puts a remark where the log refuses a record, and keeps all others", () =>
    Effect.gen(function* () {
      const store = yield* log
      const sink = yield* RecordSink.store(store)
      const broken: AuditRecord = { type: "open", source: "shim", data: { path: 0.5 } }
      yield* written(sink, [record("a"), broken, record("b")])
      yield* written(sink, [record("c"), broken])
      const refused = "record refused: data.path: not an integer between -(2^53-1) and 2^53-1"
      assert.deepStrictEqual(yield* texts(store), ["a", refused, "b", "c", refused])
    })
  )

  it("is durable when both of two are", () => {
    const first = ArraySink.make(false)
    const second = ArraySink.make(false)
    let durable = 0
    RecordSink.both(first, second).write([record("a")], () => durable++)
    first.open()
    assert.strictEqual(durable, 0)
    second.open()
    assert.strictEqual(durable, 1)
  })

  it.scopedLive("that fails closes every connection, and the collector says why", () =>
    Effect.gen(function* () {
      const store = yield* log
      const failure = yield* Deferred.make<never, StoreFailed>()
      const sink = yield* RecordSink.store({ ...store, failed: Deferred.await(failure) })
      const path = Path.join(Cli.scratch(), "audit.sock")
      const { collector } = yield* Service.make({
        session: Senders.session,
        places: [{ _tag: "Unix", path }],
        sink,
        rotate: Effect.void
      })
      const sender = yield* Effect.promise(() => Senders.connect(collector.endpoint))
      yield* Effect.promise(() => sender.send(Senders.open("/a")))
      yield* Deferred.fail(failure, new StoreFailed({ path: "audit.db", reason: "disk-full", detail: "no room" }))
      const error = yield* Effect.flip(collector.failed)
      assert.instanceOf(error, CollectorFailed)
      assert.match(error.message, /audit\.db: no room/)
      yield* Effect.promise(() => sender.closed)
      assert.strictEqual(yield* Effect.flip(collector.drain), error)
    })
  )
})
