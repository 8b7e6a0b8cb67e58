/**
 * Signals that agentops itself receives.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { constants } from "node:os"

/** Signals that ask a process to end. */
export const ending = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const

/** A signal came and nobody had claimed it. */
export class Interrupted extends Data.TaggedError("Interrupted")<{ readonly signal: NodeJS.Signals }> {
  /** As a shell shows it. */
  get exitStatus(): number {
    return 128 + constants.signals[this.signal]
  }
  override get message() {
    return `stopped by ${this.signal}`
  }
}

export class HostSignals extends Context.Tag("agentops/HostSignals")<
  HostSignals,
  {
    /** Receives the signals of `ending` until the scope closes, instead of being ended by them. */
    readonly claim: Effect.Effect<Queue.Dequeue<NodeJS.Signals>, never, Scope.Scope>
    /** Fails at the first signal that nobody claims. */
    readonly unclaimed: Effect.Effect<never, Interrupted>
  }
>() {}
