/**
 * Witness cosignatures, `cosignature/v1` (C2SP tlog-cosignature): an Ed25519 signature with a time, over a header, the
 * time and the checkpoint's text.
 *
 * The time is the witness's claim: it says that the witness had seen this tree by then, not when the tree was made.
 *
 * @module
 */
import * as Either from "effect/Either"
import type { KeyObject } from "node:crypto"
import * as Ed25519 from "./Ed25519.ts"
import * as SignedNote from "./SignedNote.ts"
import type * as Vkey from "./Vkey.ts"

/** A signature line that has the form of a cosignature; nothing in it is verified. */
export interface Cosignature {
  readonly name: string
  readonly keyId: number
  /** POSIX time, seconds. */
  readonly time: number
  /** 64 bytes. */
  readonly signature: Uint8Array
  /** The line with its LF. */
  readonly line: string
}

export type Result =
  | { readonly _tag: "absent" }
  /** `time`: POSIX seconds; of several valid lines, the earliest. */
  | { readonly _tag: "valid"; readonly time: number }
  | { readonly _tag: "invalid" }

const timeBytes = 8
const absent: Result = { _tag: "absent" }
const invalid: Result = { _tag: "invalid" }

const message = (text: string, time: number): Uint8Array => Buffer.from(`cosignature/v1\ntime ${time}\n${text}`, "utf8")

/** The form of a cosignature: u64 time and 64 bytes. A time above 2^53 − 1 is 285 million years away and refused. */
const read = (line: SignedNote.Signature): Cosignature | undefined => {
  const blob = line.signature
  if (blob.length !== timeBytes + Ed25519.signatureBytes) return undefined
  const time = Number(new DataView(blob.buffer, blob.byteOffset).getBigUint64(0))
  if (!Number.isSafeInteger(time)) return undefined
  return { name: line.name, keyId: line.keyId, time, signature: blob.subarray(timeBytes), line: line.line }
}

/** Reads one line, with or without its LF, that has the form of a cosignature. */
export const parseLine = (text: string): Either.Either<Cosignature, SignedNote.NoteError> =>
  Either.flatMap(SignedNote.parseLine(text), (line) => {
    const cosignature = read(line)
    return cosignature === undefined
      ? Either.left(new SignedNote.NoteError({ reason: "a line does not hold a time and an Ed25519 cosignature" }))
      : Either.right(cosignature)
  })

/** What `witness` (type 0x04) says about a checkpoint: one bad line of its own makes the answer "invalid". */
export const check = (note: SignedNote.Signed, witness: Vkey.Vkey): Result => {
  const own = SignedNote.linesOf(note, witness)
  if (witness.type !== 4 || own.length === 0) return absent
  let earliest = Number.POSITIVE_INFINITY
  for (const line of own) {
    const cosignature = read(line)
    if (cosignature === undefined) return invalid
    const { signature, time } = cosignature
    if (!Ed25519.verify(witness.publicKey, message(note.text, time), signature)) return invalid
    earliest = Math.min(earliest, time)
  }
  return { _tag: "valid", time: earliest }
}

/** The line, with its LF, by which `witness` (type 0x04) cosigns a checkpoint's text at `time` (POSIX seconds). */
export const sign = (text: string, witness: Vkey.Vkey, privateKey: KeyObject, time: number): string => {
  const blob = Buffer.alloc(timeBytes + Ed25519.signatureBytes)
  blob.writeBigUInt64BE(BigInt(time), 0)
  blob.set(Ed25519.sign(privateKey, message(text, time)), timeBytes)
  return SignedNote.signatureLine(witness.name, witness.keyId, blob)
}
