/**
 * Feeds an audit database to its verifier, in one thread and in flat memory: what the fast path takes goes by as
 * stretches, every other row is read in full. Owned by one verification.
 *
 * @module
 */
import * as FastRange from "../domain/FastRange.ts"
import type * as MerkleTree from "../domain/MerkleTree.ts"
import type { Verifier } from "../domain/Verifier.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"
import type { RecordReader } from "./EvidenceRecords.ts"
import { LeafBatches } from "./LeafBatches.ts"

const lineFeed = 0x0a
const wholeLog: MerkleTree.CompactRange = { size: 0, peaks: [] }

/** Called between batches: a breath for the event loop, after which reading goes on unless it throws. */
export type Turn = (seq: number) => Promise<void>

export class DatabaseReader {
  readonly #verifier: Verifier
  readonly #records: RecordReader
  readonly #batches: LeafBatches
  readonly #range: FastRange.FastRange
  /** Whether the range stands where the verifier does, but for a stretch that was not flushed. */
  #inStep = false
  #stop = Number.POSITIVE_INFINITY

  constructor(verifier: Verifier, records: RecordReader, evidence: EvidenceDatabase.Evidence) {
    this.#verifier = verifier
    this.#records = records
    this.#batches = new LeafBatches(evidence.database)
    this.#range = new FastRange.FastRange(this.#batches.buffer)
  }

  /**
   * Reads entries from `from` on, below `to`.
   *
   * @param pauses whether to return as soon as entries may be skipped
   * @returns the first that was not read, because its row, or one soon behind it, is not a plain leaf
   */
  async read(from: number, to: number, pauses: boolean, turn: Turn): Promise<number> {
    const verifier = this.#verifier
    const isEnough = pauses ? () => verifier.isDecided || verifier.canSkip : () => verifier.isDecided
    let seq = from
    while (seq < to && !isEnough()) {
      const batch = this.#batches.read(seq, pauses ? Math.min(to, seq + 1) : to)
      if (batch === undefined) break
      this.#leaves(seq, batch.end)
      seq = batch.next
      await turn(seq)
    }
    this.#flush()
    return seq
  }

  #leaves(first: number, end: number): void {
    const { buffer } = this.#batches
    let at = 1
    let seq = first
    while (at < end && !this.#verifier.isDecided) {
      if (this.#follow()) {
        at = this.#range.takeLeaves(at, end, this.#stop)
        seq = this.#range.size
        if (seq === this.#stop) {
          this.#flush()
          this.#behind(seq - 1)
          continue
        }
        if (at >= end) return
      }
      const leafEnd = buffer.indexOf(lineFeed, at)
      this.#leaf(seq, buffer.subarray(at, leafEnd))
      seq++
      at = leafEnd + 1
    }
  }

  #leaf(seq: number, bytes: Uint8Array): void {
    const text = this.#inStep ? EvidenceDatabase.textOf(bytes) : undefined
    if (text === undefined || !this.#range.take(text)) {
      this.#flush()
      this.#records.feedEntry(this.#verifier, seq, bytes)
      this.#behind(seq)
    } else if (this.#range.size === this.#stop) {
      this.#flush()
      this.#behind(seq)
    }
  }

  /** Feeds what stands behind an entry; whether the range is still in step depends on it. */
  #behind(seq: number): void {
    this.#records.feedAfter(this.#verifier, seq)
    this.#inStep &&= this.#verifier.canSkip && this.#verifier.size === this.#range.size
    this.#stop = this.#nextStop()
  }

  #nextStop(): number {
    return Math.min(FastRange.nextStop(this.#verifier.claimedSizes, this.#verifier.size), this.#records.nextIndex + 1)
  }

  #follow(): boolean {
    if (!this.#inStep && this.#verifier.canSkip) {
      this.#range.resume(this.#verifier)
      this.#stop = this.#nextStop()
      this.#inStep = true
    }
    return this.#inStep
  }

  #flush(): void {
    const stretch = this.#range.flush()
    // It was taken in step with the verifier, so it fits.
    if (stretch !== undefined && !FastRange.join(this.#verifier, wholeLog, stretch)) {
      throw new Error(`entries from ${stretch.from} on do not join`)
    }
  }
}
