/**
 * C2SP signed notes: a text that ends with LF, an empty line, and signature lines.
 *
 * Parsing checks the form only; nothing in a note may be believed before `check` says "valid" for a trusted key.
 * Lines of unknown keys are kept and ignored, a bad line of a known key spoils the note.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type { KeyObject } from "node:crypto"
import * as Base64 from "./Base64.ts"
import * as Ed25519 from "./Ed25519.ts"
import * as Vkey from "./Vkey.ts"

/** One signature line, decoded. */
export interface Signature {
  readonly name: string
  /** uint32, the first four bytes of the decoded base64. */
  readonly keyId: number
  /** What follows the key id, at least one byte. */
  readonly signature: Uint8Array
  /** The line as it stands in the note, with its LF. */
  readonly line: string
}

/** The part of a note that signature checks need. */
export interface Signed {
  /** Signed text, with its last LF and without the empty line. */
  readonly text: string
  readonly signatures: ReadonlyArray<Signature>
}

export interface SignedNote extends Signed {
  /** The whole note, exactly as it was given. */
  readonly note: string
}

/** The text is not a signed note; `reason` completes "not a signed note: ". */
export class NoteError extends Data.TaggedError("NoteError")<{ readonly reason: string }> {
  override get message(): string {
    return `not a signed note: ${this.reason}`
  }
}

/** Most signature lines of a note (format section 3; C2SP asks for 16 at least). */
export const maxSignatures = 64
/** Largest note, bytes of UTF-8. */
export const maxNoteBytes = 1024 * 1024

/** Em dash and space, U+2014 U+0020. */
const linePrefix = "\u2014 "
/** Control characters but LF, and lone surrogates, which have no UTF-8 form. */
const forbiddenInNote = /[^\n -\u{10ffff}]|\p{Surrogate}/u

const refuse = (reason: string) => Either.left(new NoteError({ reason }))

/** Reads one signature line, with or without its LF. */
export const parseLine = (text: string): Either.Either<Signature, NoteError> => {
  const line = text.endsWith("\n") ? text : `${text}\n`
  if (!line.startsWith(linePrefix)) return refuse("a signature line does not begin with an em dash and a space")
  const space = line.indexOf(" ", linePrefix.length)
  if (space < 0) return refuse("a signature line has no signature")
  const name = line.slice(linePrefix.length, space)
  if (!Vkey.isValidName(name)) return refuse("a signature line has an invalid key name")
  const blob = Base64.decode(line.slice(space + 1, -1))
  if (blob === undefined) return refuse("a signature is not canonical base64")
  if (blob.length < 5) return refuse("a signature is too short to hold a key id and a signature")
  const keyId = new DataView(blob.buffer).getUint32(0)
  return Either.right({ name, keyId, signature: blob.subarray(4), line })
}

const decodeUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Reads a note from text, or from bytes that must be UTF-8; at most `maxNoteBytes` and `maxSignatures` lines. */
export const parse = (source: string | Uint8Array): Either.Either<SignedNote, NoteError> => {
  const tooLarge = `it is larger than ${maxNoteBytes} bytes`
  if (source.length > maxNoteBytes) return refuse(tooLarge)
  const note = typeof source === "string" ? source : decodeUtf8(source)
  if (note === undefined) return refuse("it is not UTF-8")
  if (Buffer.byteLength(note, "utf8") > maxNoteBytes) return refuse(tooLarge)
  if (forbiddenInNote.test(note)) return refuse("it has a control character other than LF, or is not valid Unicode")
  const split = note.lastIndexOf("\n\n")
  if (split < 0) return refuse("no empty line separates text and signatures")
  if (!note.endsWith("\n")) return refuse("its last line does not end with LF")
  const lines = note.slice(split + 2, -1).split("\n", maxSignatures + 1)
  if (split + 2 === note.length) return refuse("it has no signature lines")
  if (lines.length > maxSignatures) return refuse(`it has more than ${maxSignatures} signature lines`)
  const signatures: Array<Signature> = []
  for (const line of lines) {
    const parsed = parseLine(line)
    if (Either.isLeft(parsed)) return Either.left(parsed.left)
    signatures.push(parsed.right)
  }
  return Either.right({ text: note.slice(0, split + 1), signatures, note })
}

/** A signature line with its LF. */
export const signatureLine = (name: string, keyId: number, signature: Uint8Array): string => {
  const blob = Buffer.alloc(4 + signature.length)
  blob.writeUInt32BE(keyId, 0)
  blob.set(signature, 4)
  return `${linePrefix}${name} ${Base64.encode(blob)}\n`
}

/** The signature line, with its LF, that `vkey` (type 0x01) makes over `text`. */
export const sign = (text: string, vkey: Vkey.Vkey, privateKey: KeyObject): string =>
  signatureLine(vkey.name, vkey.keyId, Ed25519.sign(privateKey, Buffer.from(text, "utf8")))

/** The note of a text that ends with LF and of signature lines, each with its LF. */
export const assemble = (text: string, lines: ReadonlyArray<string>): string => `${text}\n${lines.join("")}`

/** The lines of `note` whose name and key id are those of `vkey`. */
export const linesOf = (note: Signed, vkey: Vkey.Vkey): ReadonlyArray<Signature> =>
  note.signatures.filter((signature) => signature.keyId === vkey.keyId && signature.name === vkey.name)

/** What `vkey` (type 0x01) says about a note: one bad line of its own makes the answer "invalid". */
export const check = (note: Signed, vkey: Vkey.Vkey): "absent" | "valid" | "invalid" => {
  const own = linesOf(note, vkey)
  if (vkey.type !== 1 || own.length === 0) return "absent"
  const text = Buffer.from(note.text, "utf8")
  return own.every((line) => Ed25519.verify(vkey.publicKey, text, line.signature)) ? "valid" : "invalid"
}
