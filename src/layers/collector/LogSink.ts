/**
 * The sink of a collector: the log, a session file, or both.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AuditStore } from "../../services/AuditStore.ts"
import type { CollectorFailed } from "../../services/Collector.ts"
import * as JsonlWriter from "../JsonlWriter.ts"
import * as Bounds from "./Bounds.ts"
import * as RecordSink from "./RecordSink.ts"

export interface Options {
  readonly log?: AuditStore["Type"] | undefined
  /** Path of the session file. */
  readonly jsonl?: string | undefined
  readonly bounds?: Partial<Bounds.Bounds> | undefined
}

export interface LogSink {
  readonly sink: RecordSink.RecordSink
  /** Opens the session file anew, where there is one. */
  readonly rotate: Effect.Effect<void, CollectorFailed>
}

/** Nowhere: for a collector that only counts. */
const nowhere: RecordSink.RecordSink = { write: (_, onDurable) => onDurable(), failed: Effect.never }

/** Where there is a log, the session file is a copy: a batch is durable when it is in the log and was written here. */
export const make = ({ bounds, jsonl, log }: Options): Effect.Effect<LogSink, CollectorFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const stored = log === undefined ? undefined : yield* RecordSink.store(log)
    if (jsonl === undefined) return { sink: stored ?? nowhere, rotate: Effect.void }
    const maxBatches = bounds?.maxBatchesInFlight ?? Bounds.defaults.maxBatchesInFlight
    const written = yield* JsonlWriter.make({ path: jsonl, sync: stored === undefined, maxBatches })
    const sink = stored === undefined ? written : RecordSink.both(stored, written)
    return { sink, rotate: written.rotate }
  })
