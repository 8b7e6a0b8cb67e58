/**
 * Where a collector's records become durable: the run's log, a session file, or both.
 *
 * @module
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { AuditRecord, AuditStore, AuditStoreError, RecordRejected } from "../../services/AuditStore.ts"
import { CollectorFailed } from "../../services/Collector.ts"
import * as RecordIntake from "../RecordIntake.ts"

/** For plain Node callbacks. */
export interface RecordSink {
  /**
   * Takes a batch of at least one record; batches take effect in the order of the calls. Who calls bounds what is on its
   * way. After a failure `onDurable` is not called any more.
   */
  readonly write: (records: ReadonlyArray<AuditRecord>, onDurable: () => void) => void
  /** Waits for the failure of the sink. */
  readonly failed: Effect.Effect<never, CollectorFailed>
}

interface Batch {
  readonly records: ReadonlyArray<AuditRecord>
  readonly onDurable: () => void
}

const failureOf = (error: AuditStoreError | RecordRejected): CollectorFailed =>
  new CollectorFailed({ path: "path" in error ? error.path : error.member, reason: error.message })

/** The record, or one that says why the log does not take it: that would be a bug, and no reason to end a run. */
const acceptable = (record: AuditRecord): AuditRecord => {
  try {
    RecordIntake.prepare([record], 0, false)
    return record
  } catch (cause) {
    return { type: "malformed", source: record.source, data: { reason: RecordIntake.rejection(cause).message } }
  }
}

/**
 * Records into the log. Of each batch the last record is committed, which tells that those before it are durable too;
 * the others cost no fiber.
 */
export const store = (log: AuditStore["Type"]): Effect.Effect<RecordSink, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Runtime.runCallback(yield* Effect.runtime())
    const failure = yield* Deferred.make<never, CollectorFailed>()
    const fail = (cause: Cause.Cause<CollectorFailed>) => Deferred.unsafeDone(failure, Effect.failCause(cause))
    const waiting: Array<Batch> = []

    const offer = (records: ReadonlyArray<AuditRecord>): boolean => {
      try {
        return records.length === 0 || log.offer(records)
      } catch (cause) {
        RecordIntake.rejection(cause)
        return log.offer(records.map(acceptable))
      }
    }
    const commit = ({ onDurable, records }: Batch): void => {
      const last = records[records.length - 1]! // a batch has at least one
      const durable = Effect.catchTag(log.commit(last), "RecordRejected", () => log.commit(acceptable(last)))
      // Begins at once, and so has its place in the order when this returns.
      run(Effect.mapError(durable, failureOf), {
        onExit: (exit) => (Exit.isSuccess(exit) ? onDurable() : fail(exit.cause))
      })
    }
    const pump = (): void => {
      for (let batch = waiting[0]; batch !== undefined; batch = waiting[0]) {
        if (!offer(batch.records.slice(0, -1))) return
        waiting.shift()
        commit(batch)
      }
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => log.onDrain(pump)),
      (unsubscribe) => Effect.sync(unsubscribe)
    )
    return {
      write: (records, onDurable) => {
        waiting.push({ records, onDurable })
        if (waiting.length === 1) pump()
      },
      failed: Effect.raceFirst(Deferred.await(failure), Effect.mapError(log.failed, failureOf))
    }
  })

/** A batch is durable when it is in both. */
export const both = (first: RecordSink, second: RecordSink): RecordSink => ({
  write: (records, onDurable) => {
    let missing = 2
    const done = () => {
      missing--
      if (missing === 0) onDurable()
    }
    first.write(records, done)
    second.write(records, done)
  },
  failed: Effect.raceFirst(first.failed, second.failed)
})
