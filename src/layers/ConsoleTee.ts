/**
 * What the guest prints, on its way to the user and into the log: the user gets the bytes at once and unchanged, the log
 * gets them as `console` entries (docs/format.md).
 *
 * When the user's side or the log is slower than the guest, the guest is held back; nothing is dropped and at most one
 * chunk a stream waits here. When nobody reads the user's side any more, the guest's stream is closed, as it would be
 * without agentops; what was read before is recorded all the same.
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ConsoleLines from "../domain/ConsoleLines.ts"
import type { AuditRecord } from "../services/AuditStore.ts"
import type { Drained, Guest } from "../services/ContainerRuntime.ts"
import * as Destination from "./Destination.ts"
import * as HangUp from "./HangUp.ts"
import * as UserTerminal from "./UserTerminal.ts"

/** Where records go: an `AuditStore`, or anything that takes them like one. */
export interface ConsoleSink {
  /** True: all are accepted. False: none is; offer them again from `onDrain`. */
  readonly offer: (records: ReadonlyArray<AuditRecord>) => boolean
  /** Calls back each time that there is room again after `offer` said false; returns the unsubscription. */
  readonly onDrain: (callback: () => void) => () => void
  /** Completes (fails) when no record will be accepted any more. */
  readonly failed: Effect.Effect<never, unknown>
}

/** Output that is being shown and recorded. */
export interface Tee {
  /**
   * Completes when the guest has ended, and everything that it printed is accepted by the sink (or given up because the
   * sink failed) and shown to the user (or nobody reads any more). As slow as who reads; interruptible.
   */
  readonly drained: Effect.Effect<Drained>
}

/** Where the streams are shown. */
export type Destinations = { readonly [stream in ConsoleLines.StreamName]: Destination.Destination }

/** After so many milliseconds without LF, what there is of a line is recorded. */
export const idleMillis = 1_000

/** Most records that are offered at once; a mailbox must have room for them. */
const maxRecords = 256

/** At the close of the scope, for the guest to end and for its output to be shown. */
const closeGrace = Duration.seconds(15)

/** Size of the user's terminal, for a guest that is to get one. */
export const terminalSize = UserTerminal.size

const toRecord = (data: ConsoleLines.ConsoleLine): AuditRecord => ({
  type: "console",
  source: "agent",
  data
})

/** Plain callbacks only: one per guest. */
class Recorder {
  readonly #guest: Guest
  readonly #sink: ConsoleSink
  readonly #destinations: Destinations
  readonly #splitters: ReadonlyMap<ConsoleLines.StreamName, ConsoleLines.Splitter>
  readonly #timers = new Map<ConsoleLines.StreamName, NodeJS.Timeout>()
  readonly #held = new Set<ConsoleLines.StreamName>()
  readonly #stalled = new Set<ConsoleLines.StreamName>()
  readonly #onEmpty = new Set<() => void>()
  #waiting: Array<AuditRecord> = []
  #discarding = false

