/**
 * A log in pieces that threads check on their own and the main thread joins in order: the protocol between them.
 *
 * A piece's result is plain data. It proves nothing by itself: every stretch is held against the verifier's own state
 * before it counts, and what is special comes along to be read in full.
 *
 * @module
 */
import type * as FastRange from "../domain/FastRange.ts"

/** What a thread found, in order. Offsets are bytes of the bundle, or numbers of entries of the database. */
export type Item =
  | { readonly _tag: "stretch"; readonly at: number; readonly stretch: FastRange.Stretch }
  /** Something that the verifier must read itself: a line of the bundle, without LF. */
  | { readonly _tag: "line"; readonly at: number; readonly text: string }

export interface Result {
  /** Where the first line of the piece begins; undefined when none begins in it. */
  readonly first: number | undefined
  readonly items: ReadonlyArray<Item>
  /** Behind the last item. */
  readonly end: number
  /** False when the thread met something at `end` that only the complete path can explain. */
  readonly isWhole: boolean
}

/** What a worker is told once. */
export type Job =
  | {
      readonly _tag: "bundle"
      readonly path: string
      /** Where the pieces begin: the beginning of a line. */
      readonly start: number
      readonly pieceBytes: number
      /** Longest line with its LF. */
      readonly maxLineBytes: number
      readonly claimedSizes: ReadonlyArray<number>
    }
  | {
      readonly _tag: "database"
      readonly path: string
      readonly start: number
      readonly end: number
      readonly pieceEntries: number
      readonly claimedSizes: ReadonlyArray<number>
    }

/** Checks the pieces of one job, one at a time. */
export interface Scanner {
  readonly scan: (index: number) => Result
  readonly close: () => void
}
