/**
 * The audit store over any backend: an actor that owns the order of one log, and the clockwork that signs, rotates and
 * ticks. `AuditStoreSqlite` and `AuditStoreMemory` are this over their backends.
 *
 * Closing the scope drains what was accepted, makes it durable and signs it. It writes no `log.close`: a log whose
 * writer did not say how it ended is INCOMPLETE, and saying so is `close`, the caller's act.
 *
 * @module
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Schedule from "../domain/Schedule.ts"
import type * as AuditStore from "../services/AuditStore.ts"
import { StoreClosed, StoreFailed } from "../services/AuditStore.ts"
import { Signer, type SignerError } from "../services/Signer.ts"
import * as Actor from "./Actor.ts"
import type { LogBackend } from "./LogBackend.ts"
import * as LogOpening from "./LogOpening.ts"
import { maxSegmentsInFlight } from "./LogPipeline.ts"
import { LogWriter, type Message, type Rotate } from "./LogWriter.ts"
import * as RecordIntake from "./RecordIntake.ts"

export interface Options extends LogOpening.Options {
  readonly intervals?: Partial<Schedule.Intervals> | undefined
}

/** Messages that the actor takes at once. */
const maxBatch = 1024

const noop = () => {}
const isAccepted = () => Effect.void

/** What the fiber of the clockwork sleeps on. */
class Alarm {
  #at = Number.POSITIVE_INFINITY
  #wake = noop

  /** Wakes the sleeper when something is due before it would wake by itself. */
  readonly onEarlier = ({ at }: Schedule.Due): void => {
    if (at < this.#at) this.#wake()
  }

  sleepUntil(at: number, monotonic: () => number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#at = at
      const woken = Effect.async<void>((resume) => {
        this.#wake = () => resume(Effect.void)
      })
      return Effect.sleep(Math.max(0, at - monotonic())).pipe(
        Effect.raceFirst(woken),
        Effect.ensuring(Effect.sync(() => (this.#wake = noop)))
      )
    })
  }
}

/**
 * Opens the log: writes and signs `log.open`, then starts the actor.
 *
 * @param onBackendFailure registers what to call when the backend fails
 */
export const make = (
  options: Options,
  origin: string,
  backend: LogBackend,
  onBackendFailure: (callback: (failure: StoreFailed) => void) => void
): Effect.Effect<
  AuditStore.AuditStore["Type"],
  StoreFailed | AuditStore.RecordRejected | SignerError,
  Scope.Scope | Signer
> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const now: LogOpening.Now = {
      wall: () => clock.unsafeCurrentTimeMillis(),
      monotonic: () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)
    }
    const failure = yield* Deferred.make<never, StoreFailed>()
    const failed = Deferred.await(failure)
    let fail = (error: StoreFailed): void => Deferred.unsafeDone(failure, Effect.fail(error))
    onBackendFailure((error) => fail(error))

    const opened = yield* LogOpening.open(options, origin, yield* Signer, backend, now, failed)
    const alarm = new Alarm()
    const intervals = { ...Schedule.defaults, ...options.intervals }
    const writer = new LogWriter(opened, backend, intervals, now, alarm.onEarlier)
    const { pipeline } = writer
    fail = (error) => {
      if (pipeline.failure !== undefined) return
      pipeline.fail(error)
      Deferred.unsafeDone(failure, Effect.fail(error))
    }
    const early = yield* Deferred.poll(failure)
    if (Option.isSome(early)) return yield* early.value

