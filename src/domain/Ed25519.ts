/**
 * Ed25519 as RFC 8032 defines it, through node:crypto: S < L, and the cofactorless equation (OpenSSL, Go and
 * python-cryptography agree on it; ZIP-215 verifiers such as @noble accept more).
 *
 * RFC 8032 leaves two doors open that this module shuts: a public key of small order verifies signatures that nobody
 * made, and OpenSSL reads a y coordinate that is not reduced. Such keys never verify anything here.
 *
 * @module
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as cryptoSign,
  verify as cryptoVerify
} from "node:crypto"

export interface KeyPair {
  /** The 32 bytes of RFC 8032 section 5.1.5. */
  readonly publicKey: Uint8Array
  /** Keep it: signing with a kept KeyObject is ten times faster than with PEM. */
  readonly privateKey: KeyObject
}

/** Length of a raw public key and of a seed, bytes. */
export const keyBytes = 32
/** Length of a signature, bytes. */
export const signatureBytes = 64

/** DER of SubjectPublicKeyInfo up to the raw key (RFC 8410 section 4). */
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex")
/** DER of PrivateKeyInfo up to the seed (RFC 8410 section 7). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex")

/** Field prime of RFC 8032 section 5.1, 2^255 − 19. */
const p = 2n ** 255n - 19n
/** Curve constant of RFC 8032 section 5.1, −121665/121666 mod p. */
const d = 37095705934669439343138083508754565189542113879843219016388785533085940283555n

const modulo = (value: bigint): bigint => ((value % p) + p) % p

/** Jacobi symbol of `a` over the prime p: 1 for squares, −1 for others. A fifth of the time of Euler's criterion. */
const jacobi = (a: bigint): number => {
  let [top, bottom, sign] = [a, p, 1]
  while (top !== 0n) {
    while ((top & 1n) === 0n) {
      top >>= 1n
      const residue = bottom & 7n
      if (residue === 3n || residue === 5n) sign = -sign
    }
    if ((top & 3n) === 3n && (bottom & 3n) === 3n) sign = -sign
    ;[top, bottom] = [bottom % top, top]
  }
  return bottom === 1n ? sign : 0
}

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`)

/**
 * Decodes y and decides, without x:
 *
 * - canonical: y < p (RFC 8032 section 5.1.3, step 1);
 * - small order: order 1 and 2 have y² = 1, order 4 has y = 0, and a point has order 8 when the y of its double is 0,
 *   which on −x² + y² = 1 + d·x²·y² means d·y⁴ + 2·y² = 1. A sign bit with x = 0 only exists where y² = 1;
 * - on the curve: x² = (y² − 1)/(d·y² + 1) is a square (step 2), by its Jacobi symbol.
 */
const isStrongPoint = (raw: Uint8Array): boolean => {
  const y = littleEndian(raw) & (2n ** 255n - 1n)
  if (y >= p) return false
  const y2 = (y * y) % p
  if (y === 0n || y2 === 1n) return false
  if (modulo(d * y2 * y2 + 2n * y2 - 1n) === 0n) return false
  return jacobi(modulo((y2 - 1n) * (d * y2 + 1n))) === 1
}

/** Checked public keys by their raw bytes; `false` for refused ones. Bounded: a hostile log may name any number. */
const known = new Map<string, KeyObject | false>()
const maxKnown = 512

const publicKeyObject = (raw: Uint8Array): KeyObject | false => {
  if (raw.length !== keyBytes) return false
  const id = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("latin1")
  const found = known.get(id)
  if (found !== undefined) return found
  const made =
    isStrongPoint(raw) && createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: "der", type: "spki" })
  if (known.size >= maxKnown) known.clear()
  known.set(id, made)
  return made
}

/** True for 32 bytes that are the canonical encoding of a curve point that is not of small order. */
export const isValidPublicKey = (raw: Uint8Array): boolean => publicKeyObject(raw) !== false

/** The pair of an Ed25519 private KeyObject; throws a `TypeError` for any other kind of key. */
export const fromPrivateKey = (privateKey: KeyObject): KeyPair => {
  if (privateKey.type !== "private" || privateKey.asymmetricKeyType !== "ed25519") {
    throw new TypeError("an Ed25519 private key is needed")
  }
  const der = createPublicKey(privateKey).export({ format: "der", type: "spki" })
  return { publicKey: new Uint8Array(der.subarray(spkiPrefix.length)), privateKey }
}

/** The pair of a 32-byte seed (RFC 8032 section 5.1.5); throws a `TypeError` for another length. */
export const fromSeed = (seed: Uint8Array): KeyPair => {
  if (seed.length !== keyBytes) throw new TypeError(`a seed of ${keyBytes} bytes is needed`)
  const key = Buffer.concat([pkcs8Prefix, seed])
  const pair = fromPrivateKey(createPrivateKey({ key, format: "der", type: "pkcs8" }))
  key.fill(0)
  return pair
}

/** The 32-byte seed of a private key, for the file that keeps it; the caller wipes it. */
export const seedOf = (privateKey: KeyObject): Uint8Array => {
  const der = privateKey.export({ format: "der", type: "pkcs8" })
  const seed = new Uint8Array(der.subarray(der.length - keyBytes))
  der.fill(0)
  return seed
}

/** A fresh pair from the system's random source; the one impure function here, for layers only. */
export const generate = (): KeyPair => fromPrivateKey(generateKeyPairSync("ed25519").privateKey)

/** The 64-byte signature of `message` (RFC 8032 section 5.1.6). */
export const sign = (privateKey: KeyObject, message: Uint8Array): Uint8Array =>
  new Uint8Array(cryptoSign(null, message, privateKey))

/** Triples that `verifyAhead` found to be valid. Bounded; a triple that was dropped is verified again. */
const validAhead = new Set<string>()
const maxValidAhead = 8192

const tripleOf = (...parts: ReadonlyArray<Uint8Array>): string => Buffer.concat(parts).toString("latin1")

/** True when `signature` is valid for `message` under a valid public key; never throws. */
export const verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (signature.length !== signatureBytes) return false
  const key = publicKeyObject(publicKey)
  if (key === false) return false
  if (validAhead.size > 0 && validAhead.delete(tripleOf(publicKey, signature, message))) return true
  return cryptoVerify(null, message, key, signature)
}

/** Verifies on another thread what `verify` will be asked once: it then answers at once. Completes in any case. */
export const verifyAhead = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<void> => {
  const key = signature.length === signatureBytes && publicKeyObject(publicKey)
  if (key === false) return Promise.resolve()
  return new Promise((resolve) => {
    cryptoVerify(null, message, key, signature, (_, isValid) => {
      if (validAhead.size >= maxValidAhead) validAhead.clear()
      if (isValid) validAhead.add(tripleOf(publicKey, signature, message))
      resolve()
    })
  })
}
