/**
 * What senders inside a guest may say, as Schemas: the collector's wire protocol (docs/protocol.md).
 *
 * Strict: a member that is not listed is an error, so that a misspelt one is noticed. Numbers are integers in stated
 * ranges. Texts are bounded by the line alone.
 *
 * @module
 */
import type * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { Plain } from "./ProtocolReason.ts"
import { isTime } from "./ProtocolTime.ts"

export { isTime }

declare global {
  interface String {
    /** Whether it has no lone surrogates. Every Node that is supported has it; the library of ES2023 does not. */
    isWellFormed(): boolean
  }
}

/** Longest `session_id` and `agent`, in UTF-16 units. */
export const maxNameUnits = 128

type Examples<A> = Arbitrary.LazyArbitrary<A>

/** A string of a form. The examples are for tests: a generator of strings would hardly meet the form. */
const matching = (description: string, holds: (value: string) => boolean, examples: Examples<string>) =>
  // Filters are called with more arguments than the value.
  Schema.String.pipe(Schema.filter((value) => holds(value), { description, [Plain]: holds, arbitrary: () => examples }))

const integer = (min: number, max: number) => {
  // -0 is no integer of RFC 8785: it would be written as 0.
  const holds = (value: number) => value >= min && value <= max && Number.isInteger(value) && !Object.is(value, -0)
  const examples: Examples<number> = (check) => check.oneof(check.integer({ min, max }), check.constantFrom(min, max))
  const description = `an integer from ${min} to ${max}`
  const jsonSchema = { type: "integer", minimum: min, maximum: max }
  return Schema.Number.pipe(
    Schema.filter(holds, { description, jsonSchema, [Plain]: holds, arbitrary: () => examples })
  )
}

const int32 = integer(-2_147_483_648, 2_147_483_647)
const natural = integer(0, Number.MAX_SAFE_INTEGER)
const processId = integer(1, 2_147_483_647)
const count = integer(0, 2_147_483_647)
/** `errno`, or 0. */
const result = integer(0, 4095)

/*
 * Forms of strings, exported for the generated predicate. `sound`: the string is known to have no lone surrogates.
 */

export const isWellFormed = (value: string, sound = false): boolean => sound || value.isWellFormed()
const text = matching("a string without lone surrogates", isWellFormed, (check) =>
  check.string({ unit: "binary", maxLength: 20 })
)

export const isName = (value: string, sound = false): boolean =>
  value.length > 0 && value.length <= maxNameUnits && isWellFormed(value, sound)
const name = matching(`a string of 1 to ${maxNameUnits} UTF-16 units`, isName, (check) =>
  check.string({ unit: "binary", minLength: 1, maxLength: 20 })
)

const timestamp = matching("a time of the form YYYY-MM-DDTHH:MM:SS.mmmZ", isTime, (check) =>
  check.integer({ min: 0, max: 253_402_300_799_999 }).map((millis) => new Date(millis).toISOString())
)

export const isAddress = (value: string) => /^[0-9a-f:.]{2,45}(?:%[0-9]{1,10})?$/.test(value)
const address = matching("an IP address in lower case", isAddress, (check) =>
  check.oneof(check.ipV4(), check.constantFrom("::", "2001:db8::1", "fe80::1%2", "::ffff:192.0.2.1"))
)

export const isCall = (value: string) => /^[a-z0-9_]{1,32}$/.test(value)
const call = matching("a name of a system call", isCall, (check) => check.constantFrom("kill", "prlimit64", "ptrace"))

export const isBase64 = (value: string) => Buffer.from(value, "base64").toString("base64") === value
const base64 = Schema.Struct({
  $b64: matching("canonical base64", isBase64, (check) =>
    check.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("base64"))
  )
})

/** Bytes from the guest: a string, or `{"$b64": ...}` where they are not UTF-8. */
export const Text = Schema.Union(text, base64)
export type Text = typeof Text.Type

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
const texts = Schema.Array(Text)
/** The sender cut something. */
const cut = { truncated: optional(Schema.Literal(true)) }

const exec = {
  pid: processId,
  ppid: count,
  path: Text,
  argv: texts,
  cwd: optional(Text),
  env: optional(texts),
  argc: optional(count),
  envc: optional(count),
  result: optional(result),
  ...cut
}

const connect = {
  pid: processId,
  fd: int32,
  family: Schema.Literal("inet", "inet6", "unix", "other"),
  address: optional(address),
  port: optional(integer(0, 65_535)),
  path: optional(Text),
  number: optional(integer(0, 65_535)),
  result: optional(result),
  ...cut
}

const open = {
  pid: processId,
  path: Text,
  flags: natural,
  mode: optional(natural),
  dirfd: optional(int32),
  result: optional(result),
  ...cut
}

const otherCall = {
  pid: processId,
  call,
  target: optional(int32),
  result: optional(result),
  ...cut
}

const mode = Schema.Literal("hybrid", "full", "shim", "none")

/** Payloads by event type; those of Deny by action. */
export const payloads = {
  Exec: Schema.Struct(exec),
  Connect: Schema.Struct(connect),
  Open: Schema.Struct(open),
  Deny: Schema.Union(
    Schema.Struct({ action: Schema.Literal("Exec"), rule: Text, ...exec }),
    Schema.Struct({ action: Schema.Literal("Connect"), rule: Text, ...connect }),
    Schema.Struct({ action: Schema.Literal("Open"), rule: Text, ...open }),
    Schema.Struct({ action: Schema.Literal("Signal", "Limit", "Ptrace", "Syscall"), rule: Text, ...otherCall })
  ),
  Exit: Schema.Struct({
    pid: processId,
    status: optional(integer(0, 255)),
    signal: optional(integer(1, 64)),
    user_us: natural,
    system_us: natural,
    max_rss_kib: natural,
    minor_faults: natural,
    major_faults: natural,
    ...cut
  }),
  Start: Schema.Struct({
    pid: processId,
    mode,
    asked: mode,
    reasons: Schema.Array(text),
    supervisor_pid: processId,
    ...cut
  }),
  Drop: Schema.Struct({
    pid: processId,
    count: integer(1, Number.MAX_SAFE_INTEGER),
    reason: optional(text),
    ...cut
  })
}

const metadata = Schema.Struct({ session_id: name, agent: optional(name) })

const event = <Type extends keyof typeof payloads>(type: Type) =>
  Schema.Struct({
    timestamp,
    source: Schema.Literal("Shim", "Runner"),
    event_type: Schema.Literal(type),
    metadata,
    payload: payloads[type]
  })

/** One message. */
export const Event = Schema.Union(
  event("Exec"),
  event("Connect"),
  event("Open"),
  event("Deny"),
  event("Exit"),
  event("Start"),
  event("Drop")
)
export type Event = typeof Event.Type