    // Released last: what the actor left unsigned when it was drained is signed, then everything is put away.
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        if (pipeline.failure !== undefined) return Effect.void // everybody has heard of it
        const signed = Effect.suspend(() => pipeline.covered(writer.size))
        return writer.durable.pipe(Effect.zipRight(signed), Effect.zipRight(backend.finish))
      }).pipe(Effect.catchAll((error) => Effect.logError(error.message)))
    )
    let closing = false
    let released = false
    const actor = yield* Actor.make<Message, StoreFailed>({
      name: `audit store ${backend.path}`,
      capacity: RecordIntake.maxQueuedRecords,
      maxBatch,
      inFlight: maxSegmentsInFlight,
      weigh: (message) => (message._tag === "Records" ? message.weight : 0),
      maxWeight: RecordIntake.maxQueuedUnits,
      handle: (batch) => writer.handle(batch)
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => (released = true)))
    // A bug in the actor must not leave anybody waiting.
    yield* actor.failed.pipe(
      Effect.catchAllCause((cause) =>
        Effect.sync(() => {
          const bug = () => new StoreFailed({ path: backend.path, reason: "crashed", detail: Cause.pretty(cause) })
          fail(Option.getOrElse(Cause.failureOption(cause), bug))
        })
      ),
      Effect.forkScoped
    )

    const closed = new StoreClosed({ path: backend.path })
    const refusal = () => pipeline.failure ?? (closing || released ? closed : undefined)

    // Messages that the actor accepted. After an interruption nobody knows, and the short way is not taken any more.
    let accepted = 0
    /** The first attempt is synchronous: it mostly finds room, and an effect of its own costs more than a record. */
    const handAtOnce = (message: Message): boolean => {
      const taken = actor.unsafeTell(message)
      if (taken) accepted++
      return taken
    }
    /** Completes when the actor has accepted the message. */
    const handLater = (message: Message): Effect.Effect<void, AuditStore.AuditStoreError> =>
      actor.tell(message).pipe(
        Effect.onExit((exit) => Effect.sync(() => (accepted += Exit.isSuccess(exit) ? 1 : Number.NaN))),
        Effect.catchTag("ActorClosed", () => Effect.fail(closed))
      )
    const hand = (message: Message) => (handAtOnce(message) ? Effect.void : handLater(message))
    /** Completes when everything accepted so far is durable. */
    const drained = Effect.zipRight(actor.flush, writer.durable)

    const submit = <A>(
      records: ReadonlyArray<AuditStore.AuditRecord>,
      awaited: boolean,
      then: (message: RecordIntake.Records) => Effect.Effect<A, StoreFailed>
    ): Effect.Effect<A, AuditStore.RecordRejected | AuditStore.AuditStoreError> =>
      Effect.suspend((): Effect.Effect<A, AuditStore.RecordRejected | AuditStore.AuditStoreError> => {
        const refused = refusal()
        if (refused !== undefined) return Effect.fail(refused)
        try {
          const message = RecordIntake.prepare(records, now.wall(), awaited)
          if (awaited && writer.takeAtOnce(message, accepted)) return then(message)
          return handAtOnce(message) ? then(message) : Effect.zipRight(handLater(message), then(message))
        } catch (cause) {
          return Effect.fail(RecordIntake.rejection(cause))
        }
      })
    const receipt = (message: RecordIntake.Records) => pipeline.receipt(message.records[0]!) // it was handed in

    const rotate = Effect.suspend(() => {
      const refused = refusal()
      if (refused !== undefined) return Effect.fail(refused)
      const message: Rotate = { _tag: "Rotate", checkpoint: undefined }
      return hand(message).pipe(
        Effect.zipRight(drained),
        Effect.flatMap(() =>
          message.checkpoint === undefined ? Effect.fail(closed) : Effect.succeed(message.checkpoint)
        )
      )
    })

    // One fiber does what is due, and sleeps until the next thing is, or until something comes nearer.
    const perform = {
      sign: Effect.sync(() => writer.sign()),
      rotate: Effect.asVoid(rotate),
      tick: Effect.suspend(() => Effect.zipRight(hand({ _tag: "Tick" }), drained))
    }
    yield* Effect.gen(function* () {
      for (;;) {
        if (closing) return
        const { action, at } = writer.due
        yield* at > now.monotonic() ? alarm.sleepUntil(at, now.monotonic) : perform[action]
      }
    }).pipe(Effect.ignore, Effect.forkScoped)

    return {
      append: (record) => submit([record], false, isAccepted),
      appendAll: (records) => (records.length === 0 ? Effect.void : submit(records, false, isAccepted)),
      commit: (record) => submit([record], true, receipt),
      seal: (record) =>
        submit([record], true, (message) =>
          Effect.flatMap(receipt(message), (done) =>
            Effect.map(pipeline.covered(done.seq + 1), ({ note }) => ({ ...done, note }))
          )
        ),
      checkpoint: Effect.zipRight(
        drained,
        Effect.suspend(() => pipeline.covered(pipeline.committed.size))
      ),
      rotate,
      close: ({ exit, reason }) =>
        Effect.suspend(() => {
          if (pipeline.failure !== undefined) return Effect.fail(pipeline.failure)
          if (closing) return drained
          if (released) return Effect.fail(closed)
          closing = true
          // Once it is asked for, closing goes on, whatever becomes of who asked.
          return hand({ _tag: "Close", closing: { exit, reason } }).pipe(
            Effect.tapError(() => Effect.sync(() => (closing = false))),
            Effect.uninterruptible,
            Effect.zipRight(drained)
          )
        }).pipe(Effect.zipRight(Effect.suspend(() => pipeline.covered(writer.size)))),
      head: Effect.sync(() => {
        const { checkpoint, root } = pipeline.stored
        const { hash, size } = pipeline.committed
        return {
          origin,
          firstKey: backend.firstKey,
          size,
          hash,
          epoch: writer.epoch,
          signedSize: checkpoint.size,
          root,
          note: checkpoint.note,
          firstNote: opened.checkpoint.note,
          firstRoot: opened.root,
          checkpoints: pipeline.storedNotes,
          closed: writer.ended && size === writer.size
        }
      }),
      failed,
      offer: (records) => {
        if (refusal() !== undefined) return false
        if (records.length === 0) return true
        return handAtOnce(RecordIntake.prepare(records, now.wall(), false))
      },
      onDrain: actor.onDrain,
      entries: backend.entries,
      checkpoints: backend.checkpoints
    }
  })
