/**
 * C2SP tlog-proof: an entry's index, its inclusion proof and the checkpoint it leads to, as text.
 *
 * This module reads and writes the form. The checkpoint is kept verbatim: `SignedNote`, `Checkpoint` and `MerkleTree`
 * judge it, and `extra` is not authenticated by anything.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Base64 from "./Base64.ts"
import * as SignedNote from "./SignedNote.ts"

export interface TlogProof {
  /** Opaque data of the application, never empty; agent-audit/1 puts the leaf here. */
  readonly extra?: Uint8Array
  /** Zero-based index of the entry, at most 2^53 − 1. */
  readonly index: number
  /** SHA-256 hashes, 32 bytes each, from the leaf's sibling up (RFC 6962 section 2.1.1). */
  readonly hashes: ReadonlyArray<Uint8Array>
  /** The signed note, verbatim. */
  readonly checkpoint: string
}

/** The text is not a tlog-proof; `reason` completes "not a tlog-proof: ". */
export class ProofError extends Data.TaggedError("ProofError")<{ readonly reason: string }> {
  override get message(): string {
    return `not a tlog-proof: ${this.reason}`
  }
}

const header = "c2sp.org/tlog-proof@v1"
/** More hashes than any tree with a 64-bit size needs. */
export const maxHashes = 64
/** Longest text, UTF-16 units: the largest note, and as much again for `extra` and the hashes. */
export const maxTextLength = 2 * SignedNote.maxNoteBytes

/** Reads a proof; its checkpoint only has to be there. */
export const parse = (text: string): Either.Either<TlogProof, ProofError> => {
  const refuse = (reason: string) => Either.left(new ProofError({ reason }))
  if (text.length > maxTextLength) return refuse(`it is longer than ${maxTextLength} characters`)
  const end = text.indexOf("\n\n")
  if (end < 0) return refuse("no empty line precedes its checkpoint")
  const checkpoint = text.slice(end + 2)
  if (checkpoint === "") return refuse("it has no checkpoint")
  const lines = text.slice(0, end).split("\n", maxHashes + 4)
  if (lines[0] !== header) return refuse(`its first line is not ${header}`)

  let at = 1
  let extra: Uint8Array | undefined
  if (lines[at]?.startsWith("extra ") === true) {
    extra = Base64.decode(lines[at]?.slice("extra ".length) ?? "")
    if (extra === undefined || extra.length === 0) return refuse("its extra data is empty or not canonical base64")
    at++
  }
  const digits = /^index (0|[1-9][0-9]{0,15})$/.exec(lines[at] ?? "")?.[1]
  const index = Number(digits)
  if (digits === undefined || !Number.isSafeInteger(index)) return refuse(`line ${at + 1} is not a valid index line`)
  at++

  const hashes: Array<Uint8Array> = []
  for (const line of lines.slice(at)) {
    const hash = Base64.decodeExact(line, 32)
    if (hash === undefined) return refuse(`hash ${hashes.length + 1} is not 32 bytes of canonical base64`)
    hashes.push(hash)
  }
  if (hashes.length > maxHashes) return refuse(`it has more than ${maxHashes} hashes`)
  return Either.right(extra === undefined ? { index, hashes, checkpoint } : { extra, index, hashes, checkpoint })
}

/** The text of a proof; empty `extra` is left out, as the format has no form for it. */
export const encode = (proof: TlogProof): string => {
  const lines = [header]
  if (proof.extra !== undefined && proof.extra.length > 0) lines.push(`extra ${Base64.encode(proof.extra)}`)
  lines.push(`index ${proof.index}`, ...proof.hashes.map(Base64.encode))
  return `${lines.join("\n")}\n\n${proof.checkpoint}`
}
