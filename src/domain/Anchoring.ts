/**
 * Evidence that travels with checkpoints: cosignatures of witnesses, and RFC 3161 tokens. Owned by one verifier.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Base64 from "./Base64.ts"
import type * as Bundle from "./Bundle.ts"
import * as Evidence from "./Evidence.ts"
import type { Findings } from "./Findings.ts"
import * as SignedNote from "./SignedNote.ts"
import * as TimestampToken from "./TimestampToken.ts"
import * as Verdict from "./Verdict.ts"
import type { VerifyOptions } from "./VerifyOptions.ts"
import type * as Vkey from "./Vkey.ts"

interface PendingToken {
  readonly der: Uint8Array
  readonly note: string
  readonly size: number
  readonly range: Verdict.SeqRange
  readonly position: number
}

/** Tokens that wait for `settle`; each may hold 64 KiB. */
const maxPendingTokens = 64

export class Anchoring {
  readonly #options: VerifyOptions
  readonly #findings: Findings
  readonly #pending: Array<PendingToken> = []
  cosignatures = 0
  timestamps = 0

  constructor(options: VerifyOptions, findings: Findings) {
    this.#options = options
    this.#findings = findings
  }

  /** Whether tokens should be settled before more records are read. */
  get isFull(): boolean {
    return this.#pending.length >= maxPendingTokens
  }

  /**
   * Checks what is attached to a checkpoint.
   *
   * @param range entries that only this checkpoint covers: blamed when evidence is bad
   * @returns the policy's witnesses that cosigned, or what is wrong
   */
  check(
    note: SignedNote.SignedNote,
    size: number,
    attached: Bundle.Attachments,
    range: Verdict.SeqRange,
    position: number
  ): Either.Either<ReadonlyArray<Vkey.Vkey>, string> {
    const lines: Array<SignedNote.Signature> = [...note.signatures]
    for (const text of attached.witnesses) {
      const line = SignedNote.parseLine(text)
      if (Either.isLeft(line) || text.endsWith("\n")) return Either.left("a witness line has not the form of one")
      lines.push(line.right)
    }
    for (const text of attached.timestamps) {
      const der = Base64.decode(text)
      if (der === undefined) return Either.left("a time stamp is not base64")
      this.#pending.push({ der, note: note.note, size, range, position })
    }
    const cosigned = Evidence.cosigners({ text: note.text, signatures: lines }, this.#options.policy)
    if (Either.isLeft(cosigned)) return Either.left(`the cosignature of ${cosigned.left} does not verify`)
    this.cosignatures += cosigned.right.length
    for (const witness of cosigned.right) this.#findings.anchor(`cosigned by ${witness.name} at size ${size}`)
    return Either.right(cosigned.right)
  }

  /** Checks the tokens that were put off, because their library answers later. */
  async settle(): Promise<void> {
    for (const token of this.#pending.splice(0)) {
      // One after the other: a hostile file must not start thousands of verifications at once.
      const result = await TimestampToken.verify(token.der, token.note, this.#options.tsaAnchors)
      if (result._tag === "valid") {
        this.timestamps++
        this.#findings.anchor(`time stamp by ${result.tsa}: size ${token.size} existed at ${result.time.toISOString()}`)
      } else if (result._tag === "untrusted") {
        this.#findings.remark(`a time stamp at size ${token.size} was not used: ${result.reason}`)
      } else {
        const why = `a time stamp at size ${token.size} is bad: ${result.reason}`
        this.#findings.conclude(Verdict.conclude("TAMPERED", token.range, why), token.position)
      }
    }
  }
}
