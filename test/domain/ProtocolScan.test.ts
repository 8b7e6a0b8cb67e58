import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Either from "effect/Either"
import * as FastCheck from "fast-check"
import * as Protocol from "../../src/domain/Protocol.ts"
import * as ProtocolScan from "../../src/domain/ProtocolScan.ts"
import * as RecordData from "../../src/domain/RecordData.ts"
import * as Vectors from "../fixtures/ProtocolVectors.ts"

const ours = "run_0123456789ab"
const channels = FastCheck.constantFrom<Protocol.Channel>("shim", "runner")

/** What the complete way says of a line with its LF: type, source and canonical text; undefined for what is no event. */
const complete = (line: string, channel: Protocol.Channel) =>
  Either.match(Protocol.decode(line.slice(0, -1)), {
    onLeft: () => undefined,
    onRight: (event) => {
      const { data, source, type } = Protocol.toRecord(event, channel, ours)
      return { source, text: Either.getOrThrow(RecordData.encode(data)), type }
    }
  })

/** Whether the scanner found the line; what it says of it is what the complete way says. */
const isFound = (line: string, channel: Protocol.Channel): boolean => {
  const scanned = ProtocolScan.scan(line, 0, channel, ours)
  if (scanned === undefined) return false
  const { canonical, data, lineUnits, source, type } = scanned
  assert.strictEqual(lineUnits, line.length)
  assert.deepStrictEqual({ source, text: canonical, type }, complete(line, channel))
  assert.deepStrictEqual(JSON.stringify(data), canonical)
  return true
}

const plain = FastCheck.string({ unit: FastCheck.constantFrom("a", "Z", "0", "/", " ", "~", "!", "{", "}", ",", ":") })
const odd = FastCheck.string({ unit: FastCheck.constantFrom('"', "\\", "\u007f", "\n", "ä", "🦀", "\u2028", "x") })
const text = FastCheck.oneof({ weight: 9, arbitrary: plain }, { weight: 1, arbitrary: odd })
const number = FastCheck.oneof(
  { weight: 8, arbitrary: FastCheck.nat(999) },
  { weight: 1, arbitrary: FastCheck.maxSafeNat() },
  { weight: 1, arbitrary: FastCheck.constantFrom(-1, 0, 1.5, 1e21, 4095, 4096, 2 ** 31, 999_999_999) }
)
type Member = readonly [name: string, value: unknown]
const named = <A>(name: string, values: FastCheck.Arbitrary<A>) => values.map((value) => [name, value] as const)
const maybe = <A>(name: string, values: FastCheck.Arbitrary<A>) =>
  FastCheck.option(named(name, values), { nil: undefined })

const open = FastCheck.tuple(
  named("pid", number),
  named("path", text),
  named("flags", number),
  maybe("mode", number),
  maybe("dirfd", number),
  maybe("result", number)
)
const texts = FastCheck.array(text, { maxLength: 4 })
const exec = FastCheck.tuple(
  named("pid", number),
  named("ppid", number),
  named("path", text),
  maybe("cwd", text),
  named("argv", texts),
  maybe("env", texts),
  maybe("argc", number),
  maybe("envc", number),
  maybe("result", number)
)
const payload = FastCheck.oneof(
  open.map((members) => ["Open", members] as const),
  exec.map((members) => ["Exec", members] as const)
)
const time = FastCheck.oneof(
  FastCheck.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString()),
  FastCheck.constantFrom("2025-02-29T00:00:00.000Z", "2025-13-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z")
)

/** Lines in the encoder's order of members, most of them events. */
const lines = FastCheck.record({
  time,
  source: FastCheck.constantFrom("Shim", "Runner"),
  session: FastCheck.oneof({ weight: 9, arbitrary: FastCheck.constant(ours) }, { weight: 1, arbitrary: text }),
  agent: FastCheck.option(FastCheck.oneof(text, FastCheck.constantFrom("a".repeat(128), "a".repeat(129))), {
    nil: undefined
  }),
  payload
}).map(({ agent, payload: [type, members], session: session_id, source, time: timestamp }) => {
  const metadata = agent === undefined ? { session_id } : { session_id, agent }
  const payload = Object.fromEntries(members.flatMap<Member>((member) => (member === undefined ? [] : [member])))
  return `${JSON.stringify({ timestamp, source, event_type: type, metadata, payload })}\n`
})

