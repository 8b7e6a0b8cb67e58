/**
 * One entry of a log: the leaf encoding of agent-audit/1 and its restrictions (docs/format.md, section 2).
 *
 * The stored leaf text is the only truth: it is produced once, hashed and kept as it is, and never written again from
 * parsed values in order to be verified.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Jcs from "./Jcs.ts"

/** Largest leaf, in bytes: tlog-tiles stores an entry behind a uint16 length. */
export const maxLeafBytes = 65_535

/** Deepest nesting of `data`, which is itself depth 1. */
export const maxDataDepth = 32

/** `prev` of the first entry. */
export const zeroHash = "0".repeat(64)

/** A decoded leaf. */
export interface Entry {
  readonly data: Jcs.JsonObject
  /** Leaf hash of the entry before, 64 lower-case hex digits. */
  readonly prev: string
  /** 0-based index of the leaf. */
  readonly seq: number
  /** Set by the recorder from the channel, never by the message. */
  readonly source: string
  /** `YYYY-MM-DDTHH:MM:SS.mmmZ`. */
  readonly ts: string
  readonly type: string
}

/** A leaf, or the data meant for one, that the format does not allow. */
export class EntryError extends Data.TaggedError("EntryError")<{
  /** The member at fault, such as `data.ms`, or `leaf` for the whole. */
  readonly member: string
  readonly reason: string
}> {
  override get message() {
    return `${this.member}: ${this.reason}`
  }
}

const refuse = (member: string, reason: string) => Either.left(new EntryError({ member, reason }))

const names = /^[A-Za-z0-9_.$-]{1,64}$/
const hex64 = /^[0-9a-f]{64}$/
const sourceForm = /^[a-z][a-z0-9_-]{0,31}$/
const typeForm = /^[a-z][a-z0-9_.-]{0,63}$/
const timeForm = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/
const memberNames = "data,prev,seq,source,ts,type"

/** Whether a type belongs to the recorder alone. */
export const isControlType = (type: string): boolean => type.startsWith("log.") || type.startsWith("run.")

/** Whether `source` is a name that the format allows. */
export const isSource = (source: string): boolean => sourceForm.test(source)

/** Whether `type` is a name that the format allows. */
export const isType = (type: string): boolean => typeForm.test(type)

/** Whether `ts` is a real instant in the one form that the format allows. */
export const isTime = (ts: string): boolean => {
  if (!timeForm.test(ts)) return false
  const millis = Date.parse(ts)
  // Date.parse takes the 30th of February and 24:00 for later instants: only a round trip shows a real date.
  return !Number.isNaN(millis) && new Date(millis).toISOString() === ts
}

const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const isCanonicalBase64 = (text: string): boolean =>
  base64Form.test(text) && Buffer.from(text, "base64").toString("base64") === text

/** Reserved objects have exactly the members given here. Returns what is wrong, or undefined. */
const reservedError = (value: Jcs.JsonObject, keys: ReadonlyArray<string>): string | undefined => {
  const only = (...expected: ReadonlyArray<string>) => keys.length === expected.length
  if (Object.hasOwn(value, "$b64")) {
    const body = value["$b64"]
    return only("$b64") && typeof body === "string" && isCanonicalBase64(body) ? undefined : "$b64 is not base64"
  }
  if (Object.hasOwn(value, "$h")) {
    const body = value["$h"]
    return only("$h") && typeof body === "string" && hex64.test(body) ? undefined : "$h is not a SHA-256 in hex"
  }
  if (Object.hasOwn(value, "$blob")) {
    const body = value["$blob"]
    const length = value["$len"]
    const isLength = typeof length === "number" && Number.isSafeInteger(length) && length >= 0
    return only("$blob", "$len") && typeof body === "string" && hex64.test(body) && isLength
      ? undefined
      : "$blob needs a SHA-256 in hex and its $len"
  }
  if (Object.hasOwn(value, "$json")) {
    return only("$json") && typeof value["$json"] === "string" ? undefined : "$json is not a text"
  }
  return undefined
}

