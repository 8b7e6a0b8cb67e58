/**
 * The first bytes of a connection: a token (64 lower-case hex digits and LF), or already its first line.
 *
 * @module
 */

const digits = 64
const lf = 10

const isHex = (byte: number): boolean => (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66)

export type Opened =
  /** So far it could be a token. */
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Token"; readonly token: Buffer; readonly rest: Buffer }
  /** It is none; `bytes` is everything so far. */
  | { readonly _tag: "Line"; readonly bytes: Buffer }

/** Mutable; holds 65 bytes. */
export class Opening {
  readonly #bytes = Buffer.alloc(digits + 1)
  #length = 0

  /** Something has come, and could be a token. */
  get isBegun(): boolean {
    return this.#length > 0
  }

  push(chunk: Buffer): Opened {
    const held = this.#length
    const taken = Math.min(digits + 1 - held, chunk.length)
    for (let at = 0; at < taken; at++) {
      const byte = chunk[at]! // at is below length
      if (held + at < digits ? isHex(byte) : byte === lf) continue
      return { _tag: "Line", bytes: held === 0 ? chunk : Buffer.concat([this.#bytes.subarray(0, held), chunk]) }
    }
    chunk.copy(this.#bytes, held, 0, taken)
    this.#length = held + taken
    if (this.#length <= digits) return { _tag: "Wait" }
    return { _tag: "Token", token: this.#bytes.subarray(0, digits), rest: chunk.subarray(taken) }
  }
}
