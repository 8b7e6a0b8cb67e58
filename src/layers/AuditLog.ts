/**
 * The audit store over any backend: an actor that owns the order of one log, and the clockwork that signs, rotates and
 * ticks. `AuditStoreSqlite` and `AuditStoreMemory` are this over their backends.
 *
 * Closing the scope drains what was accepted, makes it durable and signs it. It writes no `log.close`: a log whose
 * writer did not say how it ended is INCOMPLETE, and saying so is `close`, the caller's act.
 *
 * @module
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Schedule from "../domain/Schedule.ts"
import * as Sequencer from "../domain/Sequencer.ts"
import type * as Jcs from "../domain/Jcs.ts"
import * as AuditStore from "../services/AuditStore.ts"
import { Signer, type SignerError } from "../services/Signer.ts"
import * as Actor from "./Actor.ts"
import type { LogBackend } from "./LogBackend.ts"
import { type Flight, LogPipeline } from "./LogPipeline.ts"
import * as RecordIntake from "./RecordIntake.ts"
import { SegmentBuilder } from "./SegmentBuilder.ts"

/** What a log is opened with. */
export interface Options {
  /** `[a-z0-9_-]{1,64}`; the origin is `<ledger origin>/<run>`. */
  readonly run: string
  /** Program and version that records, such as `agent/1.2.3`. */
  readonly tool: string
  /** 32 hex digits that nobody could foresee. */
  readonly nonce: string
  /** Further members of `log.open`. */
  readonly extra?: Jcs.JsonObject | undefined
  readonly intervals?: Partial<Schedule.Intervals> | undefined
}

/** Messages that the actor takes at once. */
const maxBatch = 1024

interface Rotate {
  readonly _tag: "Rotate"
  checkpoint: AuditStore.StoredCheckpoint | undefined
}
interface Tick {
  readonly _tag: "Tick"
}
interface Close {
  readonly _tag: "Close"
  readonly closing: AuditStore.Closing
  checkpoint: AuditStore.StoredCheckpoint | undefined
}
type Message = RecordIntake.Records | Rotate | Tick | Close

const runForm = /^[a-z0-9_-]{1,64}$/

const noop = () => {}

const receipt = (message: RecordIntake.Records): AuditStore.Receipt => {
  const record = message.records[0]! // commit and seal hand in one record
  return { seq: record.seq, hash: record.hash }
}

/** The origin of a run's log, or why it has none. */
export const originOf = (signer: Signer["Type"], run: string): Effect.Effect<string, AuditStore.RecordRejected> =>
  runForm.test(run)
    ? Effect.succeed(`${signer.ledgerOrigin}/${run}`)
    : new AuditStore.RecordRejected({ member: "run", reason: "not [a-z0-9_-]{1,64}" })

/**
 * Opens the log: writes and signs `log.open`, then starts the actor.
 *
 * @param onBackendFailure registers what to call when the backend fails
 */
export const make = (
  options: Options,
  origin: string,
  backend: LogBackend,
  onBackendFailure: (callback: (failure: AuditStore.StoreFailed) => void) => void
): Effect.Effect<
  AuditStore.AuditStore["Type"],
  AuditStore.StoreFailed | AuditStore.RecordRejected | SignerError,
  Scope.Scope | Signer
