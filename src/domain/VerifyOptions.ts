/**
 * What a reader brings to a verification. Trust comes from here and never from the log.
 *
 * @module
 */
import type * as Evidence from "./Evidence.ts"
import * as TlogPolicy from "./TlogPolicy.ts"

export interface VerifyOptions {
  /** Logs (host keys) and witnesses that the reader trusts. */
  readonly policy: TlogPolicy.TlogPolicy
  /** Checkpoints that the reader kept. */
  readonly known: ReadonlyArray<Evidence.KnownNote>
  /** Run id that the log must be of. */
  readonly run: string | undefined
  /** PEM certificates of time-stamping authorities that the reader trusts. */
  readonly tsaAnchors: ReadonlyArray<string>
}

/** Trusts nobody: the best verdict is KEY UNKNOWN. */
export const nothing: VerifyOptions = { policy: TlogPolicy.none, known: [], run: undefined, tsaAnchors: [] }
