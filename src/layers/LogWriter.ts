/**
 * What the actor of a log does with its messages: it puts records into their order and into segments, ends epochs, and
 * keeps the schedule. It owns the sequencer and the segment that is being built; the pipeline owns what comes after.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Schedule from "../domain/Schedule.ts"
import * as Sequencer from "../domain/Sequencer.ts"
import type { Closing, StoredCheckpoint, StoreFailed } from "../services/AuditStore.ts"
import type { LogBackend } from "./LogBackend.ts"
import type { Now, Opened } from "./LogOpening.ts"
import { type Flight, LogPipeline } from "./LogPipeline.ts"
import * as RecordIntake from "./RecordIntake.ts"
import { SegmentBuilder } from "./SegmentBuilder.ts"

export interface Rotate {
  readonly _tag: "Rotate"
  checkpoint: StoredCheckpoint | undefined
}
export interface Tick {
  readonly _tag: "Tick"
}
export interface Close {
  readonly _tag: "Close"
  readonly closing: Closing
}

/** `Rotate` gets its checkpoint when it is handled. */
export type Message = RecordIntake.Records | Rotate | Tick | Close

/** Mutable. Its methods run on one event loop; `handle` never runs twice at a time. */
export class LogWriter {
  readonly pipeline: LogPipeline
  readonly #now: Now
  readonly #intervals: Schedule.Intervals
  readonly #sequencer: Sequencer.Sequencer
  readonly #builder: SegmentBuilder
  readonly #onEarlier: (due: Schedule.Due) => void
  #schedule: Schedule.State
  #epoch = 0
  #nextKey: string
  #ended = false
  #lastFlight: Flight | undefined
  /** How many records may go into the segment before somebody looks again. */
  #room = 0
  #handling = false
  #handled = 0

  /** @param onEarlier is called with what is due next whenever that may have come nearer */
  constructor(
    opened: Opened,
    backend: LogBackend,
    intervals: Schedule.Intervals,
    now: Now,
    onEarlier: (due: Schedule.Due) => void
  ) {
    this.#now = now
    this.#intervals = intervals
    this.#sequencer = opened.sequencer
    this.#builder = new SegmentBuilder(opened.sequencer)
    this.#onEarlier = onEarlier
    this.#schedule = Schedule.initial(now.monotonic())
    this.#nextKey = backend.nextKey
    this.pipeline = new LogPipeline(
      backend,
      {
        signAtCommit: (unsigned) => Schedule.signAtCommit(unsigned, intervals),
        onSigning: (size) => {
          this.#schedule = Schedule.signing(this.#schedule, this.#sequencer.size > size, now.monotonic())
        }
      },
      { checkpoint: opened.checkpoint, root: opened.root },
      opened.sequencer.hash
    )
  }

  /** Entries that have their place, durable or not. */
  get size(): number {
    return this.#sequencer.size
  }

  /** Epoch that signs what comes next. */
  get epoch(): number {
    return this.#epoch
  }

  /** `log.close` has its place. */
  get ended(): boolean {
    return this.#ended
  }

  /** Messages that went through `handle`. */
  get handled(): number {
    return this.#handled
  }

