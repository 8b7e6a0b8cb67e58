import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Actor from "../../src/layers/Actor.ts"

class Broken extends Data.TaggedError("Broken")<{ readonly at: number }> {}

/** An actor whose batches are done only when the test says so. */
const gated = (options: { capacity: number; maxBatch: number; inFlight?: number; maxWeight?: number }) =>
  Effect.gen(function* () {
    const posted: Array<{ batch: ReadonlyArray<number>; gate: Deferred.Deferred<void, Broken> }> = []
    const actor = yield* Actor.make<number, Broken>({
      name: "gated",
      ...options,
      ...(options.maxWeight === undefined ? {} : { weigh: (message: number) => message }),
      handle: (batch) =>
        Effect.map(Deferred.make<void, Broken>(), (gate) => {
          posted.push({ batch, gate })
          return Deferred.await(gate)
        })
    })
    const open = (index: number) => Effect.flatMap(gateAt(index), (gate) => Deferred.succeed(gate, undefined))
    const breakAt = (index: number) =>
      Effect.flatMap(gateAt(index), (gate) => Deferred.fail(gate, new Broken({ at: index })))
    const gateAt = (index: number) =>
      Effect.suspend(() => {
        const entry = posted[index]
        return entry === undefined ? Effect.dieMessage(`batch ${index} was not posted`) : Effect.succeed(entry.gate)
      })
    return { actor, posted, open, breakAt, batches: () => posted.map(({ batch }) => batch) }
  })

/** Lets every other fiber run until it waits. */
const settle = Effect.repeatN(Effect.yieldNow(), 50)

const isDone = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.map(Fiber.poll(fiber), Option.isSome)

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

