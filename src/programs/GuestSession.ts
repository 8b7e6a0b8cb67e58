/**
 * One guest from its start to its last byte of output, with what the log says about it.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as CommandLine from "../domain/CommandLine.ts"
import type * as Jcs from "../domain/Jcs.ts"
import * as ConsoleTee from "../layers/ConsoleTee.ts"
import type * as AuditStore from "../services/AuditStore.ts"
import * as ContainerRuntime from "../services/ContainerRuntime.ts"
import * as HostSignals from "../services/HostSignals.ts"
import type { RecordMode } from "../services/ShimInjector.ts"
import * as GuestEnd from "./GuestEnd.ts"
import * as GuestRecorder from "./GuestRecorder.ts"
import * as RunOutcome from "./RunOutcome.ts"

export interface GuestRequest extends GuestRecorder.RecorderRequest {
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Absolute; the guest's working directory. */
  readonly workspace: string
  /** Added to what the runtime gives by itself. Names go into the log, values don't. */
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMillis: number | undefined
  /** Called when less is recorded than was planned, and the run goes on all the same. */
  readonly onLess: (mode: RecordMode, reasons: ReadonlyArray<string>) => Effect.Effect<void>
}

/** Longest error message in the log, in characters: it may quote PATH. */
const maxErrorLength = 4096

/** What a guest that was asked to end has before it is killed. */
const grace = "10 seconds"

/** Why waiting ended, and how the guest is to be stopped if it still runs. */
interface Waited {
  readonly reason: RunOutcome.Reason
  readonly stop: { readonly signal: NodeJS.Signals; readonly grace: typeof grace | 0 }
}

const politely = { signal: "SIGTERM", grace } as const
const atOnce = { signal: "SIGKILL", grace: 0 } as const

/** Passes a signal on, and gives the guest its grace or until a second signal. */
const afterSignal =
  (guest: ContainerRuntime.Guest, signals: Queue.Dequeue<NodeJS.Signals>) => (first: NodeJS.Signals) =>
    Effect.gen(function* () {
      yield* guest.forward(first)
      yield* Effect.raceAll([Effect.asVoid(guest.exit), Effect.asVoid(Queue.take(signals)), Effect.sleep(grace)])
      const waited: Waited = { reason: "interrupted", stop: atOnce }
      return waited
    })

const untilExit = (guest: ContainerRuntime.Guest) =>
  Effect.map(guest.exit, ({ signal }): Waited => ({ reason: signal === null ? "exit" : "signal", stop: politely }))

const noteFailure = (outcome: Ref.Ref<RunOutcome.RunOutcome>) => (error: { readonly message: string }) =>
  Ref.update(outcome, RunOutcome.failed(error))

/**
 * Waits until everything that the guest printed is recorded and shown, however slowly somebody reads; not longer than a
 * second signal, or the grace after a first one.
 */
const untilShown = (
  tee: ConsoleTee.Tee,
  { reason }: Waited,
  signals: Queue.Dequeue<NodeJS.Signals>
): Effect.Effect<Jcs.JsonObject> => {
  const isOver = reason === "exit" || reason === "signal"
  const impatience = isOver ? Queue.take(signals) : Effect.raceFirst(Queue.take(signals), Effect.sleep(grace))
  return Effect.raceFirst(
    Effect.map(tee.drained, (drained): Jcs.JsonObject => ({ ...drained })),
    Effect.as(impatience, { all: "abandoned" })
  ).pipe(Effect.interruptible, Effect.disconnect)
}

/**
 * Runs the guest and records it; the outcome says how it ended.
 *
 * @param recorder what records the guest from inside
 * @param background what goes on beside the guest, such as telling the ledger; its failure is an audit failure
 * @param onReady called when all is recorded that comes before the guest
 */
