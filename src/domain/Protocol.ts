/**
 * The collector's wire protocol: one line of JSON for each event that a sender inside the guest observed
 * (docs/protocol.md). Reads lines, writes lines, and turns events into records.
 *
 * Lines are claims of the guest: nothing here trusts them beyond their form.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as ProtocolPredicate from "./ProtocolPredicate.ts"
import * as ProtocolReason from "./ProtocolReason.ts"
import { Event } from "./ProtocolSchema.ts"

export { Event, maxNameUnits, Text } from "./ProtocolSchema.ts"
export { type Channel, toRecord } from "./ProtocolRecord.ts"

/** Longest line, in bytes with its LF. */
export const maxLineBytes = 65_536

/** The line is no event. */
export class ProtocolError extends Data.TaggedError("ProtocolError")<{
  /** One line of well-formed text that names what is wrong and quotes no value. */
  readonly reason: string
}> {
  override get message() {
    return `malformed event: ${this.reason}`
  }
}

const explain = ProtocolReason.compile(Event)

/**
 * Whether a value that `JSON.parse` returned is an event. Says exactly what the Schema says, much sooner.
 *
 * @param line the text that it was parsed from, when there is one, which came from UTF-8: a text without escapes of
 *   code units has no lone surrogates, and no string in it need be asked
 */
export const guard = (value: unknown, line?: string): value is Event =>
  ProtocolPredicate.test(value, line !== undefined && !line.includes("\\u"))

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const refuse = (reason: string) => Either.left(new ProtocolError({ reason }))

/** The text of the bytes, or undefined when they are not UTF-8. */
const textOf = (line: Uint8Array): string | undefined => {
  try {
    return utf8.decode(line)
  } catch {
    return undefined
  }
}

/** Why `JSON.parse` failed. Its own message quotes the text. */
const notJson = (text: string, error: unknown): string => {
  if (text.trim() === "") return "an empty line"
  if (text.startsWith("\uFEFF")) return "a byte order mark before the JSON"
  const isHalf = error instanceof SyntaxError && /^Unterminated|end of JSON input/u.test(error.message)
  return isHalf ? "not JSON: it ends too soon" : "not JSON"
}

const isTooLong = (text: string): boolean =>
  text.length * 3 >= maxLineBytes && Buffer.byteLength(text, "utf8") >= maxLineBytes

/**
 * Reads one line.
 *
 * @param line without its LF, at most `maxLineBytes` - 1 bytes. A string must come from bytes that were UTF-8; bytes are
 *   checked for that
 */
export const decode = (line: string | Uint8Array): Either.Either<Event, ProtocolError> => {
  if (typeof line !== "string" && line.byteLength >= maxLineBytes) return refuse(`longer than ${maxLineBytes} bytes`)
  const text = typeof line === "string" ? line : textOf(line)
  if (text === undefined) return refuse("not UTF-8")
  if (isTooLong(text)) return refuse(`longer than ${maxLineBytes} bytes`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return refuse(notJson(text, error))
  }
  return guard(value, text) ? Either.right(value) : refuse(explain(value) ?? "not an event")
}

/** The line of an event, with its LF. Members of the payload keep the order that they have. */
export const encode = (event: Event): string => {
  const { timestamp, source, event_type, metadata, payload } = event
  const { session_id, agent } = metadata
  const said = agent === undefined ? { session_id } : { session_id, agent }
  return `${JSON.stringify({ timestamp, source, event_type, metadata: said, payload })}\n`
}
