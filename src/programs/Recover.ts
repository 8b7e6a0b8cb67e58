/**
 * Puts away the runs of recorders that were killed: the host key closes their logs, the ledger learns how they ended, and
 * their metadata says so (docs/format.md, section 3, "recovery after a kill").
 *
 * Every `agent` command that meets runs does this first. Where nothing was killed it reads the metadata of the runs and
 * opens no database. A run is only touched under its lock, which its recorder holds as long as it lives, so that of two
 * commands at once one does the work, and the other takes the run for one that is held. A kill in the middle of this is
 * met by the next command: each step finds what is done already.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Base64 from "../domain/Base64.ts"
import type * as RunMetadata from "../domain/RunMetadata.ts"
import * as AuditRecovery from "../layers/AuditRecovery.ts"
import * as RunLogEnd from "../layers/RunLogEnd.ts"
import type { StoreFailureReason } from "../services/AuditStore.ts"
import { Ledger, type RunEnd } from "../services/Ledger.ts"
import { RunStorage, type StoredRun } from "../services/RunStorage.ts"
import { Signer } from "../services/Signer.ts"

/** A run that could not be put away, or only in part. Others are not affected. */
export class RecoveryProblem extends Data.TaggedError("RecoveryProblem")<{
  readonly run: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.run} could not be recovered: ${this.reason}`
  }
}

/** What became of a run whose recorder is gone. */
export type Outcome =
  /** log.abort was written, or had been by a recovery that was killed itself. */
  | { readonly _tag: "Aborted"; readonly run: string }
  /** The log was closed; only what comes after that was missing. */
  | { readonly _tag: "Closed"; readonly run: string }
  /** The recorder was killed before its first entry. */
  | { readonly _tag: "Unrecorded"; readonly run: string }
  | RecoveryProblem

/** Reasons that a look at the same file later will not change. */
const isFinal = (reason: StoreFailureReason): boolean =>
  reason === "corrupt" || reason === "not-a-database" || reason === "other-schema"

interface Ended {
  readonly state: RunMetadata.State
  readonly ended: string
  readonly entries?: number
}

/** A log that nobody can close: `failed` in the list, and an audit tells what is wrong with it. */
const giveUp = (run: StoredRun, reason: string) =>
  Effect.fail({ problem: new RecoveryProblem({ run: run.id, reason }), isFinal: true })

/** Anything that a later command may get over. */
const later = (run: StoredRun) => (error: { readonly message: string }) => ({
  problem: new RecoveryProblem({ run: run.id, reason: error.message }),
  isFinal: false
})

/** Ends the log, then tells the ledger. */
const closeLog = (run: StoredRun) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const signer = yield* Signer
    const recovery = yield* AuditRecovery.recover(run.auditDb, signer, "killed").pipe(
      Effect.catchTag("SignerError", (error) => Effect.fail(later(run)(error)))
    )
    if (recovery._tag === "Empty") return "blank" as const
    if (recovery._tag === "Refused") return yield* giveUp(run, `${recovery.reason}; see: agent audit ${run.id}`)
    const { checkpoint, ts } = yield* RunLogEnd.read(run.auditDb)
    const { origin, root, size } = checkpoint
    if (origin !== `${signer.ledgerOrigin}/${run.id}`) {
      return yield* giveUp(run, `its log is of ${origin}; see: agent audit ${run.id}`)
    }
    const state: RunEnd = recovery._tag === "Ended" && recovery.by === "log.close" ? "closed" : "aborted"
    const latest = Option.getOrUndefined(yield* Effect.mapError(ledger.latest(origin), later(run)))
    if (latest?.type !== "run.purge") {
      yield* ledger.close({ origin, size, root: Base64.encode(root), state }).pipe(
        Effect.catchTag("LedgerRefused", (error) => giveUp(run, error.message)),
        Effect.catchTags({
          LedgerBusy: (error) => Effect.fail(later(run)(error)),
          LedgerFailed: (error) => Effect.fail(later(run)(error)),
          SignerError: (error) => Effect.fail(later(run)(error))
        })
      )
    }
    return { state, ended: ts, entries: size }
  })

/** Under the run's lock. */
const putAway = (run: StoredRun, about: RunMetadata.RunMetadata) =>
  Effect.gen(function* () {
    const storage = yield* RunStorage
    const now = new Date(yield* Clock.currentTimeMillis).toISOString()
    const update = ({ ended, entries, state }: Ended) =>
      Effect.mapError(
        storage.update(run.id, { ...about, state, ended, ...(entries === undefined ? {} : { entries }) }),
        later(run)
      )
    const attempt = Effect.gen(function* () {
      const end = (yield* RunLogEnd.isBlank(run.auditDb, { readonly: false })) ? "blank" : yield* closeLog(run)
      if (end === "blank") {
        yield* update({ state: "failed", ended: now })
        return { _tag: "Unrecorded", run: run.id } satisfies Outcome
      }
      yield* update(end)
      return { _tag: end.state === "closed" ? "Closed" : "Aborted", run: run.id } satisfies Outcome
    })
    return yield* attempt.pipe(
      Effect.catchTag("StoreFailed", (error) =>
        Effect.fail({
          problem: new RecoveryProblem({ run: run.id, reason: error.message }),
          isFinal: isFinal(error.reason)
        })
      ),
      Effect.tapError(({ isFinal }) =>
        isFinal ? Effect.ignore(update({ state: "failed", ended: now })) : Effect.void
      ),
      Effect.mapError(({ problem }) => problem)
    )
  })

/** None when the run's recorder lives, or somebody else has put the run away meanwhile. */
const recover = (run: StoredRun) =>
  Effect.scoped(
    Effect.gen(function* () {
      const storage = yield* RunStorage
      const problem = (error: { readonly message: string }) =>
        new RecoveryProblem({ run: run.id, reason: error.message })
      if (!(yield* Effect.mapError(storage.takeOver(run), problem))) return Option.none<Outcome>()
      // What was read before the lock was taken may be old.
      const { about } = yield* Effect.mapError(storage.find(run.id), problem)
      if (about?.state !== "running") return Option.none<Outcome>()
      return Option.some<Outcome>(yield* putAway(run, about))
    })
  ).pipe(
    Effect.catchAll((problem) => Effect.succeedSome<Outcome>(problem)),
    Effect.catchAllDefect((defect) =>
      Effect.succeedSome<Outcome>(new RecoveryProblem({ run: run.id, reason: String(defect) }))
    )
  )

/** Puts all such runs away, one after the other, and says what became of each. */
export const killed = Effect.fn("Recover.killed")(function* () {
  const storage = yield* RunStorage
  const runs = yield* storage.list
  const outcomes: Array<Outcome> = []
  for (const run of runs) {
    if (run.about?.state !== "running") continue
    const outcome = yield* recover(run)
    if (Option.isSome(outcome)) outcomes.push(outcome.value)
  }
  return outcomes
})

/** An outcome in one line; undefined for what nobody has to know. */
export const describe = (outcome: Outcome): string | undefined => {
  switch (outcome._tag) {
    case "Aborted":
      return `${outcome.run} was killed: its log is closed by the host key now, and will audit as INCOMPLETE`
    case "Unrecorded":
      return `${outcome.run} was killed before anything was recorded`
    case "Closed":
      return undefined
    default:
      return outcome.message.replaceAll(/\s+/g, " ")
  }
}

/** `killed` in lines to tell the user. A home that cannot be read is not this program's to report. */
export const all: Effect.Effect<ReadonlyArray<string>, never, RunStorage | Ledger | Signer> = killed().pipe(
  Effect.map((outcomes) => outcomes.flatMap((outcome) => describe(outcome) ?? [])),
  Effect.orElseSucceed(() => [])
)
