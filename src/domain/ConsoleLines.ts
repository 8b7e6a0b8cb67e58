/**
 * Splits what a guest prints into the data of `console` entries (docs/architecture.md; format section 2 for `$b64`).
 *
 * A piece is at most `maxPieceBytes` of one line without its LF. A line that ends with LF and fits is one piece with
 * neither `part` nor `eol`. Otherwise its pieces are numbered by `part` from 0, and each piece that no LF follows says
 * `eol: false`: the bytes of a stream are the lines of its entries, in order, each followed by LF unless `eol` is false.
 * CR is kept as it is. A piece that is not UTF-8 is `{"$b64": ...}`; no multi-byte character is cut, unless it came in
 * after its first half had to be recorded.
 *
 * No clock in here: whoever owns a splitter decides when to `flush` a line that stays without LF.
 *
 * @module
 */

/** Largest piece, in bytes without LF. */
export const maxPieceBytes = 16_384

/** Where a guest's bytes come from: its two pipes, or its terminal, which does not tell them apart. */
export type StreamName = "stdout" | "stderr" | "tty"

/** `data` of one `console` entry. */
export type ConsoleLine = {
  /** Present, and false, when no LF follows this piece. */
  readonly eol?: false
  readonly line: string | { readonly $b64: string }
  /** 0-based piece of a line that is longer than a piece or was recorded before its LF came. */
  readonly part?: number
  readonly stream: StreamName
}

/**
 * Most bytes of a piece's text as JSON. Control characters take six bytes each in JSON, and a leaf holds 65 535 bytes
 * (format section 2); pieces that would come too close to that are cut at half their length.
 */
const maxJsonBytes = 57_344

const LF = 10
const empty = new Uint8Array(0)
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The text, or undefined when the bytes are not UTF-8. */
const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

const join = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  if (a.length === 0) return b
  const joined = new Uint8Array(a.length + b.length)
  joined.set(a)
  joined.set(b, a.length)
  return joined
}

/** Bytes of the text in JSON beyond its UTF-8: escapes of two or six bytes. */
const escapeBytes = (text: string): number => {
  let more = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 32) more += unit >= 8 && unit <= 13 && unit !== 11 ? 1 : 5
    else if (unit === 34 || unit === 92) more += 1
  }
  return more
}

/** How many bytes at the end of `bytes[0..end)` begin a character that is not complete there; 0 to 3. */
const incompleteTail = (bytes: Uint8Array, end: number): number => {
  for (let back = 1; back <= 3 && back <= end; back++) {
    const byte = bytes[end - back] ?? 0
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}

/** The bytes that one entry stands for, with its LF. */
export const bytesOf = ({ eol, line }: ConsoleLine): Uint8Array => {
  const bytes = typeof line === "string" ? Buffer.from(line, "utf8") : Buffer.from(line.$b64, "base64")
  return eol === false ? bytes : Buffer.concat([bytes, Uint8Array.of(LF)])
}

/** The state of one stream: the beginning of a line whose LF has not come yet. */
export class Splitter {
  readonly #stream: StreamName
  #rest: Uint8Array = empty
  #part = 0

  constructor(stream: StreamName) {
    this.#stream = stream
  }

  /** Whether bytes wait for their LF. */
  get pending(): boolean {
    return this.#rest.length > 0
  }

  /** Takes the next bytes of the stream; does not keep the array. */
  push(chunk: Uint8Array): ReadonlyArray<ConsoleLine> {
    const out: Array<ConsoleLine> = []
    const end = chunk.lastIndexOf(LF)
    if (end >= 0) this.#lines(join(this.#rest, chunk.subarray(0, end)), out)
    const rest = end < 0 ? join(this.#rest, chunk) : chunk.subarray(end + 1)
    this.#rest = new Uint8Array(this.#cut(rest, out))
    return out
  }

  /**
   * Records the line that waits for its LF; what follows is its next part. The first bytes of a character that is not
   * complete stay behind, unless the stream is at its end.
   */
  flush(atEnd: boolean): ReadonlyArray<ConsoleLine> {
    const rest = this.#rest
    const keep = atEnd ? 0 : incompleteTail(rest, rest.length)
    if (rest.length === keep) return []
    const out: Array<ConsoleLine> = []
    this.#rest = new Uint8Array(rest.subarray(rest.length - keep))
    this.#piece(rest.subarray(0, rest.length - keep), false, out)
    return out
  }

  /** Whole lines, the LF of the last one left out. */
  #lines(bytes: Uint8Array, out: Array<ConsoleLine>): void {
    const text = decode(bytes)
    if (text === undefined) {
      for (let from = 0; from <= bytes.length;) {
        const lf = bytes.indexOf(LF, from)
        const to = lf < 0 ? bytes.length : lf
        this.#line(bytes.subarray(from, to), out)
        from = to + 1
      }
      return
    }
    const stream = this.#stream
    for (const line of text.split("\n")) {
      // 6 bytes are the longest escape of one UTF-16 unit, and 3 the longest UTF-8 of one.
      if (this.#part === 0 && line.length * 6 <= maxPieceBytes) out.push({ line, stream })
      else this.#line(Buffer.from(line, "utf8"), out)
    }
  }

  /** One line that ends with LF. */
  #line(bytes: Uint8Array, out: Array<ConsoleLine>): void {
    this.#piece(this.#cut(bytes, out), true, out)
  }

  /** Records pieces from the beginning of a line until what is left fits in one; returns that. */
  #cut(bytes: Uint8Array, out: Array<ConsoleLine>): Uint8Array {
    let from = 0
    while (bytes.length - from > maxPieceBytes) {
      const most = from + maxPieceBytes
      const to = most - incompleteTail(bytes, most)
      this.#piece(bytes.subarray(from, to), false, out)
      from = to
    }
    return bytes.subarray(from)
  }

  #piece(bytes: Uint8Array, eol: boolean, out: Array<ConsoleLine>): void {
    const stream = this.#stream
    const text = decode(bytes)
    if (text !== undefined && bytes.length * 6 > maxJsonBytes && bytes.length + escapeBytes(text) > maxJsonBytes) {
      const half = bytes.length >> 1
      const to = half - incompleteTail(bytes, half)
      this.#piece(bytes.subarray(0, to), false, out)
      return this.#piece(bytes.subarray(to), eol, out)
    }
    const line = text ?? { $b64: Buffer.from(bytes).toString("base64") }
    if (!eol) out.push({ eol: false, line, part: this.#part++, stream })
    else if (this.#part > 0) out.push({ line, part: this.#part, stream })
    else out.push({ line, stream })
    if (eol) this.#part = 0
  }
}
