/**
 * SHA-256 as RFC 6962 section 2.1 uses it: a prefix byte tells leaves (0x00) from interior nodes (0x01), so that
 * neither can be passed off as the other.
 *
 * @module
 */
import * as Crypto from "node:crypto"

/** Length of a digest, in bytes. */
export const digestBytes = 32

/** SHA-256 of `bytes`. */
export const digest = (bytes: Uint8Array): Uint8Array => Crypto.hash("sha256", bytes, "buffer")

/** SHA-256 of `bytes` in lower-case hex. */
export const digestHex = (bytes: Uint8Array): string => Crypto.hash("sha256", bytes, "hex")

/** SHA-256 of the UTF-8 bytes of `text` in lower-case hex. */
export const textHex = (text: string): string => Crypto.hash("sha256", text, "hex")

/**
 * Leaf hash, SHA-256(0x00 ‖ leaf), in lower-case hex. RFC 6962 section 2.1.
 *
 * @param leaf canonical leaf text; its UTF-8 bytes are hashed
 */
export const leafHashHex = (leaf: string): string => Crypto.hash("sha256", `\u0000${leaf}`, "hex")

/** Leaf hash of bytes. RFC 6962 section 2.1. */
export const leafHash = (leaf: Uint8Array): Uint8Array => {
  const input = Buffer.allocUnsafe(leaf.length + 1)
  input[0] = 0
  input.set(leaf, 1)
  return Crypto.hash("sha256", input, "buffer")
}

/** Interior node, SHA-256(0x01 ‖ left ‖ right). RFC 6962 section 2.1. */
export const interiorHash = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  const input = Buffer.allocUnsafe(1 + 2 * digestBytes)
  input[0] = 1
  input.set(left, 1)
  input.set(right, 1 + digestBytes)
  return Crypto.hash("sha256", input, "buffer")
}
