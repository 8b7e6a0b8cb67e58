import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as FastCheck from "fast-check"
import * as Fs from "node:fs"
import { source } from "../../scripts/protocolPredicate.ts"
import * as Entry from "../../src/domain/Entry.ts"
import * as Protocol from "../../src/domain/Protocol.ts"
import { isTime } from "../../src/domain/ProtocolTime.ts"
import * as Vectors from "../fixtures/ProtocolVectors.ts"

const reasonOf = (line: string | Uint8Array): string | undefined =>
  Either.match(Protocol.decode(line), { onLeft: ({ reason }) => reason, onRight: () => undefined })

const withoutLineEnd = (line: Buffer): Buffer => (line.at(-1) === 10 ? line.subarray(0, -1) : line)

const example: Protocol.Event = {
  timestamp: "2025-12-01T12:00:00.000Z",
  source: "Shim",
  event_type: "Open",
  metadata: { session_id: "run_0123456789ab" },
  payload: { pid: 41, path: "/etc/hosts", flags: 0 }
}

describe("lines that the encoder in C makes", () => {
  it.each(Vectors.encoded.map((vector) => [vector.name, vector] as const))("%s", (_, { line, malformed }) => {
    const bytes = withoutLineEnd(Vectors.bytes(line))
    const decoded = Protocol.decode(bytes)
    assert.strictEqual(Either.isLeft(decoded) ? decoded.left.reason : undefined, malformed)
    if (Either.isRight(decoded)) assert.strictEqual(Protocol.encode(decoded.right), `${bytes.toString()}\n`)
  })
})

describe("lines that anybody may send", () => {
  it.each(Vectors.sent.map((vector) => [vector.name, vector] as const))("%s", (_, { line, malformed }) => {
    const bytes = Vectors.bytes(line)
    assert.strictEqual(reasonOf(bytes), malformed)
    // A text that came from UTF-8 gets the same answer.
    if (malformed !== "not UTF-8") assert.strictEqual(reasonOf(bytes.toString()), malformed)
  })

  it("a member that should be absent is refused when it is undefined", () => {
    assert.isFalse(Protocol.guard({ ...example, payload: { ...example.payload, result: undefined } }))
  })
})

const accepts = Schema.is(Protocol.Event)
const decodes = (value: unknown): boolean =>
  Either.isRight(Schema.decodeUnknownEither(Protocol.Event, { onExcessProperty: "error" })(value))

/** Text in which everything is found that JSON, UTF-8 and UTF-16 treat differently. */
const text = FastCheck.string({
  unit: FastCheck.oneof(
    FastCheck.constantFrom("a", "\0", "\n", '"', "\\", "\u007f", "ä", "\u2028", "漢", "🦀", "\ud800", "\udc00"),
    FastCheck.string({ minLength: 1, maxLength: 1 })
  )
})

const texts = FastCheck.oneof(
  text,
  FastCheck.uint8Array({ maxLength: 20 }).map((bytes) => ({ $b64: Buffer.from(bytes).toString("base64") })),
  text.map((value) => ({ $b64: value }))
)

const number = FastCheck.oneof(
  FastCheck.integer(),
  FastCheck.nat(70_000),
  FastCheck.double(),
  FastCheck.constantFrom(0, -0, 1, 255, 256, 4095, 4096, 65_535, 65_536, 2 ** 31, 2 ** 53, Number.NaN, Infinity)
)

const member = FastCheck.oneof(
  { weight: 5, arbitrary: number },
  { weight: 5, arbitrary: texts },
  { weight: 2, arbitrary: FastCheck.array(texts, { maxLength: 4 }) },
  { weight: 1, arbitrary: FastCheck.constantFrom(true, false, null, "Exec", "inet", "Signal", "hybrid", "::1") },
  { weight: 1, arbitrary: FastCheck.jsonValue() }
)

/** Events as the Schema makes them. */
const event = Arbitrary.make(Protocol.Event)

/** Events of which one part was taken away, replaced or added. */
const mutated = FastCheck.tuple(
  event,
  FastCheck.constantFrom("", "metadata", "payload"),
  FastCheck.oneof(
    FastCheck.constantFrom("pid", "path", "argv", "env", "result", "family", "action", "mode", "timestamp", "source"),
    FastCheck.constantFrom("event_type", "payload", "metadata", "session_id", "agent", "truncated", "status", "$b64"),
    FastCheck.constantFrom("constructor", "__proto__", "0", "unknown")
  ),
  FastCheck.option(member)
).map(([value, where, name, replacement]) => {
  const copy: Record<string, unknown> = JSON.parse(JSON.stringify(value))
  const target = where === "" ? copy : copy[where]
  if (typeof target !== "object" || target === null) return copy
  if (replacement === null) Reflect.deleteProperty(target, name)
  else Object.defineProperty(target, name, { value: replacement, enumerable: true, configurable: true, writable: true })
  return copy
})

