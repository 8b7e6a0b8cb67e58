/**
 * What records a guest from inside: the collector listens, then the injector decides what is put beside the guest.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Jcs from "../domain/Jcs.ts"
import * as AuditStore from "../services/AuditStore.ts"
import * as Collector from "../services/Collector.ts"
import * as ContainerRuntime from "../services/ContainerRuntime.ts"
import type { StoredRun } from "../services/RunStorage.ts"
import * as ShimInjector from "../services/ShimInjector.ts"
import * as RunnerWatch from "./RunnerWatch.ts"

export interface RecorderRequest {
  readonly record: ShimInjector.AskedMode
  readonly deny: ShimInjector.DenyRules
  /** A name for the agent, which its events carry. */
  readonly agent: string | undefined
  readonly onAuditFailure: "stop" | "continue"
  /** Whether the guest gets a terminal of its own. */
  readonly tty: boolean
  /** Opens the collector of a run; the store that it is given takes the entries. */
  readonly openCollector: (
    run: StoredRun
  ) => Layer.Layer<Collector.Collector, Collector.CollectorFailed, AuditStore.AuditStore>
}

/** A guest that the collector hears of. */
export interface Listening {
  readonly collector: Collector.Collector["Type"]
  readonly watch: RunnerWatch.RunnerWatch
}

export interface GuestRecorder {
  readonly injection: ShimInjector.Injection
  /** Undefined when nothing is put beside the guest. */
  readonly listening: Listening | undefined
}

const nothing: ShimInjector.Injection = {
  asked: "none",
  mode: "none",
  launcher: undefined,
  env: {},
  files: [],
  mounts: [],
  reasons: []
}

/** Listens and prepares until the scope closes; with `--record none` nothing is made. */
export const acquire = (request: RecorderRequest, run: StoredRun, store: AuditStore.AuditStore["Type"]) =>
  Effect.gen(function* () {
    const { agent, deny, onAuditFailure, record } = request
    const none: GuestRecorder = { injection: nothing, listening: undefined }
    if (record === "none") return none
    const injector = yield* ShimInjector.ShimInjector
    const runtime = yield* ContainerRuntime.ContainerRuntime
    const watch = yield* RunnerWatch.make(store)
    const opened = request.openCollector(run).pipe(Layer.provide(Layer.succeed(AuditStore.AuditStore, watch.store)))
    const collector = Context.get(yield* Layer.build(opened), Collector.Collector)
    const injection = yield* injector.prepare({
      record,
      deny,
      agent,
      session: run.id,
      endpoint: collector.endpoint,
      secret: collector.runnerSecret,
      directory: run.path,
      ownGroup: runtime.leadsSession(request.tty),
      protect: [process.pid],
      onAuditFailure
    })
    const recorder: GuestRecorder = {
      injection,
      listening: injection.launcher === undefined ? undefined : { collector, watch }
    }
    return recorder
  })

/** What the `container` entry `created` says about it. Hashes, not paths: those are this machine's business. */
export const toData = ({ injection }: GuestRecorder, { agent, deny }: RecorderRequest): Jcs.JsonObject => {
  const rules = Object.entries(deny).filter(([, patterns]) => patterns.length > 0)
  return {
    record: {
      asked: injection.asked,
      mode: injection.mode,
      files: injection.files.map(({ role, sha256 }) => ({ role, sha256 })),
      reasons: injection.reasons,
      ...(rules.length === 0 ? {} : { deny: Object.fromEntries(rules) })
    },
    ...(agent === undefined ? {} : { agent })
  }
}

/** How much is seen; `hybrid` and `full` see the same. */
const completeness: Readonly<Record<ShimInjector.RecordMode, number>> = { none: 0, shim: 1, hybrid: 2, full: 2 }

/**
 * Tells when less is in force than was planned. Fails when that is not what was asked for by name, or leaves deny rules
 * that nothing enforces. Never completes.
 */
export const less = (
  { injection, listening }: GuestRecorder,
  { deny }: RecorderRequest,
  tell: (mode: ShimInjector.RecordMode, reasons: ReadonlyArray<string>) => Effect.Effect<void>
): Effect.Effect<never, ShimInjector.InjectorError> => {
  if (listening === undefined) return Effect.never
  return Effect.flatMap(listening.watch.supervised, ({ mode, reasons }) => {
    if (completeness[mode] >= completeness[injection.mode]) return Effect.never
    const why = `in force is only ${mode}${reasons.length === 0 ? "" : `: ${reasons.join("; ")}`}`
    if (injection.asked !== "auto") {
      return new ShimInjector.InjectorError({ reason: `--record ${injection.asked} cannot be had here, ${why}` })
    }
    if (Object.values(deny).some((patterns) => patterns.length > 0)) {
      return new ShimInjector.InjectorError({ reason: `nothing enforces the deny rules, ${why}` })
    }
    return Effect.zipRight(tell(mode, reasons), Effect.never)
  })
}
