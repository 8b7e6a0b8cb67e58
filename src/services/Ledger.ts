/**
 * The log of the installation: which runs there were, and which roots their logs had (docs/format.md, sections 2 and 3).
 *
 * It is what witnesses see, and what shows that a run was deleted, cut off or forked. Every append is durable, and covered
 * by a stored checkpoint of the ledger's epoch key and of the host key, when it completes. Any number of processes append
 * to it at once.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { SignerError } from "./Signer.ts"

/** A log's root at a size. */
export interface RunRoot {
  /** `<ledger origin>/<run-id>`. */
  readonly origin: string
  /** Entries of the run's log. */
  readonly size: number
  /** RFC 6962 root at that size, 32 bytes in base64. */
  readonly root: string
}

/** How a run's log ended: `closed` by log.close, `aborted` by the host's log.abort. */
export type RunEnd = "closed" | "aborted"

/** An entry of the ledger that is durable and signed. */
export interface LedgerReceipt {
  /** 0-based index in the ledger. */
  readonly seq: number
  /** Size of the ledger that the note covers. */
  readonly size: number
  /** The ledger's checkpoint that was stored with the entry. */
  readonly note: string
}

/** The last that the ledger says of a run. `run.open` names size 1. */
export interface LedgerStatement extends RunRoot {
  readonly type: "run.open" | "run.point" | "run.close" | "run.purge"
  /** 0-based index in the ledger. */
  readonly seq: number
  /** `run.close` only. */
  readonly state: string | undefined
}

/** One `{"ledger":…,"proof":…}` record of a bundle (format section 5). */
export interface LedgerEvidence {
  /** The ledger's entry as it is stored. */
  readonly leaf: string
  /** C2SP tlog-proof of its inclusion in the ledger's latest checkpoint, with that checkpoint's cosignatures. */
  readonly proof: string
}

/** How far the ledger is. */
export interface LedgerHead {
  readonly origin: string
  /** Entries, all of them signed. */
  readonly size: number
  /** RFC 6962 root, base64. */
  readonly root: string
  /** Epoch that signs what comes next. */
  readonly epoch: number
  /** The latest checkpoint. */
  readonly note: string
}

/** Other processes hold the ledger for longer than one waits. Nothing was written; trying again is sound. */
export class LedgerBusy extends Data.TaggedError("LedgerBusy")<{
  readonly path: string
  readonly waitedMillis: number
}> {
  override get message(): string {
    const waited = `${Math.round(this.waitedMillis / 1000)} s`
    return `ledger ${this.path}: other processes have held it for ${waited}; look for one that hangs, then try again`
  }
}

/** What is wrong with the ledger, by what its user can do. */
export type LedgerFailureReason =
  | "disk-full"
  | "read-only"
  | "permission"
  | "not-a-database"
  | "other-schema"
  | "corrupt"
  | "missing"
  | "other-host"
  | "key-lost"
  | "io"

const startAnew = "to begin another ledger, move ledger.db away (keep it: it is evidence) and remove"

const advice: Record<LedgerFailureReason, string> = {
  "disk-full": "make room on that disk; what was recorded before is kept",
  "read-only": "the home must be writable",
  permission: "check the owner and the mode of the file and of its directory",
  "not-a-database": "this is not a ledger: put the right file back",
  "other-schema": "it was made by another version, or changed: see docs/format.md, section 4",
  corrupt: "nothing is signed on top of it: copy the file before anything else, and put a good copy back",
  missing: `put ledger.db back; ${startAnew} keys/ledger.key`,
  "other-host": `put the host key back that it belongs to; ${startAnew} keys/ledger.key`,
  "key-lost": `put keys/ledger.key back; ${startAnew} keys/ledger.key and keys/ledger.key.next`,
  io: "check the disk; what was recorded before is kept"
}

/** The ledger cannot be read or continued. Nothing of it was changed. */
export class LedgerFailed extends Data.TaggedError("LedgerFailed")<{
  readonly path: string
  readonly reason: LedgerFailureReason
  /** The words of what failed. */
  readonly detail: string
}> {
  override get message(): string {
    return `ledger ${this.path}: ${this.detail} (${this.reason}); ${advice[this.reason]}`
  }
}

/** The entry does not belong in this ledger; the ledger goes on. */
export class LedgerRefused extends Data.TaggedError("LedgerRefused")<{
  readonly origin: string
  readonly reason: string
}> {
  override get message(): string {
    return `the ledger refuses an entry about ${this.origin}: ${this.reason}`
  }
}

export type LedgerError = LedgerBusy | LedgerFailed

type Append = Effect.Effect<LedgerReceipt, LedgerError | LedgerRefused | SignerError>

/** What can be asked of a ledger. */
export interface LedgerReading {
  /** The last entry about a run. None without a ledger. */
  readonly latest: (origin: string) => Effect.Effect<Option.Option<LedgerStatement>, LedgerError>
  /**
   * All entries about a run with their proofs, in the ledger's order; empty without a ledger.
   *
   * @param options.upTo leaves out what names a larger size: an export of a run that goes on has fewer entries than the
   *   ledger may know of by now
   */
  readonly evidence: (
    origin: string,
    options?: { readonly upTo?: number | undefined }
  ) => Effect.Effect<ReadonlyArray<LedgerEvidence>, LedgerError>
  /** The latest note. None without a ledger. */
  readonly checkpoint: Effect.Effect<Option.Option<string>, LedgerError>
  /** None without a ledger. */
  readonly head: Effect.Effect<Option.Option<LedgerHead>, LedgerError>
}

/** The ledger for who only asks: needs no host key, and makes none. */
export class LedgerReader extends Context.Tag("agentops/LedgerReader")<LedgerReader, LedgerReading>() {}

export class Ledger extends Context.Tag("agentops/Ledger")<
  Ledger,
  LedgerReading & {
    /** Before a run's container starts: its origin, vkey text of epoch 0, and root at size 1 in base64. */
    readonly open: (run: { readonly origin: string; readonly key: string; readonly root: string }) => Append
    /** Every 60 s while a run is active. */
    readonly point: (run: RunRoot) => Append
    /**
     * After a run's last checkpoint; the ledger's epoch key is replaced with it. Said again of the same root it writes
     * nothing and answers with the entry that is there; another root or state is refused.
     */
    readonly close: (run: RunRoot & { readonly state: RunEnd }) => Append
    /** When a run's directory is deleted, by whom. */
    readonly purge: (run: RunRoot & { readonly by: string }) => Append
  }
>() {}