const withoutSpace = (text: string): string => text.replaceAll(/[\s();]+/g, "")

describe("the guard and the Schema", () => {
  it("the guard is what the generator makes of the Schema: else run npx tsx scripts/protocolPredicate.ts", () => {
    const file = Fs.readFileSync(new URL("../../src/domain/ProtocolPredicate.ts", import.meta.url), "utf8")
    assert.strictEqual(withoutSpace(file), withoutSpace(source))
  })

  it.prop("both accept what the Schema makes", [event], ([value]) => {
    assert.isTrue(accepts(value))
    assert.isTrue(Protocol.guard(value))
  })

  it.prop(
    "agree about events of which one part is another",
    [mutated],
    ([value]) => {
      assert.strictEqual(Protocol.guard(value), decodes(value))
      const line = JSON.stringify(value)
      const parsed: unknown = JSON.parse(line)
      assert.strictEqual(Protocol.guard(parsed), decodes(parsed))
      assert.strictEqual(Protocol.guard(parsed, line), decodes(parsed))
    },
    { fastCheck: { numRuns: 3000 } }
  )

  it.prop("agree about any JSON", [FastCheck.jsonValue()], ([value]) => {
    assert.strictEqual(Protocol.guard(value), decodes(value))
  })

  it.prop("give a reason for what they refuse, and none for the rest", [mutated], ([value]) => {
    const line = JSON.stringify(value)
    const reason = reasonOf(line)
    assert.strictEqual(reason === undefined, decodes(JSON.parse(line)))
    assert.isFalse(reason !== undefined && (/[\n\r]/.test(reason) || !reason.isWellFormed() || reason.length > 200))
  })
})

describe("the decoder", () => {
  it.prop("reads back what was encoded", [event], ([value]) => {
    const line = Protocol.encode(value)
    assert.isTrue(line.endsWith("}\n"))
    const decoded = Protocol.decode(Buffer.from(line.slice(0, -1)))
    if (Buffer.byteLength(line) > Protocol.maxLineBytes) assert.isTrue(Either.isLeft(decoded))
    else assert.deepStrictEqual(Either.getOrThrow(decoded), value)
  })

  it.prop("answers any bytes, with one line", [FastCheck.uint8Array({ maxLength: 300 })], ([bytes]) => {
    assert.match(reasonOf(bytes) ?? "none", /^[^\n]+$/)
  })

  it.prop(
    "answers any line with a part overwritten",
    [event, FastCheck.nat(), FastCheck.uint8Array({ minLength: 1, maxLength: 4 })],
    ([value, at, bytes]) => {
      const line = Buffer.from(Protocol.encode(value).slice(0, -1))
      line.set(bytes.subarray(0, line.length), at % Math.max(1, line.length - bytes.length))
      const decoded = Protocol.decode(line)
      if (Either.isRight(decoded)) assert.isTrue(decodes(decoded.right))
    }
  )
})

const digits = (max: number, width: number) => FastCheck.nat(max).map((value) => String(value).padStart(width, "0"))

describe("the time of a message", () => {
  it.prop(
    "is what an entry takes for a time",
    [digits(9999, 4), digits(13, 2), digits(32, 2), digits(25, 2), digits(61, 2), digits(61, 2), digits(999, 3)],
    ([year, month, day, hour, minute, second, milli]) => {
      const time = `${year}-${month}-${day}T${hour}:${minute}:${second}.${milli}Z`
      assert.strictEqual(isTime(time), Entry.isTime(time))
      const feb = `${year}-02-29T${hour}:${minute}:${second}.${milli}Z`
      assert.strictEqual(isTime(feb), Entry.isTime(feb))
    },
    { fastCheck: { numRuns: 2000 } }
  )

  it.prop("has no other form", [FastCheck.nat(23), FastCheck.string({ minLength: 1, maxLength: 1 })], ([at, unit]) => {
    const time = `${example.timestamp.slice(0, at)}${unit}${example.timestamp.slice(at + 1)}`
    assert.strictEqual(isTime(time), Entry.isTime(time))
    assert.isFalse(isTime(time.slice(1)))
  })
})