describe("the scanner", () => {
  it.each([
    `"source":"Shim","event_type":"Open","metadata":{"session_id":"${ours}"},"payload":{"pid":7,"path":"a b","flags":577,"mode":438,"dirfd":3,"result":2}}`,
    `"source":"Runner","event_type":"Open","metadata":{"session_id":"${ours}"},"payload":{"pid":7,"path":"/etc/ld.so.cache","flags":524288}}`,
    `"source":"Shim","event_type":"Exec","metadata":{"session_id":"${ours}","agent":"claude"},"payload":{"pid":7,"ppid":1,"path":"/bin/ls","cwd":"/","argv":["ls","-l"],"env":["HOME=/root","_"],"argc":2,"envc":2,"result":0}}`,
    `"source":"Runner","event_type":"Exec","metadata":{"session_id":"${ours}"},"payload":{"pid":7,"ppid":1,"path":"/bin/ls","argv":[]}}`
  ])("finds what our senders write: %s", (rest) => {
    const channel = rest.startsWith('"source":"Shim"') ? "shim" : "runner"
    assert.isTrue(isFound(`{"timestamp":"2025-12-01T12:00:00.000Z",${rest}\n`, channel))
  })

  it.each(Vectors.encoded.map(({ line, name }) => [name, line] as const))("agrees about %s", (_, line) => {
    assert.isBoolean(isFound(Vectors.bytes(line).toString(), "shim"))
  })

  it.prop(
    "says what the complete way says of what it finds",
    [lines, channels],
    ([line, channel]) => {
      isFound(line, channel)
    },
    { fastCheck: { numRuns: 3000 } }
  )

  it.prop("says so of any event, too", [Arbitrary.make(Protocol.Event), channels], ([event, channel]) => {
    isFound(Protocol.encode(event), channel)
  })

  it.prop(
    "says so of lines with a part overwritten",
    [lines, channels, FastCheck.nat(), FastCheck.string({ minLength: 1, maxLength: 3 })],
    ([line, channel, at, part]) => {
      const from = at % line.length
      const changed = `${line.slice(0, from)}${part}${line.slice(from + part.length)}`
      // Nobody hands it what does not end with its only LF.
      if (changed.indexOf("\n") === changed.length - 1) isFound(changed, channel)
    },
    { fastCheck: { numRuns: 3000 } }
  )

  it("finds a line anywhere in a text, and where it ends", () => {
    const line = Protocol.encode({
      timestamp: "2025-12-01T12:00:00.000Z",
      source: "Shim",
      event_type: "Open",
      metadata: { session_id: ours },
      payload: { pid: 41, path: "/etc/hosts", flags: 0 }
    })
    const scanned = ProtocolScan.scan(`no event\n${line}${line}`, 9, "shim", ours)
    assert.strictEqual(scanned?.lineUnits, line.length)
    assert.strictEqual(scanned?.canonical, '{"at":"2025-12-01T12:00:00.000Z","flags":0,"path":"/etc/hosts","pid":41}')
    assert.isUndefined(ProtocolScan.scan(`no event\n${line}`, 8, "shim", ours))
  })

  it("takes no longer for a hostile line than for any other of its length", () => {
    const head =
      '{"timestamp":"2025-12-01T12:00:00.000Z","source":"Shim","event_type":"Exec","metadata":{"session_id":"'
    const start = `${head}${ours}"},"payload":{"pid":1,"ppid":1,"path":"/","argv":[`
    const line = `${start}${'"a",'.repeat(15_000)}x\n`
    const begin = performance.now()
    for (let at = 0; at < 20; at++) assert.isUndefined(ProtocolScan.scan(line, 0, "shim", ours))
    assert.isBelow(performance.now() - begin, 2000)
  })
})
