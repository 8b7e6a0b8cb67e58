/**
 * Whom this installation trusts: the policy file that `agent audit` uses when no other is named.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as TlogPolicy from "../domain/TlogPolicy.ts"
import type * as Vkey from "../domain/Vkey.ts"

/** The policy file cannot be read, understood or written. */
export class TrustError extends Data.TaggedError("TrustError")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `trust policy ${this.path}: ${this.reason}`
  }
}

export class TrustStore extends Context.Tag("agentops/TrustStore")<
  TrustStore,
  {
    /** Path of the policy file, which need not exist. */
    readonly path: string
    /** The policy; a file that is missing trusts nobody. */
    readonly policy: Effect.Effect<TlogPolicy.TlogPolicy, TrustError>
    /** Trusts a log's key from now on. False: it was trusted already. */
    readonly addLog: (key: Vkey.Vkey) => Effect.Effect<boolean, TrustError>
  }
>() {}
