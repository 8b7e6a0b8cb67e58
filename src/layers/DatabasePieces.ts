/**
 * Checks pieces of an audit database away from its verifier, through a connection of its own.
 *
 * @module
 */
import type Database from "./BetterSqlite.ts"
import * as FastRange from "../domain/FastRange.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"
import { LeafBatches } from "./LeafBatches.ts"
import type * as Piece from "./Piece.ts"

const lineFeed = 0x0a

/** Sizes at which a checkpoint or a disclosure stands, in the two bounds, growing. */
const markQuery = `SELECT size FROM checkpoints WHERE size > ? AND size <= ?
  UNION SELECT seq + 1 FROM disclosures WHERE seq >= ? AND seq < ? ORDER BY 1`

export class DatabasePieces implements Piece.Scanner {
  readonly #job: Extract<Piece.Job, { _tag: "database" }>
  readonly #database: Database.Database
  readonly #batches: LeafBatches
  readonly #range: FastRange.FastRange
  readonly #marks: Database.Statement<Array<unknown>, readonly [number]>
  #items: Array<Piece.Item> = []
  /** Entry that the next item begins with. */
  #since = 0

  constructor(job: Extract<Piece.Job, { _tag: "database" }>) {
    this.#job = job
    this.#database = EvidenceDatabase.connect({ path: job.path, readonly: true })
    this.#batches = new LeafBatches(this.#database)
    this.#range = new FastRange.FastRange(this.#batches.buffer)
    this.#marks = EvidenceDatabase.rows<[number]>(this.#database, markQuery)
  }

  close(): void {
    this.#database.close()
  }

  scan(index: number): Piece.Result {
    const { claimedSizes, end, pieceEntries, start } = this.#job
    const from = start + index * pieceEntries
    const to = Math.min(end, from + pieceEntries)
    this.#items = []
    this.#since = from
    this.#range.begin(from)
    const claimed = claimedSizes.filter((size) => size > from && size <= to)
    const marks = [...this.#marks.all(from, to, from, to).map(([size]) => size), ...claimed].toSorted((a, b) => a - b)
    let seq = from
    while (seq < to) {
      const batch = this.#batches.read(seq, to)
      if (batch === undefined || !this.#leaves(batch.end, marks)) break
      seq = batch.next
    }
    this.#flush()
    return { first: from, items: this.#items, end: this.#since, isWhole: this.#since === to }
  }

  #leaves(end: number, marks: Array<number>): boolean {
    const { buffer } = this.#batches
    let at = 1
    while (at < end) {
      while (marks[0] !== undefined && marks[0] <= this.#range.size) marks.shift()
      const stop = marks[0] ?? Number.POSITIVE_INFINITY
      at = this.#range.takeLeaves(at, end, stop)
      if (this.#range.size === stop) this.#flush()
      else if (at < end) {
        const leafEnd = buffer.indexOf(lineFeed, at)
        if (!this.#leaf(buffer.subarray(at, leafEnd), stop)) return false
        at = leafEnd + 1
      }
    }
    return true
  }

  #leaf(bytes: Uint8Array, stop: number): boolean {
    const text = EvidenceDatabase.textOf(bytes)
    if (text === undefined) return false
    if (this.#range.take(text)) {
      if (this.#range.size === stop) this.#flush()
      return true
    }
    this.#flush()
    const at = this.#range.size
    if (!this.#range.follow(text)) return false
    this.#items.push({ _tag: "line", at, text })
    this.#since = at + 1
    return true
  }

  #flush(): void {
    const stretch = this.#range.flush()
    if (stretch === undefined) return
    this.#items.push({ _tag: "stretch", at: stretch.from, stretch })
    this.#since = stretch.from + stretch.count
  }
}
