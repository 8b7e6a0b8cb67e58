/**
 * The tamper-evident log of one run: a single writer that orders, hashes, stores and signs records.
 *
 * Every record is durable before its checkpoint is signed, and every checkpoint is stored before anybody sees it. The
 * caller chooses how long to wait: `append` for order only, `commit` for durability, `seal` for durability and a
 * signature (what a gated effect needs before it is released).
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type * as Jcs from "../domain/Jcs.ts"
import type * as RecordData from "../domain/RecordData.ts"

/** What a caller wants recorded. The store adds `seq`, `prev` and `ts`. */
export interface AuditRecord {
  /** `[a-z][a-z0-9_.-]{0,63}`; `log.*` and `run.*` only with source `recorder`. */
  readonly type: string
  /** `[a-z][a-z0-9_-]{0,31}`, set from the channel that the record came from, never from what the record says. */
  readonly source: string
  /** Obeys format section 2; `RecordData.fit` makes any JSON value obey. */
  readonly data: Jcs.JsonObject
  /** The canonical text of `data`, from whom already has it: `data` is not looked at then. */
  readonly canonical?: RecordData.Canonical | undefined
}

/** Where a durable record stands. */
export interface Receipt {
  /** 0-based index of the entry. */
  readonly seq: number
  /** Leaf hash, 64 lower-case hex digits. */
  readonly hash: string
}

/** A durable record that a stored checkpoint covers. */
export interface SealedReceipt extends Receipt {
  /** The first stored checkpoint with a size above `seq`. */
  readonly note: string
}

/** A stored checkpoint. */
export interface StoredCheckpoint {
  readonly size: number
  readonly epoch: number
  /** The signed note as it was first stored (log lines only). */
  readonly note: string
}

/** How far the log is. */
export interface Head {
  readonly origin: string
  /** vkey text of epoch 0, which the host key vouches for in the size-1 checkpoint. */
  readonly firstKey: string
  /** Durable entries. */
  readonly size: number
  /** Leaf hash of the last durable entry, lower-case hex. */
  readonly hash: string
  /** Epoch that signs what comes next. */
  readonly epoch: number
  /** Size of the latest stored checkpoint; entries from here on are not signed yet. */
  readonly signedSize: number
  /** RFC 6962 root at `signedSize`, base64. */
  readonly root: string
  /** The latest stored checkpoint. */
  readonly note: string
  /** The checkpoint of size 1, signed by epoch 0 and by the host key. */
  readonly firstNote: string
  /** RFC 6962 root at size 1, base64. */
  readonly firstRoot: string
  /** Stored checkpoints. */
  readonly checkpoints: number
  /** `log.close` is stored: nothing follows. */
  readonly closed: boolean
}

/** What `log.close` says. */
export interface Closing {
  /** Why the log ends, such as `exit`, `signal` or `timeout`. */
  readonly reason: string
  /** Exit status of what was recorded, 0 to 255. */
  readonly exit: number
}

/** The record breaks the format and was not accepted; the log goes on. */
export class RecordRejected extends Data.TaggedError("RecordRejected")<{
  /** The member at fault, such as `data.ms`. */
  readonly member: string
  readonly reason: string
}> {
  override get message(): string {
    return `record refused: ${this.member}: ${this.reason}`
  }
}

/** What is wrong with a store, by what its user can do. */
export type StoreFailureReason =
  | "missing"
  | "exists"
  | "disk-full"
  | "read-only"
  | "locked"
  | "permission"
  | "not-a-database"
  | "other-schema"
  | "corrupt"
  | "io"
  | "crashed"

const advice: Record<StoreFailureReason, string> = {
  missing: "check the path",
  exists: "a log is never continued: choose another path",
  "disk-full": "make room on that disk; what was recorded before is kept",
  "read-only": "choose a place that can be written",
  locked: "another process holds the database: wait for it or stop it",
  permission: "check the owner and the mode of the file and of its directory",
  "not-a-database": "this is not an audit database",
  "other-schema": "it was made by another version, or changed: see docs/format.md, section 4",
  corrupt: "keep the file as it is and copy it before anything else; the disk or the file system may be failing",
  io: "check the disk; what was recorded before is kept",
  crashed: "what was recorded before is kept; please report this"
}

/** The store cannot go on. Final: every waiting call and every later one gets it. What was committed stays. */
export class StoreFailed extends Data.TaggedError("StoreFailed")<{
  readonly path: string
  readonly reason: StoreFailureReason
  /** The words of what failed, such as SQLite's message. */
  readonly detail: string
}> {
  override get message(): string {
    return `audit store ${this.path}: ${this.detail} (${this.reason}); ${advice[this.reason]}`
  }
}

/** `log.close` was asked for, or the scope of the store is closed: nothing is accepted any more. */
export class StoreClosed extends Data.TaggedError("StoreClosed")<{ readonly path: string }> {
  override get message(): string {
    return `audit store ${this.path} is closed`
  }
}

export type AuditStoreError = StoreFailed | StoreClosed

export class AuditStore extends Context.Tag("agentops/AuditStore")<
  AuditStore,
  {
    /** Completes when the record has its place in the order. Waits while the mailbox is full. */
    readonly append: (record: AuditRecord) => Effect.Effect<void, RecordRejected | AuditStoreError>
    /** As `append`; a bad record means that none is accepted. */
    readonly appendAll: (records: ReadonlyArray<AuditRecord>) => Effect.Effect<void, RecordRejected | AuditStoreError>
    /** Completes when the record is durable. */
    readonly commit: (record: AuditRecord) => Effect.Effect<Receipt, RecordRejected | AuditStoreError>
    /** Completes when the record is durable and a stored checkpoint covers it. For gated effects. */
    readonly seal: (record: AuditRecord) => Effect.Effect<SealedReceipt, RecordRejected | AuditStoreError>
    /** Signs everything accepted so far; completes with the stored note. After `close` it is the final note. */
    readonly checkpoint: Effect.Effect<StoredCheckpoint, AuditStoreError>
    /** Closes the epoch now; completes with the closing note of the old epoch. */
    readonly rotate: Effect.Effect<StoredCheckpoint, AuditStoreError>
    /** Writes `log.close` as the last entry; completes with the final note. Called again, it has the same answer. */
    readonly close: (closing: Closing) => Effect.Effect<StoredCheckpoint, StoreFailed | StoreClosed>
    readonly head: Effect.Effect<Head>
    /** Waits for the failure of the store; a run races it. */
    readonly failed: Effect.Effect<never, StoreFailed>
    /**
     * For plain Node callbacks. True: all records are accepted. False: none is; pause the source and offer them again
     * from `onDrain`. After a failure or a close it stays false.
     *
     * @throws RecordRejected for a record that breaks the format; none of the records is accepted then
     */
    readonly offer: (records: ReadonlyArray<AuditRecord>) => boolean
    /** Calls back each time that there is room again after `offer` said false; returns the unsubscription. */
    readonly onDrain: (callback: () => void) => () => void
    /** Leaf texts of the durable entries `from` (inclusive, default 0) to `to` (exclusive, default all), in order. */
    readonly entries: (range?: { readonly from?: number; readonly to?: number }) => Stream.Stream<string, StoreFailed>
    /** Stored checkpoints by growing size. */
    readonly checkpoints: Stream.Stream<StoredCheckpoint, StoreFailed>
  }
>() {}
