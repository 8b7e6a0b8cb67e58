import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AuditStoreMemory from "../../src/layers/AuditStoreMemory.ts"
import * as SignerMemory from "../../src/layers/SignerMemory.ts"
import * as RunnerWatch from "../../src/programs/RunnerWatch.ts"
import { type AuditRecord, AuditStore } from "../../src/services/AuditStore.ts"

const supervised = (pid: number, more: AuditRecord["data"] = {}, source = "runner"): AuditRecord => ({
  type: "container",
  source,
  data: { action: "supervised", mode: "hybrid", pid, reasons: ["a reason"], ...more }
})

const exit = (pid: number, data: AuditRecord["data"], source = "runner"): AuditRecord => ({
  type: "exit",
  source,
  data: { pid, ...data }
})

const host = SignerMemory.fromSeed(new Uint8Array(32).fill(3))

const watching = <A, E>(use: (watch: RunnerWatch.RunnerWatch) => Effect.Effect<A, E>) =>
  Effect.flatMap(AuditStore, (store) => Effect.flatMap(RunnerWatch.make(store), use)).pipe(
    Effect.provide(Layer.provide(AuditStoreMemory.layer({ run: "run_0123456789ab", tool: "test" }), host))
  )

describe("what the launcher says about the guest", () => {
  it.live("is found however the records reach the store, and they reach it", () =>
    watching(({ end, store, supervised: told }) =>
      Effect.gen(function* () {
        assert.isUndefined(yield* end)
        yield* store.append(supervised(41, { mode: "shim" }))
        assert.deepStrictEqual(yield* told, { pid: 41, mode: "shim", reasons: ["a reason"] })
        const ways: ReadonlyArray<(record: AuditRecord) => Effect.Effect<unknown, unknown>> = [
          store.append,
          (record) => store.appendAll([record]),
          store.commit,
          store.seal,
          (record) => Effect.sync(() => assert.isTrue(store.offer([record])))
        ]
        for (const [signal, way] of ways.entries()) {
          yield* way(exit(41, { signal: signal + 1 }))
          assert.deepStrictEqual(yield* end, { signal: signal + 1 })
        }
        yield* store.append(exit(41, { status: 137 }))
        assert.deepStrictEqual(yield* end, { signal: undefined })
        yield* store.checkpoint
        assert.strictEqual((yield* store.head).size, 1 + 1 + ways.length + 1)
      })
    )
  )

  it.live("counts in the order in which it is handed in, whichever record is durable first", () =>
    Effect.gen(function* () {
      const durable = yield* Deferred.make<void>()
      const memory = yield* AuditStore
      const slow = { ...memory, commit: (record: AuditRecord) => Effect.zipLeft(memory.commit(record), durable) }
      const { end, store, supervised: told } = yield* RunnerWatch.make(slow)
      const first = yield* Effect.fork(store.commit(supervised(41)))
      yield* Effect.yieldNow()
      yield* store.appendAll([exit(41, { status: 0 })])
      yield* Deferred.succeed(durable, undefined)
      yield* Fiber.join(first)
      assert.deepStrictEqual([(yield* told).pid, yield* end], [41, { signal: undefined }])
    }).pipe(Effect.provide(Layer.provide(AuditStoreMemory.layer({ run: "run_0123456789ab", tool: "test" }), host)))
  )

  it.live("is believed of the runner's channel only, and of the main process only", () =>
    watching(({ end, store, supervised: told }) =>
      Effect.gen(function* () {
        yield* store.append(supervised(40, {}, "shim"))
        yield* store.append(supervised(40, { mode: "everything" }))
        yield* store.append(supervised(40, { pid: "40" }))
        yield* store.append(supervised(40, { action: "started" }))
        yield* store.append(exit(40, { status: 0 }))
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(told, 0)))
        yield* store.append(supervised(41))
        yield* store.append(supervised(42))
        yield* store.append(exit(42, { status: 0 }))
        yield* store.append(exit(41, { status: 0 }, "shim"))
        assert.deepStrictEqual([(yield* told).pid, yield* end], [41, undefined])
      })
    )
  )
})
