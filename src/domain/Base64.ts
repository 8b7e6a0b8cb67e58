/**
 * Standard base64 (RFC 4648 section 4) in its one canonical form.
 *
 * Everything that is signed or compared as text must have exactly one spelling, so the decoder refuses what a lenient
 * one lets through: the URL alphabet, white space, missing or extra padding, and padding bits that are not zero.
 *
 * @module
 */

/** Canonical base64 with padding. */
export const encode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

/** The bytes of `text`, or `undefined` when `text` is not the canonical encoding of any bytes. */
export const decode = (text: string): Uint8Array | undefined => {
  const bytes = Buffer.from(text, "base64")
  return bytes.toString("base64") === text ? new Uint8Array(bytes) : undefined
}

/** As `decode`, and also `undefined` when the result is not exactly `length` bytes. */
export const decodeExact = (text: string, length: number): Uint8Array | undefined => {
  const bytes = decode(text)
  return bytes?.length === length ? bytes : undefined
}