  constructor(guest: Guest, sink: ConsoleSink, destinations: Destinations) {
    const { streams } = guest.output
    this.#guest = guest
    this.#sink = sink
    this.#destinations = destinations
    this.#splitters = new Map(streams.map((stream) => [stream, new ConsoleLines.Splitter(stream)]))
    for (const stream of streams) destinations[stream].onDrain(() => this.#onDestination(stream))
  }

  /** Completes when no record waits for the sink. */
  readonly recorded: Effect.Effect<void> = Effect.async((resume) => {
    if (this.#waiting.length === 0) return resume(Effect.void)
    const onEmpty = () => resume(Effect.void)
    this.#onEmpty.add(onEmpty)
    return Effect.sync(() => this.#onEmpty.delete(onEmpty))
  })

  onChunk(stream: ConsoleLines.StreamName, bytes: Uint8Array): boolean {
    const destination = this.#destinations[stream]
    if (!destination.write(bytes)) this.#stalled.add(stream)
    const splitter = this.#splitters.get(stream)
    if (splitter !== undefined) {
      const lines = splitter.push(bytes)
      this.#record(lines)
      this.#restartTimer(stream, splitter, lines.length > 0)
    }
    if (destination.closed()) this.#guest.output.close(stream)
    return !this.#mustHold(stream)
  }

  onEnd(stream: ConsoleLines.StreamName): void {
    clearTimeout(this.#timers.get(stream))
    this.#record(this.#splitters.get(stream)?.flush(true) ?? [])
  }

  /** Offers again what the sink refused, and lets the streams flow. */
  readonly onSink = (): void => {
    this.#offer()
    this.#letFlow()
  }

  /** From now on nothing is recorded, and nothing waits for the sink. */
  discard(): void {
    this.#discarding = true
    this.#waiting = []
    this.#emptied()
    this.#letFlow()
  }

  stopTimers(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }

  #mustHold(stream: ConsoleLines.StreamName): boolean {
    const hold = this.#stalled.has(stream) || this.#waiting.length > 0
    if (hold) this.#held.add(stream)
    return hold
  }

  #letFlow(): void {
    for (const stream of this.#held) {
      if (this.#waiting.length > 0) return
      if (this.#stalled.has(stream)) continue
      this.#held.delete(stream)
      this.#guest.output.resume(stream)
    }
  }

  #onDestination(stream: ConsoleLines.StreamName): void {
    this.#stalled.delete(stream)
    if (this.#destinations[stream].closed()) this.#guest.output.close(stream)
    this.#letFlow()
  }

  #record(lines: ReadonlyArray<ConsoleLines.ConsoleLine>): void {
    if (this.#discarding || lines.length === 0) return
    const wasEmpty = this.#waiting.length === 0
    for (const line of lines) this.#waiting.push(toRecord(line))
    if (wasEmpty) this.#offer()
  }

  #offer(): void {
    let from = 0
    while (from < this.#waiting.length) {
      if (!this.#sink.offer(this.#waiting.slice(from, from + maxRecords))) break
      from += maxRecords
    }
    this.#waiting = this.#waiting.slice(from)
    if (this.#waiting.length === 0) this.#emptied()
  }

  #emptied(): void {
    for (const onEmpty of this.#onEmpty) onEmpty()
    this.#onEmpty.clear()
  }

  /** The timer runs from the first byte that waits for its LF. */
  #restartTimer(stream: ConsoleLines.StreamName, splitter: ConsoleLines.Splitter, anew: boolean): void {
    const timer = this.#timers.get(stream)
    if (timer !== undefined && splitter.pending && !anew) return
    clearTimeout(timer)
    this.#timers.delete(stream)
    if (!splitter.pending) return
    const onIdle = () => {
      this.#timers.delete(stream)
      this.#record(splitter.flush(false))
    }
    this.#timers.set(stream, setTimeout(onIdle, idleMillis))
  }
}

/**
 * Shows the guest's output in these places and records it, without a terminal's input.
 *
 * @param onAuditFailure when the sink fails: `stop` holds the guest's output back until the guest has ended, which is
 *   the caller's to bring about; `continue` goes on without records
 */
export const record = (
  guest: Guest,
  sink: ConsoleSink,
  onAuditFailure: "stop" | "continue",
  destinations: Destinations
): Effect.Effect<Tee, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { output } = guest
    const recorder = new Recorder(guest, sink, destinations)
    const shown = Effect.forEach(output.streams, (stream) => destinations[stream].flush, {
      concurrency: "unbounded",
      discard: true
    })
    const drained = Effect.zipLeft(output.drained, Effect.zip(recorder.recorded, shown, { concurrent: true }))

    yield* Effect.acquireRelease(
      Effect.sync(() => sink.onDrain(recorder.onSink)),
      (unsubscribe) => Effect.sync(unsubscribe)
    )
    yield* Effect.catchAllCause(sink.failed, () =>
      Effect.zipRight(
        onAuditFailure === "stop" ? guest.exit : Effect.void,
        Effect.sync(() => recorder.discard())
      )
    ).pipe(Effect.interruptible, Effect.forkScoped)
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        output.attach({
          onChunk: (stream, bytes) => recorder.onChunk(stream, bytes),
          onEnd: (stream) => recorder.onEnd(stream)
        })
      ),
      () =>
        Effect.gen(function* () {
          // Usually long over: the caller has waited for `drained`. Otherwise everything is bounded from here on.
          yield* guest.stop()
          yield* Effect.timeoutOption(Effect.interruptible(drained), closeGrace)
          recorder.stopTimers()
        })
    )
    return { drained }
  })

/**
 * Connects a guest with the user and with the log: its output with standard output and standard error, and for a guest
 * with a terminal also the keys and the window size. Everything is put back when the scope closes; a guest that still
 * runs then is stopped.
 */
export const attach = (
  guest: Guest,
  sink: ConsoleSink,
  onAuditFailure: "stop" | "continue"
): Effect.Effect<Tee, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* HangUp.survive
    if (guest.input !== undefined) yield* UserTerminal.attach(guest, guest.input)
    const stdout = yield* Destination.standard(1)
    const stderr = guest.input === undefined ? yield* Destination.standard(2) : stdout
    return yield* record(guest, sink, onAuditFailure, { stdout, stderr, tty: stdout })
  })
