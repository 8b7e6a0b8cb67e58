/**
 * Makes the `data` of an event shorter until it fits, in a way that shows: the end of its largest member goes, and
 * `truncated` is added.
 *
 * @module
 */
import * as Jcs from "./Jcs.ts"

/** `,"truncated":true` */
const markBytes = 17

/** More than an empty text takes in an array, in either form, and what a group of base64 may cost beyond what is asked. */
const slackBytes = 16

/** Bytes of the canonical text: members are in order, and `JSON.stringify` writes the rest as RFC 8785 does. */
const bytesOf = (value: Jcs.Json): number => Buffer.byteLength(JSON.stringify(value), "utf8")

/** The text without its last `units` UTF-16 units, or one more: a surrogate pair is not split. */
const shorten = (text: string, units: number): string => {
  const kept = text.slice(0, Math.max(0, text.length - units))
  return kept.isWellFormed() ? kept : kept.slice(0, -1)
}

const cutItems = (items: ReadonlyArray<Jcs.Json>, bytes: number): ReadonlyArray<Jcs.Json> => {
  const kept = [...items]
  let left = bytes
  for (let last = kept.pop(); last !== undefined && left > 0; last = kept.pop()) {
    const size = bytesOf(last) + 1
    if (size > left + slackBytes) return [...kept, cut(last, left)]
    left -= size
  }
  return kept
}

/** The value with at least so many bytes less, or with nothing left in it. */
const cut = (value: Jcs.Json, bytes: number): Jcs.Json => {
  // Every unit takes a byte or more.
  if (typeof value === "string") return shorten(value, bytes)
  if (typeof value !== "object" || value === null) return value
  if (Jcs.isArray(value)) return cutItems(value, bytes)
  const base64 = value["$b64"]
  if (typeof base64 !== "string") return value
  // Whole groups of four, so that what stays is canonical.
  const kept = Math.max(0, base64.length - bytes)
  return { $b64: base64.slice(0, kept - (kept % 4)) }
}

/**
 * The data, or as much of it as fits into so many bytes of canonical text.
 *
 * @param data members in RFC 8785 order; values are numbers, literals, texts and arrays of texts
 */
export const fit = (data: Jcs.JsonObject, maxBytes: number): Jcs.JsonObject => {
  let fitted = data
  let bytes = bytesOf(data)
  while (bytes > maxBytes) {
    const sizes = Object.entries(fitted).map(([name, value]) => ({ name, value, size: bytesOf(value) }))
    const largest = sizes.reduce((a, b) => (b.size > a.size ? b : a))
    const shorter = { ...fitted, [largest.name]: cut(largest.value, bytes - maxBytes + markBytes), truncated: true }
    fitted = Object.fromEntries(Object.entries(shorter).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    const before = bytes
    bytes = bytesOf(fitted)
    if (bytes >= before) return fitted
  }
  return fitted
}
