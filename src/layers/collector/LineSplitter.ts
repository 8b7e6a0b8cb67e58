/**
 * Bytes of one connection into lines: whole lines are handed on as they lie in what was read, many at once; only a line
 * that spans two reads is copied. A line that is too long is given up, once, and the next one is a line again.
 *
 * @module
 */

const lf = 10

/** Smallest memory that an unfinished line gets, in bytes. */
const leastCapacity = 256

export interface Lines {
  /** One or more whole lines, each with its LF; at most `maxLineBytes` are one line. Good until this returns. */
  readonly onLines: (bytes: Buffer) => void
  /** A line is given up before its LF was seen. @param head how it begins */
  readonly onCut: (head: Buffer) => void
}

/** Mutable. */
export class LineSplitter {
  readonly #maxLineBytes: number
  readonly #lines: Lines
  #carry: Buffer | undefined
  #length = 0
  #skipping = false

  /** @param maxLineBytes longest line, with its LF */
  constructor(maxLineBytes: number, lines: Lines) {
    this.#maxLineBytes = maxLineBytes
    this.#lines = lines
  }

  /** Bytes of memory that the unfinished line takes. */
  get held(): number {
    return this.#carry?.length ?? 0
  }

  /** The unfinished line; empty when there is none, or when it was given up. */
  get unfinished(): Buffer {
    return this.#carry?.subarray(0, this.#length) ?? Buffer.alloc(0)
  }

  push(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; from += this.#maxLineBytes) {
      this.#push(bytes.subarray(from, from + this.#maxLineBytes))
    }
  }

  /** Gives up the unfinished line. */
  cut(): void {
    const head = this.unfinished
    this.#forget()
    this.#skipping = true
    this.#lines.onCut(head)
  }

  /** At most `maxLineBytes`: no line that lies whole in it is too long. */
  #push(bytes: Buffer): void {
    let from = 0
    if (this.#skipping || this.#length > 0) {
      const end = bytes.indexOf(lf)
      if (end < 0) return this.#keep(bytes)
      from = end + 1
      this.#finish(bytes.subarray(0, from))
    }
    const last = bytes.lastIndexOf(lf)
    if (last >= from)
      this.#lines.onLines(from === 0 && last === bytes.length - 1 ? bytes : bytes.subarray(from, last + 1))
    const rest = Math.max(from, last + 1)
    if (rest < bytes.length) this.#keep(bytes.subarray(rest))
  }

  /** Takes the end of the unfinished line, LF included. */
  #finish(bytes: Buffer): void {
    if (this.#skipping) this.#skipping = false
    else if (this.#length + bytes.length > this.#maxLineBytes) {
      const head = this.#whole(bytes)
      this.#forget()
      this.#lines.onCut(head)
    } else {
      const line = this.#whole(bytes)
      this.#forget()
      this.#lines.onLines(line)
    }
  }

  #whole(bytes: Buffer): Buffer {
    return Buffer.concat([this.unfinished, bytes])
  }

  #forget(): void {
    this.#carry = undefined
    this.#length = 0
  }

  /** Keeps bytes without LF. */
  #keep(bytes: Buffer): void {
    if (this.#skipping) return
    const length = this.#length + bytes.length
    if (length >= this.#maxLineBytes) {
      const head = this.#whole(bytes)
      this.#forget()
      this.#skipping = true
      return this.#lines.onCut(head)
    }
    // It doubles, so that a line that comes byte by byte is not copied for each of them.
    if (this.#carry === undefined || this.#carry.length < length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(this.#maxLineBytes, Math.max(leastCapacity, length, this.held * 2))
      )
      this.#carry?.copy(larger, 0, 0, this.#length)
      this.#carry = larger
    }
    bytes.copy(this.#carry, this.#length)
    this.#length = length
  }
}
