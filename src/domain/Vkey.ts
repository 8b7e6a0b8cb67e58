/**
 * Verifier keys: `<name>+<8 hex digits of the key id>+<base64 of type byte and public key>` (C2SP signed-note).
 *
 * Only the Ed25519 types that agent-audit/1 uses are read: 0x01 signs notes, 0x04 makes witness cosignatures.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import { hash } from "node:crypto"
import * as Base64 from "./Base64.ts"
import * as Ed25519 from "./Ed25519.ts"

/** 0x01 Ed25519 note signatures; 0x04 timestamped Ed25519 cosignatures (C2SP signed-note, "Signature types"). */
export type KeyType = 1 | 4

export interface Vkey {
  /** Key name; for a log, its origin. */
  readonly name: string
  /** uint32, the first four bytes of SHA-256(name, LF, type, key). */
  readonly keyId: number
  readonly type: KeyType
  /** 32 raw bytes, checked by `Ed25519.isValidPublicKey`. */
  readonly publicKey: Uint8Array
  /** The one spelling of this key, equal for equal keys. */
  readonly text: string
}

/** The text is not a usable verifier key; `reason` completes "verifier key refused: ". */
export class VkeyError extends Data.TaggedError("VkeyError")<{ readonly reason: string }> {
  override get message(): string {
    return `verifier key refused: ${this.reason}`
  }
}

/** Longest vkey text that is looked at, UTF-16 units. */
export const maxTextLength = 4096

// Control characters (no note may hold them), Unicode spaces, plus, and lone surrogates (no UTF-8 form).
const forbiddenInName = /[^ -\u{10ffff}]|[\p{White_Space}\p{Surrogate}+]/u

/** A key name is not empty and has no Unicode space, plus, control character or lone surrogate. */
export const isValidName = (name: string): boolean => name !== "" && !forbiddenInName.test(name)

const keyIdOf = (name: string, typedKey: Uint8Array): number =>
  hash("sha256", Buffer.concat([Buffer.from(`${name}\n`, "utf8"), typedKey]), "buffer").readUInt32BE(0)

const fromTyped = (name: string, type: KeyType, typedKey: Uint8Array): Vkey => {
  const keyId = keyIdOf(name, typedKey)
  const text = `${name}+${keyId.toString(16).padStart(8, "0")}+${Base64.encode(typedKey)}`
  return { name, keyId, type, publicKey: new Uint8Array(typedKey.subarray(1)), text }
}

/** Reads a vkey and checks the name, the key id, the spelling and the point; there is no lenient form. */
export const parse = (text: string): Either.Either<Vkey, VkeyError> => {
  const refuse = (reason: string) => Either.left(new VkeyError({ reason }))
  if (text.length > maxTextLength) return refuse(`it is longer than ${maxTextLength} characters`)
  const first = text.indexOf("+")
  const second = text.indexOf("+", first + 1)
  if (first < 0 || second < 0) return refuse("it is not of the form <name>+<key id>+<base64 key>")
  const name = text.slice(0, first)
  if (!isValidName(name)) return refuse("its name is empty or has a space or a control character")
  const idHex = text.slice(first + 1, second)
  if (!/^[0-9a-f]{8}$/.test(idHex)) return refuse("its key id is not 8 lower-case hexadecimal digits")
  const typedKey = Base64.decode(text.slice(second + 1))
  if (typedKey === undefined) return refuse("its key is not canonical base64")
  const type = typedKey[0]
  if (type !== 1 && type !== 4) {
    const shown = type === undefined ? "no signature type" : `signature type 0x${type.toString(16).padStart(2, "0")}`
    return refuse(`it has ${shown}, and only Ed25519 (0x01) and Ed25519 cosignatures (0x04) are supported`)
  }
  if (typedKey.length !== 1 + Ed25519.keyBytes) return refuse(`its key has ${typedKey.length - 1} bytes instead of 32`)
  const vkey = fromTyped(name, type, typedKey)
  if (vkey.text !== text) return refuse(`its key id ${idHex} does not belong to its name and key`)
  if (!Ed25519.isValidPublicKey(vkey.publicKey)) {
    return refuse("its key is not a point of the curve in canonical form, or is of small order")
  }
  return Either.right(vkey)
}

/** The vkey of a key of our own; throws `VkeyError` for a name or key that `parse` would refuse (a bug of the caller). */
export const make = (name: string, type: KeyType, publicKey: Uint8Array): Vkey => {
  if (!isValidName(name)) throw new VkeyError({ reason: "its name is empty or has a space or a control character" })
  if (!Ed25519.isValidPublicKey(publicKey)) throw new VkeyError({ reason: "its key is not a valid Ed25519 point" })
  return fromTyped(name, type, Buffer.concat([Buffer.of(type), publicKey]))
}

/** Installation id: lower hex of the first 16 bytes of SHA-256(raw public key), 32 characters (format section 1). */
export const hostId = (publicKey: Uint8Array): string => hash("sha256", publicKey, "hex").slice(0, 32)
