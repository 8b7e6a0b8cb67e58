/**
 * Records one run: a command under a runtime, its log, and the ledger's entries about it.
 *
 * Acquisition: run directory and lock, store (log.open), ledger run.open, collector listens, injector, guest. Release is
 * the reverse: guest stopped, its console drained to the last byte, collector drained, `container` entry, sockets closed,
 * log.close with the last checkpoint, ledger run.close, store, metadata, lock. It holds for every way out: exit, signal,
 * time-out, a store that fails, a defect.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as AuditStore from "../services/AuditStore.ts"
import type * as ContainerRuntime from "../services/ContainerRuntime.ts"
import * as Ledger from "../services/Ledger.ts"
import * as RunStorage from "../services/RunStorage.ts"
import type * as ShimInjector from "../services/ShimInjector.ts"
import * as Signer from "../services/Signer.ts"
import * as GuestRecorder from "./GuestRecorder.ts"
import * as GuestSession from "./GuestSession.ts"
import * as RunOutcome from "./RunOutcome.ts"

export interface RunRequest extends GuestSession.GuestRequest {
  readonly name: string | undefined
  /** Called when the log is open and before the guest starts. */
  readonly onRecording: (
    run: RunStorage.StoredRun,
    isolation: ContainerRuntime.Isolation,
    injection: ShimInjector.Injection
  ) => Effect.Effect<void>
  /** Opens the store of a new run. */
  readonly openStore: (
    run: RunStorage.StoredRun
  ) => Layer.Layer<
    AuditStore.AuditStore,
    AuditStore.StoreFailed | AuditStore.RecordRejected | Signer.SignerError,
    Signer.Signer
  >
}

/** How a recorded run ended. */
export interface RunSummary {
  readonly run: string
  readonly reason: RunOutcome.Reason
  /** Exit status of `agent run`. */
  readonly exit: number
  /** Entries of the closed log; undefined when it could not be closed. */
  readonly entries: number | undefined
  /** From the first step to the end of the release. */
  readonly millis: number
  /** Final checkpoint of the log: a receipt that one can keep (`agent audit --known`). */
  readonly checkpoint: string | undefined
  /** With `--on-audit-failure continue`: what was not recorded, and why. */
  readonly unrecorded: string | undefined
}

/** The run was stopped because it could not be recorded. What was recorded is kept. */
export class RecordingFailed extends Data.TaggedError("RecordingFailed")<{
  readonly run: string
  readonly reason: string
}> {
  readonly exitStatus = 125
  override get message() {
    return `${this.run} could not be recorded to its end and was stopped: ${this.reason}`
  }
}

/** One step of the release took too long. */
class StepTimedOut extends Data.TaggedError("StepTimedOut")<{ readonly step: string }> {
  override get message() {
    return `${this.step} took longer than ${maxStep}`
  }
}

/** Longest that one step of the release may take. */
const maxStep = "30 seconds"

/** While a run is active, the ledger learns its root this often (docs/format.md, section 3). */
const pointInterval = "60 seconds"

/** A step of the release that must not hold up the steps after it. */
const bounded = <A, E, R>(step: string, effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.interruptible,
    Effect.disconnect,
    Effect.timeoutFail({ duration: maxStep, onTimeout: () => new StepTimedOut({ step }) })
  )

type Outcome = Ref.Ref<RunOutcome.RunOutcome>

/** Makes the run directory and holds its lock. The release writes the metadata, when all but the lock is gone. */
const acquireDirectory = (request: RunRequest, outcome: Outcome) =>
  Effect.gen(function* () {
    const storage = yield* RunStorage.RunStorage
    const { ledgerOrigin } = yield* Signer.Signer
    const run = yield* storage.create({
      name: request.name,
      command: [request.command, ...request.args],
      workspace: request.workspace,
      origin: (id) => `${ledgerOrigin}/${id}`
    })
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        const { entries, exit, isConcluded, isOpened } = yield* Ref.get(outcome)
        if (!isOpened) return yield* storage.discard(run)
        // What could not be concluded stays "running": the next command finishes it as that of a killed recorder.
        if (!isConcluded || run.about === undefined) return
        const ended = new Date(yield* Clock.currentTimeMillis).toISOString()
        yield* storage.update(run.id, { ...run.about, state: "closed", ended, exit, entries })
      }).pipe(Effect.catchAll((error) => Ref.update(outcome, RunOutcome.failed(error))))
    )
    return run
  })

/** Opens the log, and the ledger's entry about it. The release closes both. */
const acquireLog = (request: RunRequest, run: RunStorage.StoredRun, outcome: Outcome) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger.Ledger
    const store = Context.get(yield* Layer.build(request.openStore(run)), AuditStore.AuditStore)
    yield* Ref.update(outcome, (now) => ({ ...now, isOpened: true }))
    const { firstKey, firstRoot, origin } = yield* store.head
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        const { exit, isInLedger, reason } = yield* Ref.get(outcome)
        const { note } = yield* bounded("closing the log", store.close({ reason, exit }))
        const { root, size } = yield* store.head
        yield* Ref.update(outcome, (now) => ({ ...now, entries: size, note }))
        const end = { origin, size, root, state: "closed" } as const
        if (isInLedger) yield* bounded("closing the run in the ledger", ledger.close(end))
        yield* Ref.update(outcome, (now) => ({ ...now, isConcluded: true }))
      }).pipe(Effect.catchAll((error) => Ref.update(outcome, RunOutcome.failed(error))))
    )
    yield* ledger.open({ origin, key: firstKey, root: firstRoot })
    yield* Ref.update(outcome, (now) => ({ ...now, isInLedger: true }))
    return store
  })

/** Tells the ledger the root from time to time, so that a killed run leaves more than its beginning there. */
const keepPointing = (store: AuditStore.AuditStore["Type"]) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger.Ledger
    yield* Effect.sleep(pointInterval)
    yield* store.checkpoint
    const { origin, root, signedSize } = yield* store.head
    yield* ledger.point({ origin, size: signedSize, root })
  }).pipe(Effect.forever)

/**
 * Runs and records. Completes when everything is released. Fails when the run could not be started, or could not be
 * recorded to its end and the request does not say `continue`.
 */
export const run = Effect.fn("Run.run")(function* (request: RunRequest) {
  const started = yield* Clock.currentTimeMillis
  const outcome = yield* Ref.make(RunOutcome.initial)
  const { id } = yield* Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* acquireDirectory(request, outcome)
      const store = yield* acquireLog(request, directory, outcome)
      const recorder = yield* GuestRecorder.acquire(request, directory, store)
      yield* GuestSession.run(request, store, recorder, keepPointing(store), outcome, (isolation) =>
        request.onRecording(directory, isolation, recorder.injection)
      )
      return directory
    })
  )
  const { entries, exit, failure, note, reason } = yield* Ref.get(outcome)
  if (failure !== undefined && request.onAuditFailure === "stop") {
    return yield* new RecordingFailed({ run: id, reason: failure })
  }
  const millis = (yield* Clock.currentTimeMillis) - started
  const summary: RunSummary = { run: id, reason, exit, entries, millis, checkpoint: note, unrecorded: failure }
  return summary
})
