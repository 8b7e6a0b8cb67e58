/**
 * Collects what senders report, without running anything: for a container image, or a machine with senders of its own.
 *
 * Records go to `<logDir>/session-<session>.jsonl`, and with a database also to a signed log, which is closed at the end.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as LogSink from "../layers/collector/LogSink.ts"
import * as Service from "../layers/collector/Service.ts"
import * as SystemFailure from "../layers/collector/SystemFailure.ts"
import * as AuditStore from "../services/AuditStore.ts"
import type * as Collector from "../services/Collector.ts"
import * as HostSignals from "../services/HostSignals.ts"
import * as Signer from "../services/Signer.ts"

export interface CollectRequest {
  /** `[a-z0-9_-]{1,64}` */
  readonly session: string
  readonly places: Service.Options["places"]
  /** Made when it is missing. */
  readonly logDir: string
  /** Opens the signed log; undefined: there is none. */
  readonly openStore:
    | Layer.Layer<
        AuditStore.AuditStore,
        AuditStore.StoreFailed | AuditStore.RecordRejected | Signer.SignerError,
        Signer.Signer
      >
    | undefined
  readonly onListening: (about: Listening) => Effect.Effect<void>
}

/** What a collector that listens says of itself. */
export interface Listening {
  readonly session: string
  readonly endpoints: ReadonlyArray<string>
  /** The session file. */
  readonly file: string
  /** vkey that the signed log hangs on; undefined when there is none. */
  readonly hostKey: string | undefined
}

const openLog = (openStore: NonNullable<CollectRequest["openStore"]>) =>
  Effect.gen(function* () {
    const { host } = yield* Signer.Signer
    const log = Context.get(yield* Layer.build(openStore), AuditStore.AuditStore)
    return { log, hostKey: host.text }
  })

/** Opens session files anew at each SIGHUP, until another signal comes. */
const untilSignalled = (
  signals: Queue.Dequeue<NodeJS.Signals>,
  rotate: Effect.Effect<void, Collector.CollectorFailed>
): Effect.Effect<NodeJS.Signals, Collector.CollectorFailed> =>
  Effect.flatMap(Queue.take(signals), (signal) =>
    signal === "SIGHUP" ? Effect.zipRight(rotate, untilSignalled(signals, rotate)) : Effect.succeed(signal)
  )

/** Collects until a signal asks for the end, or nothing can be recorded any more. Drains and closes in both cases. */
export const collect = Effect.fn("Collect.collect")(function* (
  request: CollectRequest
): Effect.fn.Return<
  Collector.CollectorCounts,
  Collector.CollectorFailed | AuditStore.AuditStoreError | AuditStore.RecordRejected | Signer.SignerError,
  HostSignals.HostSignals | Signer.Signer | Scope.Scope
> {
  const { logDir, onListening, openStore, places, session } = request
  const signals = yield* Effect.flatMap(HostSignals.HostSignals, (host) => host.claim)
  const file = Path.join(logDir, `session-${session}.jsonl`)
  yield* Effect.try({
    try: () => Fs.mkdirSync(logDir, { recursive: true, mode: 0o700 }),
    catch: (error) => SystemFailure.of(logDir, error)
  })
  const opened = openStore === undefined ? undefined : yield* openLog(openStore)
  const sink = yield* LogSink.make({ log: opened?.log, jsonl: file })
  const { collector, endpoints } = yield* Service.make({ ...sink, session, places })
  yield* onListening({ session, endpoints, file, hostKey: opened?.hostKey })
  yield* Effect.raceFirst(untilSignalled(signals, collector.rotate), collector.failed)
  const counts = yield* collector.drain
  if (opened !== undefined) yield* opened.log.close({ reason: "signal", exit: 0 })
  return counts
})