export const run = <E extends { readonly message: string }, R>(
  request: GuestRequest,
  store: AuditStore.AuditStore["Type"],
  recorder: GuestRecorder.GuestRecorder,
  background: Effect.Effect<never, E, R>,
  outcome: Ref.Ref<RunOutcome.RunOutcome>,
  onReady: (isolation: ContainerRuntime.Isolation) => Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const runtime = yield* ContainerRuntime.ContainerRuntime
    const signals = yield* Effect.flatMap(HostSignals.HostSignals, (host) => host.claim)
    const unrecorded = noteFailure(outcome)

    const record = (data: Jcs.JsonObject) => {
      const durable = store.commit({ type: "container", source: "runtime", data })
      return request.onAuditFailure === "stop" ? durable : Effect.catchAll(durable, unrecorded)
    }

    /** Completes when the run has to stop because it cannot be recorded. */
    const notRecorded: Waited = { reason: "audit-failure", stop: politely }
    const collectorFailed = recorder.listening?.collector.failed ?? Effect.never
    const untilUnrecorded = Effect.raceFirst(Effect.raceFirst(store.failed, collectorFailed), background).pipe(
      Effect.catchAll(unrecorded),
      Effect.zipRight(request.onAuditFailure === "stop" ? Effect.succeed(notRecorded) : Effect.never)
    )
    /** What was asked for by name is given or the run ends, whatever else is to go on unrecorded. */
    let isTold = false
    const less = GuestRecorder.less(recorder, request, (mode, reasons) =>
      Effect.suspend(() => {
        if (isTold) return Effect.void
        isTold = true
        return request.onLess(mode, reasons)
      })
    ).pipe(Effect.catchAll(unrecorded))
    const untilLess = Effect.as(less, notRecorded)

    const timedOut: Waited = { reason: "timeout", stop: politely }
    const untilTimeout =
      request.timeoutMillis === undefined ? Effect.never : Effect.as(Effect.sleep(request.timeoutMillis), timedOut)

    const start = Effect.gen(function* () {
      const { isolation, name } = runtime
      yield* record({
        action: "created",
        runtime: name,
        isolation: { kind: isolation.kind, reasons: isolation.reasons },
        ...CommandLine.toData([request.command, ...request.args]),
        cwd: request.workspace,
        env: Object.keys(request.env),
        tty: request.tty,
        on_audit_failure: request.onAuditFailure,
        ...GuestRecorder.toData(recorder, request),
        ...(request.timeoutMillis === undefined ? {} : { timeout_ms: request.timeoutMillis })
      })
      yield* onReady(isolation)
      const size = ConsoleTee.terminalSize()
      const guest = yield* runtime.start({
        command: request.command,
        args: request.args,
        cwd: request.workspace,
        env: { ...request.env, ...recorder.injection.env },
        tty: request.tty,
        launcher: recorder.injection.launcher,
        ...(size === undefined ? {} : { size })
      })
      const startedAt = yield* Clock.currentTimeMillis
      return { guest, startedAt, tee: yield* ConsoleTee.attach(guest, store, request.onAuditFailure) }
    }).pipe(
      Effect.tapError((error) =>
        "exitStatus" in error
          ? Effect.zipRight(
              Ref.update(outcome, (now) => ({ ...now, exit: error.exitStatus })),
              record({ action: "failed", error: error.message.slice(0, maxErrorLength) })
            )
          : Effect.void
      )
    )

    yield* Effect.scoped(
      Effect.acquireUseRelease(
        start,
        ({ guest }) =>
          Effect.zipRight(
            record({ action: "started", pid: guest.pid, path: guest.path }),
            // The signal ends the race by itself: what it brings about must not look like the guest's own end.
            Effect.raceFirst(
              Effect.map(Queue.take(signals), Either.left),
              Effect.map(Effect.raceAll([untilExit(guest), untilUnrecorded, untilLess, untilTimeout]), Either.right)
            ).pipe(
              Effect.flatMap(Either.match({ onLeft: afterSignal(guest, signals), onRight: Effect.succeed<Waited> }))
            )
          ),
        ({ guest, startedAt, tee }, used) =>
          Effect.gen(function* () {
            const waited: Waited = Exit.isSuccess(used) ? used.value : { reason: "interrupted", stop: politely }
            const stopped = yield* guest.stop(waited.stop)
            const status = ContainerRuntime.statusOf(stopped)
            yield* Ref.update(outcome, (now) => ({ ...now, reason: waited.reason, exit: status }))
            const drained = yield* untilShown(tee, waited, signals)
            const ms = (yield* Clock.currentTimeMillis) - startedAt
            const end = yield* GuestEnd.of(recorder, stopped, waited.reason)
            // A quick command may have ended before anybody heard how it was recorded.
            yield* less.pipe(Effect.interruptible, Effect.timeoutOption(0))
            yield* Ref.update(outcome, (now) => ({ ...now, reason: end.reason }))
            if (end.failure !== undefined) yield* unrecorded(end.failure)
            yield* record({ action: "exited", exit: status, signal: end.signal, output: drained, ...end.data, ms })
          }).pipe(Effect.catchAll(unrecorded))
      )
    )
  }).pipe(Effect.scoped)
