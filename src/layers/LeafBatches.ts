/**
 * Reads leaves of an audit database many at a time: one query joins them with line feeds, which costs a quarter of a row
 * each. Owned by one reader.
 *
 * @module
 */
import type Database from "./BetterSqlite.ts"
import * as Entry from "../domain/Entry.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"

const lineFeed = 0x0a
/** Rows of a batch, unless their leaves are long. */
const mostRows = 512
/** Rows of a batch that always fits. */
const fewRows = 32
const capacity = fewRows * (Entry.maxLeafBytes + 1) + 1

type BatchRow = readonly [count: number, first: number | null, last: number | null, leaves: Buffer | null]

/** Texts longer than a leaf may be, and values that are no text, are left out and missed by the count. */
const query = `SELECT count(*), min(seq), max(seq), CAST(group_concat(${EvidenceDatabase.boundedText(
  "leaf",
  Entry.maxLeafBytes
).replace(
  "CAST(leaf AS BLOB)",
  "leaf"
)}, char(10)) AS BLOB) FROM (SELECT seq, leaf FROM entries WHERE seq >= ? AND seq < ? ORDER BY seq)`

/** Leaves in the buffer, each with a line feed before and behind it; the first begins at index 1. */
export interface Batch {
  /** `seq` of the entry behind the last one. */
  readonly next: number
  /** Index behind the last line feed. */
  readonly end: number
}

export class LeafBatches {
  readonly buffer = Buffer.allocUnsafe(1 + capacity + 1)
  readonly #statement: Database.Statement<Array<unknown>, BatchRow>
  #rows = fewRows

  constructor(database: Database.Database) {
    this.#statement = EvidenceDatabase.rows<BatchRow>(database, query)
  }

  /**
   * Reads entries from `from` on, below `to`, into the buffer.
   *
   * @returns undefined when the rows are not exactly one leaf of plain text for each number
   */
  read(from: number, to: number): Batch | undefined {
    for (;;) {
      const next = Math.min(to, from + this.#rows)
      const row = this.#row(from, next)
      if (row === undefined) return undefined
      const [count, first, last, leaves] = row
      if (count !== next - from || first !== from || last !== next - 1 || leaves === null) return undefined
      if (leaves.length > capacity) {
        this.#rows = fewRows
        continue
      }
      if (this.#rows < mostRows && leaves.length * 2 < capacity) this.#rows *= 2
      const end = this.#place(leaves)
      // A line feed inside of a leaf would make two leaves of one row.
      return this.#count(end) === count ? { next, end } : undefined
    }
  }

  #row(from: number, to: number): BatchRow | undefined {
    try {
      return this.#statement.get(from, to)
    } catch (error) {
      if (EvidenceDatabase.isDamage(error)) return undefined // the complete path meets it at its place
      throw error
    }
  }

  #place(leaves: Buffer): number {
    const { buffer } = this
    buffer[0] = lineFeed
    leaves.copy(buffer, 1)
    buffer[leaves.length + 1] = lineFeed
    return leaves.length + 2
  }

  #count(end: number): number {
    let count = 0
    for (let at = this.buffer.indexOf(lineFeed, 1); at >= 0 && at < end; at = this.buffer.indexOf(lineFeed, at + 1)) {
      count++
    }
    return count
  }
}
