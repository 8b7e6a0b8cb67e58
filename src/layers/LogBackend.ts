/**
 * What a log needs from below: somewhere to store and somebody to sign. One for SQLite (two worker threads), one in
 * memory.
 *
 * Everything is called back in the order of the calls, on the event loop of the caller. After a failure nothing is
 * called back any more but `onFailure`.
 *
 * @module
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { AuditStore, StoredCheckpoint, StoreFailed } from "../services/AuditStore.ts"

/** Consecutive entries, and notes, that become durable in one transaction. Either may be missing. */
export interface Segment {
  /** `seq` of the first leaf. */
  readonly first: number
  readonly leaves: ReadonlyArray<string>
  /** Leaf hashes, 32 bytes each, in an ArrayBuffer of their own. */
  readonly hashes: Uint8Array
  readonly notes: ReadonlyArray<StoredCheckpoint>
  /** Whether somebody waits for one of its records. */
  readonly awaited: boolean
}

/** `rotate` and `close` drop the key after it signed. */
export type SignatureKind = "sign" | "rotate" | "close"

/** The signer's answer. */
export interface SignedHead {
  readonly size: number
  /** RFC 6962 root, base64. */
  readonly root: string
  readonly epoch: number
  /** What was signed. */
  readonly text: string
  /** The signed note. */
  readonly note: string
  /** vkey text for the `log.key` that ends the current epoch; undefined after `close`. */
  readonly nextKey: string | undefined
}

export interface LogBackend {
  /** Names the store in messages. */
  readonly path: string
  /** vkey texts of epoch 0 and epoch 1. */
  readonly firstKey: string
  readonly nextKey: string
  /** `stored` is called once the transaction is durable. */
  readonly write: (segment: Segment, stored: () => void) => void
  /** Appends leaf hashes to the signer's tree and signs the size that results. */
  readonly sign: (kind: SignatureKind, hashes: Uint8Array, signed: (head: SignedHead) => void) => void
  /** Completes when everything is put away; called once, at the end. */
  readonly finish: Effect.Effect<void, StoreFailed>
  readonly entries: AuditStore["Type"]["entries"]
  readonly checkpoints: Stream.Stream<StoredCheckpoint, StoreFailed>
}
