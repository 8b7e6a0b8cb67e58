/**
 * How a run went, gathered while it is released.
 *
 * @module
 */

/** Why the log was closed: the `reason` of log.close. */
export type Reason = "exit" | "signal" | "timeout" | "interrupted" | "not-started" | "audit-failure"

export interface RunOutcome {
  readonly reason: Reason
  /** Exit status as a shell shows it. */
  readonly exit: number
  /** Whether there is a log. */
  readonly isOpened: boolean
  /** Whether the ledger has the run's run.open. */
  readonly isInLedger: boolean
  /** Whether log and ledger are closed, so that nothing is left for recovery. */
  readonly isConcluded: boolean
  /** Size of the closed log. */
  readonly entries: number | undefined
  /** The final checkpoint. */
  readonly note: string | undefined
  /** The first thing that could not be recorded. */
  readonly failure: string | undefined
}

export const initial: RunOutcome = {
  reason: "not-started",
  exit: 125,
  isOpened: false,
  isInLedger: false,
  isConcluded: false,
  entries: undefined,
  note: undefined,
  failure: undefined
}

/** Keeps the first failure: later ones follow from it. */
export const failed =
  (error: { readonly message: string }) =>
  (outcome: RunOutcome): RunOutcome => ({ ...outcome, failure: outcome.failure ?? error.message })