/** What is wrong with a value inside `data`, or undefined. */
const valueError = (value: unknown, member: string, depth: number): EntryError | undefined => {
  const error = (reason: string) => new EntryError({ member, reason })
  switch (typeof value) {
    case "string":
      return Jcs.isWellFormed(value) ? undefined : error("a string with a lone surrogate")
    case "boolean":
      return undefined
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0)
        ? undefined
        : error("not an integer between -(2^53-1) and 2^53-1")
    case "object": {
      if (value === null) return undefined
      if (depth > maxDataDepth) return error(`nested deeper than ${maxDataDepth}`)
      if (Array.isArray(value)) {
        for (let at = 0; at < value.length; at++) {
          const wrong = valueError(value[at], `${member}[${at}]`, depth + 1)
          if (wrong) return wrong
        }
        return undefined
      }
      if (!Jcs.isObject(value)) return error("not a JSON value")
      const object = value
      const keys = Object.keys(object)
      for (const name of keys) {
        if (!names.test(name)) return error(`member name ${JSON.stringify(name)} is not [A-Za-z0-9_.$-]{1,64}`)
        const wrong = valueError(object[name], `${member}.${name}`, depth + 1)
        if (wrong) return wrong
      }
      const reserved = reservedError(object, keys)
      return reserved === undefined ? undefined : error(reserved)
    }
    default:
      return error(`a value of type ${typeof value}`)
  }
}

/** Checks `data` against the restrictions and returns its RFC 8785 text. */
export const encodeData = (data: unknown): Either.Either<string, EntryError> => {
  if (!Jcs.isObject(data)) return refuse("data", "not an object")
  const wrong = valueError(data, "data", 1)
  return wrong ? Either.left(wrong) : Either.right(Jcs.encode(data))
}

/**
 * The canonical leaf text. Members are in RFC 8785 order by construction.
 *
 * @param dataText RFC 8785 text of `data`, from `encodeData`
 */
export const leafText = (
  dataText: string,
  prev: string,
  seq: number,
  source: string,
  ts: string,
  type: string
): string => `{"data":${dataText},"prev":"${prev}","seq":${seq},"source":"${source}","ts":"${ts}","type":"${type}"}`

/** Decodes a leaf that is known to be canonical JSON (a bundle line was already compared with its RFC 8785 form). */
export const decodeCanonical = (value: unknown, bytes: number): Either.Either<Entry, EntryError> => {
  if (!Jcs.isObject(value)) return refuse("leaf", "not an object")
  if (bytes > maxLeafBytes) return refuse("leaf", `longer than ${maxLeafBytes} bytes`)
  if (Object.keys(value).join(",") !== memberNames) return refuse("leaf", `its members are not ${memberNames}`)
  const { data, prev, seq, source, ts, type } = value
  if (!Jcs.isObject(data)) return refuse("data", "not an object")
  const wrong = valueError(data, "data", 1)
  if (wrong) return Either.left(wrong)
  if (typeof prev !== "string" || !hex64.test(prev)) return refuse("prev", "not 64 lower-case hex digits")
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0) return refuse("seq", "not a whole number")
  if (typeof source !== "string" || !isSource(source)) return refuse("source", "not [a-z][a-z0-9_-]{0,31}")
  if (typeof ts !== "string" || !isTime(ts)) return refuse("ts", "not a time of the form YYYY-MM-DDTHH:MM:SS.mmmZ")
  if (typeof type !== "string" || !isType(type)) return refuse("type", "not [a-z][a-z0-9_.-]{0,63}")
  if (isControlType(type) && source !== "recorder") {
    return refuse("source", `${type} comes from ${source}; only the recorder writes log.* and run.*`)
  }
  return Either.right({ data, prev, seq, source, ts, type })
}

/** Decodes leaf text, which must be canonical and keep every restriction. */
export const decode = (text: string): Either.Either<Entry, EntryError> => {
  const bytes = Buffer.byteLength(text, "utf8")
  if (bytes > maxLeafBytes) return refuse("leaf", `longer than ${maxLeafBytes} bytes`)
  try {
    return decodeCanonical(Jcs.parseCanonical(text), bytes)
  } catch (error) {
    if (error instanceof Jcs.JcsError) return refuse("leaf", error.reason)
    throw error
  }
}