  /** What the clockwork has to do next. */
  get due(): Schedule.Due {
    return Schedule.next(this.#schedule, this.#intervals)
  }

  /** Signs what is durable; what is on its way is signed at the next commit. */
  sign(): void {
    this.#schedule = Schedule.signing(this.#schedule, true, this.#now.monotonic())
    this.pipeline.signSoon()
  }

  /** Completes when every entry that has its place is durable. */
  readonly durable: Effect.Effect<void, StoreFailed> = Effect.suspend(() =>
    this.#lastFlight === undefined ? Effect.void : this.pipeline.durable(this.#lastFlight)
  )

  /** The actor's handler: posts the messages as segments, and gives what completes when they are durable. */
  handle(batch: ReadonlyArray<Message>): Effect.Effect<Effect.Effect<void, StoreFailed>, StoreFailed> {
    return Effect.gen(this, function* () {
      if (this.pipeline.failure !== undefined) return yield* this.pipeline.failure
      this.#handling = true
      const wall = this.#observeClocks()
      for (const message of batch) {
        if (this.#ended) break
        if (message._tag === "Records") {
          for (let at = 0; (at = this.#take(message, at)) < message.records.length;) yield* this.#makeRoom()
        } else if (message._tag === "Rotate") message.checkpoint = yield* this.#rotate()
        else if (message._tag === "Close") yield* this.#close(message.closing)
        else this.#tick(wall)
      }
      yield* this.#post()
      this.#handled += batch.length
      this.#handling = false
      return this.durable
    })
  }

  /**
   * The short way of a record that somebody waits for while nothing else goes on: no fiber is woken for it. It is what
   * `handle` would do, in one synchronous step. Where several wait together they share a commit instead.
   *
   * @param accepted messages that the actor has accepted; unless all were handled, the record has to queue up
   * @returns false when the record must go to the actor
   */
  takeAtOnce(message: RecordIntake.Records, accepted: number): boolean {
    if (this.#handling || this.#ended || accepted !== this.#handled || !this.pipeline.isIdle) return false
    if (!this.pipeline.isLonely) return false
    if (Schedule.roomInEpoch(this.#schedule, this.#intervals) <= message.records.length) return false
    this.#observeClocks()
    this.#room = message.records.length
    this.#take(message, 0)
    this.#postNow()
    return true
  }

  /** Looks at both clocks before entries of this moment; a step gets an entry of its own. */
  #observeClocks(): number {
    const wall = this.#now.wall()
    const step = this.#sequencer.step(wall, this.#now.monotonic())
    if (step !== undefined && !this.#ended) {
      this.#control("log.clock", { step_ms: step, wall: Sequencer.formatTime(wall) })
    }
    this.#room = 0
    return wall
  }

  #control(type: string, data: unknown): void {
    this.#builder.control(type, RecordIntake.controlData(data), this.#now.wall())
    this.#room = 0
  }

  /** Takes records from `from` on, as far as there is room, and says how far. */
  #take({ records, wallMillis }: RecordIntake.Records, from: number): number {
    const to = Math.min(records.length, from + this.#room)
    for (let at = from; at < to; at++) this.#builder.record(records[at]!, wallMillis) // to is at most length
    this.#room -= to - from
    return to
  }

  #tick(wall: number): void {
    const silence = this.#now.monotonic() - this.#schedule.lastEntryAt
    if (this.#builder.size > 0 || silence < this.#intervals.tickAfterMillis) return
    this.#builder.control("log.tick", "{}", wall)
    this.#room = 0
  }

  #makeRoom(): Effect.Effect<void, StoreFailed> {
    return Effect.gen(this, function* () {
      const inEpoch = () => Schedule.roomInEpoch(this.#schedule, this.#intervals) - this.#builder.size
      if (this.#builder.isFull) yield* this.#post()
      if (inEpoch() <= 0) yield* this.#rotate()
      this.#room = Math.min(this.#builder.room, Math.max(1, inEpoch()))
    })
  }

  #post(): Effect.Effect<void, StoreFailed> {
    return Effect.suspend(() => {
      if (this.#builder.size === 0) return Effect.void
      if (!this.pipeline.hasRoom) return Effect.flatMap(this.pipeline.room, () => this.#post())
      this.#postNow()
      return Effect.void
    })
  }

  #postNow(): void {
    const built = this.#builder.take()
    this.#room = 0
    this.#schedule = Schedule.appended(this.#schedule, built.leaves.length, built.records, this.#now.monotonic())
    this.#lastFlight = this.pipeline.post(built)
    this.#onEarlier(this.due)
  }

  /** Ends the epoch, or the log, with an entry of the store's own that the old key signs. */
  #postClosing(
    kind: "rotate" | "close",
    type: string,
    data: () => unknown
  ): Effect.Effect<StoredCheckpoint, StoreFailed> {
    return Effect.gen(this, function* () {
      yield* this.pipeline.room
      this.#control(type, data())
      const { flight, head } = yield* this.pipeline.postClosing(kind, this.#builder.take())
      this.#lastFlight = flight
      this.#nextKey = head.nextKey ?? this.#nextKey
      this.#schedule = Schedule.rotated(this.#now.monotonic())
      return { size: head.size, epoch: head.epoch, note: head.note }
    })
  }

  #rotate(): Effect.Effect<StoredCheckpoint, StoreFailed> {
    const data = () => ({ checkpoints: this.pipeline.requestedNotes, epoch: this.#epoch + 1, key: this.#nextKey })
    return Effect.tap(this.#postClosing("rotate", "log.key", data), () => {
      this.#epoch++
    })
  }

  #close({ exit, reason }: Closing): Effect.Effect<void, StoreFailed> {
    const data = () => ({
      checkpoints: this.pipeline.requestedNotes,
      entries: this.#sequencer.size + 1,
      exit,
      reason
    })
    return Effect.map(this.#postClosing("close", "log.close", data), () => {
      this.#ended = true
    })
  }
}
