/**
 * Records as lines of JSON in a session file, for people and tools that follow it. One line a record, with these members
 * in this order:
 *
 * ```json
 * {"ts":"2025-12-01T12:00:00.123Z","source":"shim","type":"exec","data":{"at":"2025-12-01T12:00:00.120Z","pid":41}}
 * ```
 *
 * `ts` is the recorder's time; `source`, `type` and `data` are those of the entry (docs/format.md). The file is not
 * signed: it proves nothing, the log does.
 *
 * An actor owns the file. What was called back as durable is written whole, and with `sync` on the disk; a failed write
 * leaves no half line.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as RecordData from "../domain/RecordData.ts"
import type { AuditRecord } from "../services/AuditStore.ts"
import type { CollectorFailed } from "../services/Collector.ts"
import * as Actor from "./Actor.ts"
import * as SystemFailure from "./collector/SystemFailure.ts"
import type { RecordSink } from "./collector/RecordSink.ts"
import * as SessionFile from "./SessionFile.ts"

export interface Options {
  readonly path: string
  /** Whether a batch counts only when it is on the disk: where this file is the only record. */
  readonly sync: boolean
  /** Batches that are handed over and not yet durable, at most. */
  readonly maxBatches: number
}

/** A file that takes records. */
export interface JsonlWriter extends RecordSink {
  /** Opens the path anew after what was written before: a file that was renamed stays as it is. */
  readonly rotate: Effect.Effect<void, CollectorFailed>
}

type Message =
  | { readonly _tag: "Lines"; readonly text: string; readonly onDurable: () => void }
  | { readonly _tag: "Rotate" }

/** Rotations that wait while batches do. */
const maxRotations = 16

const dataOf = ({ data }: AuditRecord): string =>
  Either.getOrElse(RecordData.encode(data), () => JSON.stringify(RecordData.fitObject(data)))

/** One line, with its LF. */
const lineOf = (record: AuditRecord, ts: string): string => {
  const { source, type } = record
  const text = record.canonical ?? dataOf(record)
  return `{"ts":"${ts}","source":"${source}","type":"${type}","data":${text}}\n`
}

/** What was cut off when the file was opened. */
const cutRecord = (bytes: number): AuditRecord => ({
  type: "log.drop",
  source: "recorder",
  data: { bytes, count: 1, source: "session-file" }
})

/** Opens the file, which is made when it is missing, until the scope closes. */
export const make = (options: Options): Effect.Effect<JsonlWriter, CollectorFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { path, sync } = options
    const clock = yield* Effect.clock
    const now = () => new Date(clock.unsafeCurrentTimeMillis()).toISOString()
    const refuse = (error: unknown) => SystemFailure.of(path, error)

    const call = (begin: (done: (error: Error | null) => void) => void): Effect.Effect<void, CollectorFailed> =>
      Effect.async((resume) => begin((error) => resume(error === null ? Effect.void : refuse(error))))

    const write = (file: SessionFile.Opened, text: string) =>
      Effect.gen(function* () {
        const bytes = Buffer.from(text, "utf8")
        yield* call((done) => SessionFile.append(file, bytes, done))
        if (sync) yield* call((done) => Fs.fdatasync(file.descriptor, done))
        return { ...file, size: file.size + bytes.length }
      })

    const open = Effect.gen(function* () {
      const file = yield* Effect.try({ try: () => SessionFile.open(path), catch: refuse })
      if (file.cut === 0) return file
      yield* Effect.logWarning(`${path}: its last line was not finished; ${file.cut} bytes of it were cut off`)
      return yield* write(file, lineOf(cutRecord(file.cut), new Date(yield* Clock.currentTimeMillis).toISOString()))
    })

    let file = yield* open
    yield* Effect.addFinalizer(() => Effect.sync(() => Fs.closeSync(file.descriptor)))

    const rotate = Effect.gen(function* () {
      if (!sync) yield* call((done) => Fs.fdatasync(file.descriptor, done))
      const next = yield* open
      Fs.closeSync(file.descriptor)
      file = next
    })

    const handle = (batch: ReadonlyArray<Message>) =>
      Effect.gen(function* () {
        let lines: Array<Extract<Message, { _tag: "Lines" }>> = []
        const flush = Effect.suspend(() => {
          const ready = lines
          lines = []
          if (ready.length === 0) return Effect.void
          return Effect.map(write(file, ready.map(({ text }) => text).join("")), (written) => {
            file = written
            for (const { onDurable } of ready) onDurable()
          })
        })
        for (const message of batch) {
          if (message._tag === "Lines") lines.push(message)
          else yield* Effect.zipRight(flush, rotate)
        }
        yield* flush
        return Effect.void
      })

    const capacity = options.maxBatches + maxRotations
    const actor = yield* Actor.make({ name: `session file ${path}`, capacity, maxBatch: capacity, handle })
    return {
      write: (records, onDurable) => {
        const ts = now()
        let text = ""
        for (const record of records) text += lineOf(record, ts)
        // There is room: who calls has at most `maxBatches` on their way. After a failure nothing is taken.
        actor.unsafeTell({ _tag: "Lines", text, onDurable })
      },
      failed: actor.failed,
      rotate: actor
        .ask({ _tag: "Rotate" })
        .pipe(Effect.catchTag("ActorClosed", () => SystemFailure.because(path, "it is closed")))
    }
  })
