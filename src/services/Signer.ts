/**
 * The installation's long-lived identity: the host key.
 *
 * It signs the first checkpoint of every log and what is recovered after a kill. Epoch keys are not its business: they
 * live in the memory of whoever signs a log's checkpoints, and nowhere else.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Vkey from "../domain/Vkey.ts"

/** The host key cannot be read, made or used. */
export class SignerError extends Data.TaggedError("SignerError")<{
  /** The key file, or what else names the key. */
  readonly path: string
  /** Completes "host key <path>: ". */
  readonly reason: string
  /** What the user can do. */
  readonly advice: string
}> {
  override get message(): string {
    return `host key ${this.path}: ${this.reason}; ${this.advice}`
  }
}

export class Signer extends Context.Tag("agentops/Signer")<
  Signer,
  {
    /** Public half; its name is the ledger origin. */
    readonly host: Vkey.Vkey
    /** `<domain>/<iid>`: origin of the installation's ledger and prefix of every run's origin (format section 1). */
    readonly ledgerOrigin: string
    /** The signature line, with its LF, of the host key over a note's text. */
    readonly signAsHost: (text: string) => Effect.Effect<string, SignerError>
  }
>() {}
