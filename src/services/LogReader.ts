/**
 * A stored log as exports read it: by ranges, in one consistent view that a live writer does not disturb.
 *
 * The reader hands out what is stored and judges nothing. Leaf hashes are not part of it: whoever needs them computes
 * them from the leaf texts.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { StoreFailed } from "./AuditStore.ts"
import type { LedgerEvidence } from "./Ledger.ts"

/** A checkpoint with what was attached to it since it was signed. */
export interface ReadCheckpoint {
  readonly size: number
  /** The signed note as it was first stored (log lines only). */
  readonly note: string
  /** Cosignature lines without LF, in the order of their text. */
  readonly witnesses: ReadonlyArray<string>
  /** RFC 3161 responses, DER in base64. */
  readonly timestamps: ReadonlyArray<string>
}

/** A salt and value that an entry commits to. */
export interface ReadDisclosure {
  readonly seq: number
  /** RFC 8785 text of `[salt, value]`. */
  readonly body: string
}

/** What is stored is not a log that could be written in the format at all. `agent audit` names the bad entry. */
export class LogDamaged extends Data.TaggedError("LogDamaged")<{
  readonly path: string
  /** Where, if it is at an entry. */
  readonly seq: number | undefined
  /** What is wrong, such as "is missing". */
  readonly reason: string
}> {
  override get message(): string {
    const where = this.seq === undefined ? "the log" : `entry ${this.seq}`
    return `${this.path}: ${where} ${this.reason}; nothing was exported: audit the log to see what happened to it`
  }
}

export type LogReadError = StoreFailed | LogDamaged

export class LogReader extends Context.Tag("agentops/LogReader")<
  LogReader,
  {
    /** Names the log in messages. */
    readonly path: string
    /** Origin of the log, from its `log.open`. */
    readonly origin: string
    /** Entries in this view. */
    readonly size: number
    /** Leaf texts of the entries `from` (inclusive) to `to` (exclusive, at most `size`), none of them missing. */
    readonly leaves: (from: number, to: number) => Effect.Effect<ReadonlyArray<string>, LogReadError>
    /** Checkpoints with a size above `from` and up to `to`, by growing size. */
    readonly checkpoints: (from: number, to: number) => Effect.Effect<ReadonlyArray<ReadCheckpoint>, LogReadError>
    /** The checkpoint of the largest size. */
    readonly lastCheckpoint: Effect.Effect<Option.Option<ReadCheckpoint>, LogReadError>
    /** Disclosures of the entries `from` (inclusive) to `to` (exclusive), by growing seq. */
    readonly disclosures: (from: number, to: number) => Effect.Effect<ReadonlyArray<ReadDisclosure>, LogReadError>
    /** Evidence of the ledger that is stored with the log, in the ledger's order. */
    readonly ledger: Effect.Effect<ReadonlyArray<LedgerEvidence>, LogReadError>
  }
>() {}
