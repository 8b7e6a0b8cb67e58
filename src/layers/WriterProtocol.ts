/**
 * Messages between the store and its two worker threads. Both sides are built together, so that the types are the whole
 * protocol; nothing here crosses a process.
 *
 * @module
 */
import type { StoredCheckpoint } from "../services/AuditStore.ts"
import type { SignatureKind, SignedHead } from "./LogBackend.ts"

/** What the writer starts with. */
export interface WriterInput {
  readonly path: string
  /** Memory of the `SharedSlot`, on which the writer also sleeps. */
  readonly slot: SharedArrayBuffer
}

export type WriterMessage =
  | {
      readonly _tag: "Segment"
      readonly first: number
      readonly count: number
      /** The leaves joined by LF, which no leaf holds: one string is copied between threads faster than many. */
      readonly text: string
      readonly hashes: Uint8Array
      readonly notes: ReadonlyArray<StoredCheckpoint>
      /** Whether somebody waits for one of its records. */
      readonly awaited: boolean
    }
  | { readonly _tag: "Finish" }

/** In the order of the messages. `Failed` is the last one. */
export type WriterReply =
  | { readonly _tag: "Ready" }
  /** The next so many segments are durable: one transaction. None: the answer is in the slot. */
  | { readonly _tag: "Stored"; readonly segments: number }
  | { readonly _tag: "Finished" }
  | { readonly _tag: "Failed"; readonly code: string; readonly message: string }

/** What the signer starts with. */
export interface SignerInput {
  readonly origin: string
}

export interface SignerMessage {
  readonly kind: SignatureKind
  readonly hashes: Uint8Array
}

export type SignerReply =
  | { readonly _tag: "Keys"; readonly firstKey: string; readonly nextKey: string }
  | { readonly _tag: "Signed"; readonly head: SignedHead }
