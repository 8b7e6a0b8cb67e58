/**
 * Checks pieces of a bundle file away from its verifier. The lines of a piece are those that begin in it.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as Entry from "../domain/Entry.ts"
import * as FastRange from "../domain/FastRange.ts"
import type * as Piece from "./Piece.ts"

const lineFeed = 0x0a
/** Read beyond a piece at first, so that its last line is mostly there. */
const overlapBytes = 16 * 1024

export class BundlePieces implements Piece.Scanner {
  readonly #file: number
  readonly #start: number
  readonly #pieceBytes: number
  readonly #maxLineBytes: number
  readonly #claimedSizes: ReadonlyArray<number>
  readonly #buffer: Buffer
  readonly #range: FastRange.FastRange
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  /** Offset of the buffer's first byte in the file, and how much of it holds bytes of the file. */
  #first = 0
  #filled = 0
  #items: Array<Piece.Item> = []
  /** Whether the range has begun with an entry of this piece. */
  #begun = false
  /** Index of the first line that is in no item yet. */
  #since = 0
  #stop = Number.POSITIVE_INFINITY

  constructor(job: Extract<Piece.Job, { _tag: "bundle" }>) {
    this.#file = Fs.openSync(job.path, "r")
    this.#start = job.start
    this.#pieceBytes = job.pieceBytes
    this.#maxLineBytes = job.maxLineBytes
    this.#claimedSizes = job.claimedSizes
    this.#buffer = Buffer.allocUnsafe(1 + job.pieceBytes + Math.max(overlapBytes, this.#maxLineBytes) + 1)
    this.#range = new FastRange.FastRange(this.#buffer)
  }

  close(): void {
    Fs.closeSync(this.#file)
  }

  scan(index: number): Piece.Result {
    const from = this.#start + index * this.#pieceBytes
    this.#items = []
    this.#begun = false
    // The byte before tells whether a line begins with the piece.
    this.#first = from - 1
    this.#filled = 0
    this.#fill(1 + this.#pieceBytes + overlapBytes)
    const limit = Math.min(1 + this.#pieceBytes, this.#filled)
    const before = index === 0 ? 0 : this.#buffer.indexOf(lineFeed)
    if (before + 1 >= limit) return { first: undefined, items: [], end: from, isWhole: true }
    this.#since = before + 1
    const at = this.#lines(this.#since, limit)
    this.#flush(at)
    const end = this.#first + at
    return { first: from + before, items: this.#items, end, isWhole: at >= limit }
  }

  /** Reads until the buffer holds `bytes`, or the file ends. A line feed stands behind them. */
  #fill(bytes: number): void {
    while (this.#filled < bytes) {
      const read = Fs.readSync(this.#file, this.#buffer, this.#filled, bytes - this.#filled, this.#first + this.#filled)
      if (read === 0) break
      this.#filled += read
    }
    this.#buffer[this.#filled] = lineFeed
  }

  /** Reads lines from `from` on that begin before `limit`; returns where the first begins that was not read. */
  #lines(from: number, limit: number): number {
    let at = from
    while (at < limit) {
      if (this.#begun) {
        at = this.#takeLines(at, limit)
        if (at >= limit) break
      }
      const lineEnd = this.#lineEnd(at)
      if (lineEnd === undefined || !this.#line(at, lineEnd)) break
      at = lineEnd + 1
    }
    return Math.min(at, this.#filled)
  }

  /** Takes ordinary entries that begin before `limit`. */
  #takeLines(from: number, limit: number): number {
    let at = from
    for (;;) {
      at = this.#range.takeLines(at, limit, this.#filled, this.#stop)
      if (this.#range.size !== this.#stop) return at
      this.#flush(at)
      this.#stop = FastRange.nextStop(this.#claimedSizes, this.#range.size)
    }
  }

  /** Index of the line feed that ends the line, or of the end of the file; undefined when the line is too long. */
  #lineEnd(at: number): number | undefined {
    let end = this.#buffer.indexOf(lineFeed, at)
    if (end >= this.#filled) {
      this.#fill(Math.min(this.#buffer.length - 1, at + this.#maxLineBytes))
      end = this.#buffer.indexOf(lineFeed, at)
    }
    return end - at >= this.#maxLineBytes ? undefined : end
  }

  #line(from: number, to: number): boolean {
    let text: string
    try {
      text = this.#decoder.decode(this.#buffer.subarray(from, to))
    } catch {
      return false
    }
    const leaf = FastRange.leafOfLine(text)
    if (leaf !== undefined) {
      if (!this.#begun && !this.#begin(leaf)) return false
      if (this.#range.take(leaf)) return true
    }
    this.#flush(from)
    if (leaf !== undefined && !this.#range.follow(leaf)) return false
    this.#items.push({ _tag: "line", at: this.#first + from, text })
    this.#since = to + 1
    return true
  }

  #begin(leaf: string): boolean {
    const entry = Entry.decode(leaf)
    if (Either.isLeft(entry)) return false
    this.#range.begin(entry.right.seq)
    this.#stop = FastRange.nextStop(this.#claimedSizes, entry.right.seq)
    this.#begun = true
    return true
  }

  /** Ends the stretch in front of the line at `end`. */
  #flush(end: number): void {
    const stretch = this.#begun ? this.#range.flush() : undefined
    if (stretch !== undefined) this.#items.push({ _tag: "stretch", at: this.#first + this.#since, stretch })
    this.#since = end
  }
}
