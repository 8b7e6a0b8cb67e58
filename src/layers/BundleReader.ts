/**
 * Feeds a bundle file to its verifier, in one thread and in flat memory: what the fast path takes goes by as stretches,
 * every other line is read in full. Owned by one verification.
 *
 * @module
 */
import { readSync } from "node:fs"
import * as Bundle from "../domain/Bundle.ts"
import type { BundleVerifier } from "../domain/BundleVerifier.ts"
import * as FastRange from "../domain/FastRange.ts"
import type * as MerkleTree from "../domain/MerkleTree.ts"
import type { Verifier } from "../domain/Verifier.ts"
import * as VerifyIo from "./VerifyIo.ts"

const lineFeed = 0x0a
const wholeLog: MerkleTree.CompactRange = { size: 0, peaks: [] }

export class BundleReader {
  readonly #verifier: BundleVerifier
  /** One chunk behind the beginning of a line, and a line feed behind both. */
  readonly #buffer = Buffer.allocUnsafe(Bundle.maxLineBytes + VerifyIo.chunkBytes + 1)
  readonly #range = new FastRange.FastRange(this.#buffer)
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  /** Whether the range stands where the verifier does, but for a stretch that was not flushed. */
  #inStep = false
  #stop = Number.POSITIVE_INFINITY
  #refused = false

  constructor(verifier: BundleVerifier) {
    this.#verifier = verifier
  }

  /** Whether nothing that follows in the file matters. */
  get isDone(): boolean {
    return this.#refused || this.#verifier.isDecided
  }

  /**
   * Reads from `offset` on, which is the beginning of a line; null reads on from where the file stands.
   *
   * @param pauses whether to return as soon as entries may be skipped
   * @returns offset of the first line that was not read
   */
  async read(
    file: VerifyIo.EvidenceFile,
    offset: number | null,
    pauses: boolean,
    signal: AbortSignal,
    onProgress: (offset: number) => void
  ): Promise<number> {
    const buffer = this.#buffer
    let first = offset ?? 0
    let filled = 0
    for (;;) {
      signal.throwIfAborted()
      // Chunks are read in turn: memory stays flat.
      const bytesRead = await this.#read(file, filled, offset === null ? null : first + filled)
      filled += bytesRead
      buffer[filled] = lineFeed
      const at = bytesRead === 0 ? this.#lastLine(filled) : this.#lines(filled, pauses)
      if (this.isDone || bytesRead === 0 || (pauses && this.#verifier.canSkip)) return first + at
      if (filled - at >= Bundle.maxLineBytes) {
        this.#refuse(VerifyIo.lineTooLong)
        return first + at
      }
      buffer.copyWithin(0, at, filled)
      first += at
      filled -= at
      onProgress(first)
      if (this.#verifier.wantsToSettle) await this.#verifier.settle()
    }
  }

  /** A file is read at once: the way through a pool of threads costs as much again. A pipe may have to be waited for. */
  async #read(file: VerifyIo.EvidenceFile, at: number, position: number | null): Promise<number> {
    if (position === null) return (await file.read(this.#buffer, at, VerifyIo.chunkBytes, null)).bytesRead
    await VerifyIo.turn()
    return readSync(file.fd, this.#buffer, at, VerifyIo.chunkBytes, position)
  }

  /** Reads the whole lines before `end`; returns the index of the one that is not whole. */
  #lines(end: number, pauses: boolean): number {
    const buffer = this.#buffer
    let at = 0
    const isEnough = pauses ? () => this.isDone || this.#verifier.canSkip : () => this.isDone
    while (at < end && !isEnough()) {
      const full = this.#follow()
      if (full !== undefined) {
        at = this.#range.takeLines(at, end, end, this.#stop)
        if (this.#range.size === this.#stop) {
          this.#flush()
          this.#stop = FastRange.nextStop(full.claimedSizes, full.size)
          continue
        }
      }
      const lineEnd = buffer.indexOf(lineFeed, at)
      if (lineEnd >= end) break
      if (lineEnd - at >= Bundle.maxLineBytes) this.#refuse(VerifyIo.lineTooLong)
      else this.#line(at, lineEnd)
      at = lineEnd + 1
    }
    if (this.isDone) this.#flush()
    return at
  }

  #lastLine(end: number): number {
    if (end > 0) this.#line(0, end)
    this.#flush()
    return end
  }

  /** The verifier of entries when they may be skipped, with the range in step. */
  #follow(): Verifier | undefined {
    const full = this.#verifier.full
    if (full === undefined || (!this.#inStep && !this.#verifier.canSkip)) return undefined
    if (!this.#inStep) {
      this.#range.resume(full)
      this.#stop = FastRange.nextStop(full.claimedSizes, full.size)
      this.#inStep = true
    }
    return full
  }

  #line(from: number, to: number): void {
    let text: string
    try {
      text = this.#decoder.decode(this.#buffer.subarray(from, to))
    } catch {
      return this.#refuse(VerifyIo.notUtf8)
    }
    const leaf = this.#inStep ? FastRange.leafOfLine(text) : undefined
    if (leaf !== undefined && this.#range.take(leaf)) return
    this.#flush()
    this.#verifier.line(text)
    this.#inStep &&= this.#verifier.canSkip && this.#verifier.full?.size === this.#range.size
  }

  #refuse(why: string): void {
    this.#flush()
    this.#refused = true
    this.#verifier.refuse(why)
  }

  #flush(): void {
    const stretch = this.#range.flush()
    const full = this.#verifier.full
    if (stretch === undefined || full === undefined) return
    // It was taken in step with the verifier, so it fits.
    if (!FastRange.join(full, wholeLog, stretch)) throw new Error(`entries from ${stretch.from} on do not join`)
    this.#verifier.countSkipped(stretch.count)
  }
}