describe("Actor", () => {
  it.scoped("messages that queue up while a batch is handled form the next batch, in order", () =>
    Effect.gen(function* () {
      const { actor, batches, open } = yield* gated({ capacity: 10, maxBatch: 3 })
      yield* actor.tell(0)
      yield* settle
      yield* actor.tellAll([1, 2, 3, 4])
      yield* open(0)
      yield* settle
      yield* open(1)
      yield* settle
      assert.deepStrictEqual(batches(), [[0], [1, 2, 3], [4]])
      yield* open(2)
    })
  )

  it.scoped("tell waits while the mailbox is full and goes on when a batch is taken", () =>
    Effect.gen(function* () {
      const { actor, open, batches } = yield* gated({ capacity: 2, maxBatch: 2 })
      yield* actor.tell(0)
      yield* settle
      yield* actor.tellAll([1, 2])
      const late = yield* Effect.fork(actor.tell(3))
      yield* settle
      assert.isFalse(yield* isDone(late))
      yield* open(0)
      yield* Fiber.join(late)
      yield* open(1)
      yield* settle
      yield* open(2)
      yield* actor.flush
      assert.deepStrictEqual(batches(), [[0], [1, 2], [3]])
    })
  )

  it.scoped("ask completes when its batch is done and not before", () =>
    Effect.gen(function* () {
      const { actor, open } = yield* gated({ capacity: 10, maxBatch: 1 })
      const first = yield* Effect.fork(actor.ask(1))
      const second = yield* Effect.fork(actor.ask(2))
      yield* settle
      assert.deepStrictEqual([yield* isDone(first), yield* isDone(second)], [false, false])
      yield* open(0)
      yield* Fiber.join(first)
      assert.isFalse(yield* isDone(second))
      yield* open(1)
      yield* Fiber.join(second)
    })
  )

  it.scoped("askAll of nothing and flush wait for everything accepted before them", () =>
    Effect.gen(function* () {
      const { actor, open } = yield* gated({ capacity: 10, maxBatch: 10 })
      yield* actor.flush
      yield* actor.askAll([])
      yield* actor.tell(1)
      const waiting = yield* Effect.fork(Effect.all([actor.flush, actor.askAll([])], { concurrency: "unbounded" }))
      yield* settle
      assert.isFalse(yield* isDone(waiting))
      yield* open(0)
      yield* Fiber.join(waiting)
    })
  )

  it.scoped("completions are awaited in order, and no more batches are posted than may be in flight", () =>
    Effect.gen(function* () {
      const { actor, batches, open } = yield* gated({ capacity: 10, maxBatch: 1, inFlight: 2 })
      const first = yield* Effect.fork(actor.ask(1))
      const second = yield* Effect.fork(actor.ask(2))
      yield* settle
      yield* actor.tell(3)
      yield* settle
      assert.deepStrictEqual(batches(), [[1], [2]])
      yield* open(1)
      yield* settle
      assert.isFalse(yield* isDone(second))
      yield* open(0)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      yield* settle
      assert.deepStrictEqual(batches(), [[1], [2], [3]])
      yield* open(2)
    })
  )

  it.scoped("the mailbox is bounded by weight, and a message heavier than the bound still gets in alone", () =>
    Effect.gen(function* () {
      const { actor, batches, open } = yield* gated({ capacity: 100, maxBatch: 100, maxWeight: 10 })
      yield* actor.tell(1)
      yield* settle
      assert.isTrue(actor.unsafeTell(25))
      const light = yield* Effect.fork(actor.tellAll([6, 4, 1]))
      yield* settle
      assert.isFalse(yield* isDone(light))
      yield* open(0)
      yield* settle
      yield* open(1)
      yield* settle
      yield* open(2)
      yield* Fiber.join(light)
      yield* settle
      yield* open(3)
      assert.deepStrictEqual(batches(), [[1], [25], [6, 4], [1]])
    })
  )

  it.scoped("a chunk larger than the mailbox goes through whole and nothing gets between", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const actor = yield* Actor.make<number, never>({
        name: "small",
        capacity: 3,
        maxBatch: 2,
        handle: (batch) => Effect.sync(() => (seen.push(...batch), Effect.void))
      })
      yield* Effect.all([actor.askAll(numbers(0, 20)), actor.askAll(numbers(100, 20))], { concurrency: "unbounded" })
      assert.deepStrictEqual(seen, [...numbers(0, 20), ...numbers(100, 20)])
    })
  )

  it.scoped("an interrupted caller that still waits for room is withdrawn, and those behind it move up", () =>
    Effect.gen(function* () {
      const { actor, batches, open } = yield* gated({ capacity: 1, maxBatch: 5, maxWeight: 10 })
      yield* actor.tell(1)
      yield* settle
      yield* actor.tell(2)
      const withdrawn = yield* Effect.fork(actor.tell(3))
      const partly = yield* Effect.fork(actor.tellAll([4, 5]))
      yield* settle
      yield* Fiber.interrupt(withdrawn)
      yield* open(0)
      yield* settle
      yield* Fiber.interrupt(partly)
      const last = yield* Effect.fork(actor.ask(6))
      yield* open(1)
      yield* settle
      yield* open(2)
      yield* settle
      yield* open(3)
      yield* Fiber.join(last)
      assert.deepStrictEqual(batches(), [[1], [2], [4], [6]])
    })
  )

  it.scoped("an accepted message is handled although the caller that waited for it was interrupted", () =>
    Effect.gen(function* () {
      const { actor, batches, open } = yield* gated({ capacity: 5, maxBatch: 5 })
      const asked = yield* Effect.fork(actor.ask(1))
      yield* settle
      yield* Fiber.interrupt(asked)
      yield* open(0)
      yield* actor.flush
      assert.deepStrictEqual(batches(), [[1]])
    })
  )

  it.scoped(
    "unsafeTell refuses while there is no room and calls back once there is, behind those already in line",
    () =>
      Effect.gen(function* () {
        const { actor, batches, open } = yield* gated({ capacity: 2, maxBatch: 2 })
        const kept = [3, 4, 5]
        let calls = 0
        const stop = actor.onDrain(() => {
          calls++
          while (kept[0] !== undefined && actor.unsafeTell(kept[0])) kept.shift()
        })
        assert.isTrue(actor.unsafeTell(0))
        yield* settle
        assert.isTrue(actor.unsafeTell(1))
        const before = yield* Effect.fork(actor.tellAll([20, 21, 22]))
        yield* settle
        assert.isFalse(actor.unsafeTell(3))
        const after = yield* Effect.fork(actor.tell(30))
        for (let index = 0; index < 5; index++) {
          yield* open(index)
          yield* settle
        }
        yield* Fiber.join(before)
        yield* Fiber.join(after)
        assert.deepStrictEqual(kept, [])
        assert.strictEqual(calls, 2)
        assert.deepStrictEqual(batches().flat(), [0, 1, 20, 21, 22, 3, 4, 30, 5])
        stop()
        yield* Effect.forEach(numbers(5, batches().length - 5), open)
      })
  )

  it.scoped("one failed batch reaches everybody who waits and everybody who calls later", () =>
    Effect.gen(function* () {
      const { actor, breakAt, batches } = yield* gated({ capacity: 1, maxBatch: 1, inFlight: 2 })
      const watcher = yield* Effect.fork(actor.failed)
      const posted = yield* Effect.fork(actor.ask(1))
      yield* settle
      const inFlight = yield* Effect.fork(actor.ask(2))
      yield* settle
      const queued = yield* Effect.fork(actor.ask(3))
      const inLine = yield* Effect.fork(actor.tell(4))
      const flushing = yield* Effect.fork(actor.flush)
      yield* settle
      yield* breakAt(0)
      const expected = Exit.fail(new Broken({ at: 0 }))
      for (const fiber of [watcher, posted, inFlight, queued, inLine, flushing]) {
        assert.deepStrictEqual(yield* Fiber.await<void, unknown>(fiber), expected)
      }
      for (const later of [
        actor.tell(5),
        actor.ask(5),
        actor.tellAll([5]),
        actor.askAll([]),
        actor.flush,
        actor.failed
      ]) {
        assert.deepStrictEqual(yield* Effect.exit<void, unknown, never>(later), expected)
      }
      assert.isFalse(actor.unsafeTell(5))
      assert.deepStrictEqual(batches(), [[1], [2]])
    })
  )

  it.scoped("a batch that cannot be posted, or a defect in the handler, fails the actor just the same", () =>
    Effect.gen(function* () {
      const refusing = yield* Actor.make<number, Broken>({
        name: "refusing",
        capacity: 4,
        maxBatch: 4,
        handle: () => new Broken({ at: 7 })
      })
      assert.deepStrictEqual(yield* Effect.exit(refusing.ask(1)), Exit.fail(new Broken({ at: 7 })))
      const buggy = yield* Actor.make<number, never>({
        name: "buggy",
        capacity: 4,
        maxBatch: 4,
        handle: () => Effect.die("bug")
      })
      const exit = yield* Effect.exit(buggy.ask(1))
      assert.deepStrictEqual(Exit.isFailure(exit) && Chunk.toArray(Cause.defects(exit.cause)), ["bug"])
    })
  )

  it.effect("closing the scope refuses what is new, drains what was accepted, and then ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { actor, batches, open } = yield* Scope.extend(gated({ capacity: 2, maxBatch: 1 }), scope)
      const asked = yield* Effect.fork(actor.askAll([1, 2, 3]))
      yield* settle
      const inLine = yield* Effect.fork(actor.tell(4))
      yield* settle
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* settle
      const closed = new Actor.ActorClosed({ actor: "gated" })
      assert.deepStrictEqual(yield* Fiber.await(inLine), Exit.fail(closed))
      assert.deepStrictEqual(yield* Effect.flip(actor.tell(5)), closed)
      assert.deepStrictEqual(yield* Effect.flip(actor.ask(5)), closed)
      assert.isFalse(actor.unsafeTell(5))
      assert.isFalse(yield* isDone(closing))
      yield* open(0)
      yield* settle
      yield* open(1)
      yield* settle
      assert.isFalse(yield* isDone(closing))
      yield* open(2)
      yield* Fiber.join(asked)
      yield* Fiber.join(closing)
      yield* actor.flush
      assert.deepStrictEqual(batches(), [[1], [2], [3]])
      assert.include(closed.message, "gated")
    })
  )

  it.effect("interrupting the program that owns the actor still drains it", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const owner = yield* Effect.gen(function* () {
        const actor = yield* Actor.make<number, never>({
          name: "owned",
          capacity: 100,
          maxBatch: 3,
          handle: (batch) =>
            Effect.as(
              Effect.yieldNow(),
              Effect.sync(() => void seen.push(...batch))
            )
        })
        yield* actor.tellAll(numbers(0, 50))
        return yield* Effect.never
      }).pipe(Effect.scoped, Effect.fork)
      yield* settle
      yield* Fiber.interrupt(owner)
      assert.deepStrictEqual(seen, numbers(0, 50))
    })
  )

  const action = FastCheck.oneof(
    FastCheck.record({
      kind: FastCheck.constantFrom(
        "tell" as const,
        "ask" as const,
        "tellAll" as const,
        "askAll" as const,
        "unsafe" as const
      ),
      count: FastCheck.integer({ min: 0, max: 7 })
    }),
    FastCheck.constant({ kind: "yield", count: 0 } as const),
    FastCheck.record({ kind: FastCheck.constant("interrupt" as const), count: FastCheck.nat(30) })
  )

  it.effect.prop(
    "for any mix of callers: order is kept, bounds hold, what was accepted is handled exactly once",
    [
      FastCheck.array(action, { maxLength: 60 }),
      FastCheck.record({
        capacity: FastCheck.integer({ min: 1, max: 5 }),
        maxBatch: FastCheck.integer({ min: 1, max: 5 }),
        inFlight: FastCheck.integer({ min: 1, max: 3 }),
        maxWeight: FastCheck.integer({ min: 1, max: 12 })
      }),
      FastCheck.array(FastCheck.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 20 })
    ],
    ([actions, bounds, delays]) =>
      Effect.gen(function* () {
        type Message = { readonly producer: number; readonly n: number; readonly weight: number }
        const handled: Array<Message> = []
        const certain: Array<Message> = [] // tell said so
        let batches = 0
        let inFlight = 0
        const fibers: Array<{ fiber: Fiber.RuntimeFiber<void, unknown>; messages: ReadonlyArray<Message> }> = []
        const pause = () => Effect.repeatN(Effect.yieldNow(), delays[batches++ % delays.length] ?? 0)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const actor = yield* Actor.make<Message, never>({
              name: "any",
              ...bounds,
              weigh: (message) => message.weight,
              handle: (batch) =>
                Effect.gen(function* () {
                  const weight = batch.reduce((sum, message) => sum + message.weight, 0)
                  assert.isTrue(batch.length > 0 && batch.length <= Math.min(bounds.maxBatch, bounds.capacity))
                  assert.isTrue(weight <= bounds.maxWeight || batch.length === 1)
                  assert.isTrue(++inFlight <= bounds.inFlight)
                  yield* pause()
                  handled.push(...batch)
                  return Effect.zipRight(
                    pause(),
                    Effect.sync(() => void inFlight--)
                  )
                })
            })
            for (const [producer, { kind, count }] of actions.entries()) {
              const messages = numbers(0, count).map((n) => ({ producer, n, weight: (n * 5) % 7 }))
              const single = messages[0] ?? { producer, n: 0, weight: 1 }
              const sure = (sent: ReadonlyArray<Message>) => Effect.sync(() => void certain.push(...sent))
              switch (kind) {
                case "yield":
                  yield* Effect.yieldNow()
                  break
                case "interrupt": {
                  const target = fibers[count]
                  if (target !== undefined) yield* Fiber.interrupt(target.fiber)
                  break
                }
                case "unsafe":
                  if (actor.unsafeTell(single)) certain.push(single)
                  break
                case "tell":
                case "ask":
                  fibers.push({
                    fiber: yield* Effect.fork(Effect.zipRight(actor[kind](single), sure([single]))),
                    messages: [single]
                  })
                  break
                default:
                  fibers.push({
                    fiber: yield* Effect.fork(Effect.zipRight(actor[kind](messages), sure(messages))),
                    messages
                  })
              }
            }
            yield* settle
          })
        )
        const seen = new Set(handled)
        assert.strictEqual(seen.size, handled.length)
        for (const message of certain) assert.isTrue(seen.has(message))
        // A caller's messages are a prefix of what it sent, contiguous and in order.
        const starts = new Map<number, number>()
        for (const [at, message] of handled.entries()) {
          const start = starts.get(message.producer)
          if (start === undefined) starts.set(message.producer, at)
          assert.strictEqual(at - (start ?? at), message.n)
        }
      }),
    { fastCheck: { numRuns: 300 } }
  )

  it.effect.prop(
    "for any place of the failure: nobody waits for ever and nobody is told that it went well who should not be",
    [FastCheck.integer({ min: 0, max: 12 }), FastCheck.boolean(), FastCheck.integer({ min: 1, max: 3 })],
    ([failAt, whilePosting, inFlight]) =>
      Effect.scoped(
        Effect.gen(function* () {
          let batch = 0
          const actor = yield* Actor.make<number, Broken>({
            name: "failing",
            capacity: 2,
            maxBatch: 1,
            inFlight,
            handle: () => {
              const at = batch++
              const outcome = Effect.zipRight(Effect.yieldNow(), at === failAt ? new Broken({ at }) : Effect.void)
              return whilePosting ? Effect.as(outcome, Effect.void) : Effect.succeed(outcome)
            }
          })
          const exits = yield* Effect.forEach(numbers(0, 10), (n) => Effect.exit(actor.ask(n)), {
            concurrency: "unbounded"
          })
          for (const [n, exit] of exits.entries()) {
            if (Exit.isSuccess(exit)) assert.isTrue(n < failAt)
            else assert.deepStrictEqual(Cause.failureOption(exit.cause), Option.some(new Broken({ at: failAt })))
          }
        })
      )
  )
})
