import { assert, describe, it } from "@effect/vitest"
import { PassThrough, Writable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Destination from "../../src/layers/Destination.ts"

const isDone = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.map(Fiber.poll(fiber), Option.isSome)

describe("Destination", () => {
  it.live("says when it is full, calls back when it is not, and flush waits until everything was taken", () =>
    Effect.gen(function* () {
      const taken: Array<() => void> = []
      const stream = new Writable({ highWaterMark: 4, write: (_chunk, _encoding, done) => void taken.push(done) })
      const destination = Destination.fromStream(stream)
      let drains = 0
      destination.onDrain(() => drains++)
      yield* destination.flush
      assert.isTrue(destination.write(Buffer.from("abc")))
      assert.isFalse(destination.write(Buffer.from("de")))
      const flushing = yield* Effect.fork(destination.flush)
      for (let done = taken.shift(); done !== undefined; done = taken.shift()) {
        assert.isFalse(yield* isDone(flushing))
        done()
        yield* Effect.promise(() => new Promise(setImmediate))
      }
      yield* Fiber.join(flushing)
      assert.strictEqual(drains, 1)
    })
  )

  it.live("after the first error it is closed, takes everything for nothing and keeps nobody waiting", () =>
    Effect.gen(function* () {
      const stream = new PassThrough({ highWaterMark: 1 })
      const destination = Destination.fromStream(stream)
      let calls = 0
      destination.onDrain(() => calls++)
      assert.isFalse(destination.write(Buffer.from("full")))
      const flushing = yield* Effect.fork(destination.flush)
      yield* Effect.yieldNow()
      assert.isFalse(destination.closed())
      stream.destroy(new Error("EPIPE"))
      yield* Fiber.join(flushing)
      assert.isTrue(destination.closed())
      assert.isTrue(destination.write(Buffer.from("more")))
      assert.strictEqual(calls, 1)
      yield* destination.flush
    })
  )
})
