/**
 * JSON Canonicalization Scheme, RFC 8785, for values that came out of `JSON.parse` or were built from plain data.
 *
 * Strings and numbers are written by `JSON.stringify`, which is what RFC 8785 sections 3.2.2.2 and 3.2.2.3 are defined
 * by; this module adds the member order, and refuses what has no canonical form.
 *
 * @module
 */
import * as Data from "effect/Data"

/** A value that JSON can carry. */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [name: string]: Json }

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: Json
}

/** Deepest nesting that is encoded. A bundle line holds a leaf (depth 32) inside at most two more levels. */
export const maxDepth = 64

/** The value has no canonical form. */
export class JcsError extends Data.TaggedError("JcsError")<{ readonly reason: string }> {
  override get message() {
    return `not canonical JSON: ${this.reason}`
  }
}

const loneSurrogate = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/

/** Whether `text` is a sequence of Unicode scalar values, so that it has UTF-8 bytes. */
export const isWellFormed = (text: string): boolean => !loneSurrogate.test(text)

const encodeString = (text: string): string => {
  if (!isWellFormed(text)) throw new JcsError({ reason: "a string with a lone surrogate" })
  return JSON.stringify(text)
}

/** RFC 8785 section 3.2.3: members are sorted by the UTF-16 code units of their names, as `<` compares strings. */
const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const encodeAt = (value: Json, depth: number): string => {
  if (depth > maxDepth) throw new JcsError({ reason: `nesting deeper than ${maxDepth}` })
  switch (typeof value) {
    case "string":
      return encodeString(value)
    case "number":
      if (!Number.isFinite(value)) throw new JcsError({ reason: `the number ${value}` })
      return JSON.stringify(value)
    case "boolean":
      return value ? "true" : "false"
    case "object": {
      if (value === null) return "null"
      if (isArray(value)) return `[${value.map((item) => encodeAt(item, depth + 1)).join(",")}]`
      const members = Object.keys(value)
        .toSorted(byCodeUnits)
        .map((name) => `${encodeString(name)}:${encodeAt(value[name]!, depth + 1)}`)
      return `{${members.join(",")}}`
    }
    default:
      throw new JcsError({ reason: `a value of type ${typeof value}` })
  }
}

/** `Array.isArray` does not narrow a readonly array. */
export const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

/** Whether a parsed value is an object and not an array. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * The RFC 8785 text of `value`.
 *
 * @throws JcsError for lone surrogates, numbers that are not finite, and nesting deeper than `maxDepth`
 */
export const encode = (value: Json): string => encodeAt(value, 0)

/** Deepest nesting of brackets in JSON text, counted without recursion: `JSON.parse` and encoders recurse. */
export const nesting = (text: string): number => {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (inString) {
      if (unit === 0x5c) at++
      else if (unit === 0x22) inString = false
    } else if (unit === 0x22) inString = true
    else if (unit === 0x7b || unit === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (unit === 0x7d || unit === 0x5d) depth--
  }
  return deepest
}

/** `JSON.parse`, typed: it returns nothing but JSON values. */
const parse = (text: string): Json => {
  try {
    const value: Json = JSON.parse(text)
    return value
  } catch {
    throw new JcsError({ reason: "not JSON" })
  }
}

/**
 * Parses text that must be its own RFC 8785 form. This one comparison refuses duplicate names, white space, other
 * spellings of numbers and escapes, and foreign member order.
 *
 * @throws JcsError when the text is not JSON or not canonical
 */
export const parseCanonical = (text: string): Json => {
  if (nesting(text) > maxDepth) throw new JcsError({ reason: `nesting deeper than ${maxDepth}` })
  const value = parse(text)
  if (encode(value) !== text) throw new JcsError({ reason: "differs from its RFC 8785 form" })
  return value
}