> =>
  Effect.gen(function* () {
    const signer = yield* Signer
    const clock = yield* Effect.clock
    const intervals = { ...Schedule.defaults, ...options.intervals }
    const failed = yield* Deferred.make<never, AuditStore.StoreFailed>()
    const wallMillis = () => clock.unsafeCurrentTimeMillis()
    const monotonicMillis = () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

    // Opening. log.open and its note are one transaction: see LogPipeline.
    const sequencer = new Sequencer.Sequencer()
    const builder = new SegmentBuilder(sequencer)
    sequencer.step(wallMillis(), monotonicMillis())
    const openData = yield* Effect.try({
      try: () =>
        RecordIntake.controlData({
          ...options.extra,
          format: "agent-audit/1",
          kind: "run",
          run: options.run,
          origin,
          host: signer.host.text,
          key: backend.firstKey,
          nonce: options.nonce,
          tool: options.tool
        }),
      catch: RecordIntake.rejection
    })
    builder.control("log.open", openData, wallMillis())
    const opening = builder.take()
    let onFailure: (failure: AuditStore.StoreFailed) => void = (failure) =>
      Deferred.unsafeDone(failed, Effect.fail(failure))
    onBackendFailure((failure) => onFailure(failure))
    const openHead = yield* Effect.async<Parameters<Parameters<LogBackend["sign"]>[2]>[0]>((resume) =>
      backend.sign("sign", opening.hashes, (head) => resume(Effect.succeed(head)))
    ).pipe(Effect.raceFirst(Deferred.await(failed)))
    const hostLine = yield* signer.signAsHost(openHead.text)
    const firstNote = `${openHead.note}${hostLine}`
    const firstCheckpoint = { size: 1, epoch: 0, note: firstNote }
    yield* Effect.async<void>((resume) =>
      backend.write({ ...opening, notes: [firstCheckpoint] }, () => resume(Effect.void))
    ).pipe(Effect.raceFirst(Deferred.await(failed)))

    // State of the actor and of the clockwork; synchronous code of this event loop only.
    let schedule = Schedule.initial(monotonicMillis())
    let armedAt = Number.POSITIVE_INFINITY
    let wake = noop
    let epoch = 0
    let nextKey = backend.nextKey
    let closeMessage: Close | undefined
    let ended = false
    let lastFlight: Flight | undefined

    const rearm = () => {
      if (Schedule.next(schedule, intervals).at < armedAt) wake()
    }
    const pipeline = new LogPipeline(
      backend,
      {
        signAtCommit: (unsigned) => Schedule.signAtCommit(unsigned, intervals),
        onSigning: (size) => {
          schedule = Schedule.signing(schedule, sequencer.size > size || builder.size > 0, monotonicMillis())
        }
      },
      { checkpoint: firstCheckpoint, root: openHead.root },
      sequencer.hash
    )
    onFailure = (failure) => {
      pipeline.fail(failure)
      Deferred.unsafeDone(failed, Effect.fail(failure))
    }
    const early = yield* Deferred.poll(failed)
    if (early._tag === "Some") return yield* early.value

    const appended = (records: number, entries: number) => {
      schedule = Schedule.appended(schedule, entries, records, monotonicMillis())
      rearm()
    }

    const post = Effect.suspend(() => {
      if (builder.size === 0) return Effect.void
      if (!pipeline.hasRoom) return Effect.flatMap(pipeline.room, () => Effect.sync(postNow))
      postNow()
      return Effect.void
    })
    const postNow = () => {
      const segment = builder.take()
      appended(segment.records, segment.leaves.length)
      lastFlight = pipeline.post(segment.first, segment.leaves, segment.hashes, segment.hash)
    }

    /** Ends the epoch, or the log, with an entry of the store's own that the old key signs. */
    const postClosing = (kind: "rotate" | "close", type: string, data: unknown) =>
      Effect.gen(function* () {
        yield* pipeline.room
        builder.control(type, RecordIntake.controlData(data), wallMillis())
        const { first, hash, hashes, leaves } = builder.take()
        const { flight, head } = yield* pipeline.postClosing(kind, first, leaves, hashes, hash)
        lastFlight = flight
        nextKey = head.nextKey ?? nextKey
        schedule = Schedule.rotated(monotonicMillis())
        return { size: head.size, epoch: head.epoch, note: head.note }
      })

    const rotate = Effect.suspend(() =>
      postClosing("rotate", "log.key", { checkpoints: pipeline.requestedNotes, epoch: epoch + 1, key: nextKey })
    ).pipe(Effect.tap(() => Effect.sync(() => epoch++)))

    const close = ({ exit, reason }: AuditStore.Closing) =>
      Effect.suspend(() => {
        const entries = sequencer.size + 1
        return postClosing("close", "log.close", { checkpoints: pipeline.requestedNotes, entries, exit, reason })
      }).pipe(Effect.tap(() => Effect.sync(() => (ended = true))))

    const takeRecords = function* ({ records, wallMillis: wall }: RecordIntake.Records) {
      let room = 0
      for (const record of records) {
        if (room === 0) {
          if (builder.isFull) yield* post
          room = Math.min(builder.room, Schedule.roomInEpoch(schedule, intervals) - builder.size)
          if (room <= 0) {
            yield* rotate
            room = Math.min(builder.room, Schedule.roomInEpoch(schedule, intervals))
          }
        }
        builder.record(record, wall)
        room--
      }
    }

    const handle = (batch: ReadonlyArray<Message>) =>
      Effect.gen(function* () {
        if (pipeline.failure !== undefined) return yield* pipeline.failure
        const now = wallMillis()
        const step = sequencer.step(now, monotonicMillis())
        if (step !== undefined && !ended) {
          const data = { step_ms: step, wall: Sequencer.formatTime(now) }
          builder.control("log.clock", RecordIntake.controlData(data), now)
        }
        for (const message of batch) {
          if (ended) break
          switch (message._tag) {
            case "Records":
              yield* takeRecords(message)
              break
            case "Rotate":
              message.checkpoint = yield* rotate
              break
            case "Tick":
              if (builder.size === 0 && monotonicMillis() - schedule.lastEntryAt >= intervals.tickAfterMillis) {
                builder.control("log.tick", "{}", now)
              }
              break
            case "Close":
              message.checkpoint = yield* close(message.closing)
              break
          }
        }
        yield* post
        return lastFlight === undefined ? Effect.void : pipeline.durable(lastFlight)
      })

    // Released last: what the actor left unsigned when it was drained is signed, then everything is put away.
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        if (pipeline.failure !== undefined) return Effect.void // everybody has heard of it
        return Effect.zipRight(pipeline.covered(pipeline.committed.size), backend.finish)
      }).pipe(Effect.catchAll((failure) => Effect.logError(failure.message)))
    )
    let released = false
    const actor = yield* Actor.make<Message, AuditStore.StoreFailed>({
      name: `audit store ${backend.path}`,
      capacity: RecordIntake.maxQueuedRecords,
      maxBatch,
      inFlight: 16,
      weigh: (message) => (message._tag === "Records" ? message.weight : 0),
      maxWeight: RecordIntake.maxQueuedUnits,
      handle
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => (released = true)))

    const closedError = new AuditStore.StoreClosed({ path: backend.path })
    const orClosed = <A>(self: Effect.Effect<A, AuditStore.StoreFailed | Actor.ActorClosed>) =>
      Effect.catchTag(self, "ActorClosed", () => Effect.fail(closedError))
    const refusal = () => pipeline.failure ?? (closeMessage !== undefined || released ? closedError : undefined)

    const submit = <A>(
      records: ReadonlyArray<AuditStore.AuditRecord>,
      then: (message: RecordIntake.Records) => Effect.Effect<A, AuditStore.StoreFailed | Actor.ActorClosed>
    ): Effect.Effect<A, AuditStore.RecordRejected | AuditStore.AuditStoreError> =>
      Effect.suspend((): Effect.Effect<A, AuditStore.RecordRejected | AuditStore.AuditStoreError> => {
        const refused = refusal()
        if (refused !== undefined) return Effect.fail(refused)
        try {
          return orClosed(then(RecordIntake.prepare(records, wallMillis())))
        } catch (cause) {
          return Effect.fail(RecordIntake.rejection(cause))
        }
      })

    const commitOne = (message: RecordIntake.Records) => Effect.map(actor.ask(message), () => receipt(message))

    // Timers: one fiber that sleeps until the next thing is due, or until something is due earlier.
    const sleepUntil = (at: number) =>
      Effect.sleep(Math.max(0, at - monotonicMillis())).pipe(
        Effect.raceFirst(
          Effect.async<void>((resume) => {
            wake = () => resume(Effect.void)
          })
        ),
        Effect.ensuring(Effect.sync(() => (wake = noop)))
      )
    const perform = {
      sign: Effect.sync(() => {
        schedule = Schedule.signing(schedule, true, monotonicMillis())
        pipeline.signSoon()
      }),
      rotate: Effect.suspend(() => actor.ask({ _tag: "Rotate", checkpoint: undefined })),
      tick: Effect.suspend(() => actor.ask({ _tag: "Tick" }))
    }
    yield* Effect.gen(function* () {
      for (;;) {
        if (closeMessage !== undefined) return
        const due = Schedule.next(schedule, intervals)
        armedAt = due.at
        if (due.at > monotonicMillis()) yield* sleepUntil(due.at)
        else yield* perform[due.action]
      }
    }).pipe(Effect.ignore, Effect.forkScoped)

    return {
      append: (record) => submit([record], actor.tell),
      appendAll: (records) => (records.length === 0 ? Effect.void : submit(records, actor.tell)),
      commit: (record) => submit([record], commitOne),
      seal: (record) =>
        submit([record], (message) =>
          commitOne(message).pipe(
            Effect.flatMap((done) => Effect.map(pipeline.covered(done.seq + 1), ({ note }) => ({ ...done, note })))
          )
        ),
      checkpoint: actor.flush.pipe(Effect.zipRight(Effect.suspend(() => pipeline.covered(pipeline.committed.size)))),
      rotate: Effect.suspend(() => {
        const refused = refusal()
        if (refused !== undefined) return refused
        const message: Rotate = { _tag: "Rotate", checkpoint: undefined }
        return orClosed(actor.ask(message)).pipe(
          Effect.flatMap(() => (message.checkpoint === undefined ? closedError : Effect.succeed(message.checkpoint)))
        )
      }),
      close: (closing) =>
        Effect.suspend(() => {
          if (pipeline.failure !== undefined) return pipeline.failure
          if (closeMessage === undefined && released) return closedError
          if (closeMessage !== undefined) return actor.flush
          closeMessage = { _tag: "Close", closing, checkpoint: undefined }
          // Once it is asked for, closing goes on, whatever becomes of who asked.
          const told = orClosed(actor.tell(closeMessage)).pipe(
            Effect.tapError(() => Effect.sync(() => (closeMessage = undefined)))
          )
          return Effect.zipRight(Effect.uninterruptible(told), actor.flush)
        }).pipe(Effect.flatMap(() => pipeline.covered(sequencer.size))),
      head: Effect.sync(() => {
        const { checkpoint, root } = pipeline.stored
        const { hash, size } = pipeline.committed
        return {
          origin,
          firstKey: backend.firstKey,
          size,
          hash,
          epoch,
          signedSize: checkpoint.size,
          root,
          note: checkpoint.note,
          firstNote,
          firstRoot: openHead.root,
          checkpoints: pipeline.storedNotes,
          closed: ended && size === sequencer.size
        }
      }),
      failed: Effect.raceFirst(Deferred.await(failed), actor.failed),
      offer: (records) =>
        refusal() === undefined &&
        (records.length === 0 || actor.unsafeTell(RecordIntake.prepare(records, wallMillis()))),
      onDrain: actor.onDrain,
      entries: backend.entries,
      checkpoints: backend.checkpoints
    }
  })
