/**
 * The `data` of a record on its way into a leaf: its canonical text, fast, and a form of any JSON value that fits.
 *
 * `encode` says exactly what `Entry.encodeData` says (a property test holds them together). It only takes a shorter way
 * for what nearly every record is: plain objects whose members are already in order, which `JSON.stringify` then writes
 * as RFC 8785 would.
 *
 * @module
 */
import * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as Entry from "./Entry.ts"
import * as Jcs from "./Jcs.ts"

/** What `encode` says of some data. Only made in `src/domain`, where that is known of a text. */
export type Canonical = string & Brand.Brand<"Canonical">
export const Canonical = Brand.nominal<Canonical>()

const names = /^[A-Za-z0-9_.$-]{1,64}$/
/** Names that were found valid. Bounded: a hostile sender invents names. */
const validNames = new Set<string>()
const maxValidNames = 4096

const isName = (name: string): boolean => {
  if (validNames.has(name)) return true
  if (!names.test(name)) return false
  if (validNames.size < maxValidNames) validNames.add(name)
  return true
}

const objectPrototype: unknown = Object.prototype

/** Whether `JSON.stringify` writes the value as it must be written; false also means "look closer". */
const isPlain = (value: unknown, depth: number): boolean => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0)
    case "object": {
      if (value === null) return true
      if (depth > Entry.maxDataDepth) return false
      if (Array.isArray(value)) {
        for (let at = 0; at < value.length; at++) if (!isPlain(value[at], depth + 1)) return false
        return true
      }
      if (!Jcs.isObject(value)) return false
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype !== objectPrototype && prototype !== null) return false
      let last = ""
      // Reserved members have rules of their own, and integer-like names come first in any object.
      for (const name of Object.keys(value)) {
        if (name <= last || name.startsWith("$") || !isName(name) || !isPlain(value[name], depth + 1)) return false
        last = name
      }
      return true
    }
    default:
      return false
  }
}

/**
 * The RFC 8785 text of `data`, or which member breaks format section 2.
 *
 * @param data not changed by anybody until this returns
 */
export const encode = (data: unknown): Either.Either<string, Entry.EntryError> => {
  if (Jcs.isObject(data) && isPlain(data, 1)) {
    const text = JSON.stringify(data)
    // JSON.stringify escapes lone surrogates, and nothing else, as \ud...; an escaped backslash before "ud" looks alike.
    if (!text.includes("\\ud")) return Either.right(text)
  }
  return Entry.encodeData(data)
}

/** Writes JSON without recursion: what is too deep for `data` may be too deep for `JSON.stringify`, too. */
const stringify = (root: unknown): string => {
  const parts: Array<string> = []
  // What is still to be written, last first: text as it is, or a value in a box.
  const pending: Array<string | { readonly value: unknown }> = [{ value: root }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next === "string") parts.push(next)
    else if (Array.isArray(next.value)) {
      parts.push("[")
      pending.push("]")
      for (let at = next.value.length - 1; at >= 0; at--) {
        const value: unknown = next.value[at]
        pending.push({ value })
        if (at > 0) pending.push(",")
      }
    } else if (Jcs.isObject(next.value)) {
      const members = Object.entries(next.value)
      parts.push("{")
      pending.push("}")
      for (let at = members.length - 1; at >= 0; at--) {
        const [name, value] = members[at]! // at is below length
        pending.push({ value }, `${at > 0 ? "," : ""}${JSON.stringify(name)}:`)
      }
    } else parts.push(JSON.stringify(next.value) ?? "null")
  }
  return parts.join("")
}

const asText = (value: unknown): Jcs.Json => ({ $json: stringify(value) })

/** The value as it fits at this depth, or undefined when not even its text does. */
const fitAt = (value: unknown, depth: number): Jcs.Json | undefined => {
  if (value === null || typeof value === "boolean") return value
  if (typeof value === "string" && Jcs.isWellFormed(value)) return value
  if (typeof value === "number" && Number.isSafeInteger(value) && !Object.is(value, -0)) return value
  if (depth > Entry.maxDataDepth) return undefined
  if (Array.isArray(value)) {
    const items: Array<Jcs.Json> = []
    for (let at = 0; at < value.length; at++) {
      const fitted = fitAt(value[at], depth + 1)
      if (fitted === undefined) return asText(value)
      items.push(fitted)
    }
    return items
  }
  if (!Jcs.isObject(value)) return asText(value)
  const members: Array<readonly [string, Jcs.Json]> = []
  const keys = Object.keys(value)
  // Bytes may come from anywhere. A commitment, a payload or a text in disguise may not: those are the recorder's.
  if (keys.some((name) => name === "$h" || name === "$blob" || name === "$json")) return asText(value)
  for (const name of keys) {
    const fitted = isName(name) ? fitAt(value[name], depth + 1) : undefined
    if (fitted === undefined) return asText(value)
    members.push([name, fitted])
  }
  const object = Object.fromEntries(members)
  return "$b64" in object && Either.isLeft(Entry.encodeData(object)) ? asText(value) : object
}

/**
 * A value that format section 2 allows and that says the same as `value`. The smallest part that does not fit (a
 * fraction, an object with a foreign member name, what is nested too deep, a lone surrogate, a reserved object) becomes
 * `{"$json": "<its JSON text>"}`.
 *
 * @param value what `JSON.parse` returned, or plain data
 * @param depth where the result will stand: 1 is `data` itself, 2 a member of it
 */
export const fit = (value: unknown, depth = 2): Jcs.Json => fitAt(value, depth) ?? null

/** `fit` for a whole `data`: what is no object that fits becomes `{"$json": text}`. */
export const fitObject = (value: unknown): Jcs.JsonObject => {
  const fitted = fitAt(value, 1)
  return fitted !== undefined && Jcs.isObject(fitted) ? fitted : { $json: stringify(value) }
}
