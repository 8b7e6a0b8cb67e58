import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Either from "effect/Either"
import * as FastCheck from "fast-check"
import * as Entry from "../../src/domain/Entry.ts"
import * as Jcs from "../../src/domain/Jcs.ts"
import * as Protocol from "../../src/domain/Protocol.ts"
import { fit } from "../../src/domain/ProtocolCut.ts"
import { alwaysFits, maxDataBytes } from "../../src/domain/ProtocolRecord.ts"
import * as RecordData from "../../src/domain/RecordData.ts"

const session = "run_0123456789ab"

const decode = (line: string): Protocol.Event => Either.getOrThrow(Protocol.decode(Buffer.from(line)))

const line = (source: string, type: string, payload: object, metadata: object = { session_id: session }): string =>
  JSON.stringify({ timestamp: "2025-12-01T12:00:00.000Z", source, event_type: type, metadata, payload })

const at = "2025-12-01T12:00:00.000Z"

/** The leaf that a record makes, in its longest form. */
const leafBytes = (data: unknown, type: string): number => {
  const text = Either.getOrThrow(RecordData.encode(data))
  const leaf = Entry.leafText(text, Entry.zeroHash, Number.MAX_SAFE_INTEGER, "runner", at, type)
  return Buffer.byteLength(leaf)
}

describe("the record of an event", () => {
  it.each([
    ["Exec", "exec", { pid: 2, ppid: 1, path: "/bin/ls", argv: ["ls", { $b64: "/w==" }], cwd: "/", env: ["HOME"] }, {}],
    ["Connect", "connect", { pid: 2, fd: 3, family: "inet", address: "127.0.0.1", port: 80, result: 111 }, {}],
    ["Open", "open", { pid: 2, path: "/etc/hosts", flags: 524288, dirfd: -1, mode: 420 }, {}],
    ["Deny", "deny", { action: "Open", rule: "/etc/*", pid: 2, path: "/etc/passwd", flags: 1, result: 1 }, {}],
    ["Deny", "deny", { action: "Signal", rule: "protected", pid: 2, call: "kill", target: -1 }, {}],
    [
      "Exit",
      "exit",
      { pid: 2, signal: 9, user_us: 1, system_us: 2, max_rss_kib: 3, minor_faults: 4, major_faults: 5 },
      {}
    ],
    [
      "Start",
      "container",
      { pid: 2, mode: "shim", asked: "hybrid", reasons: ["EBUSY"], supervisor_pid: 1 },
      { action: "supervised" }
    ],
    ["Drop", "drop", { pid: 2, count: 7, reason: "slow" }, {}]
  ] as const)("of %s is %s and has all members of the payload", (type, recordType, payload, more) => {
    const record = Protocol.toRecord(decode(line("Shim", type, payload)), "shim", session)
    assert.deepStrictEqual(record, { type: recordType, source: "shim", data: { ...payload, ...more, at } })
  })

  it("has the source of its channel and says what the event claimed to be", () => {
    const event = decode(line("Runner", "Drop", { pid: 2, count: 1 }))
    const forged = Protocol.toRecord(event, "shim", session)
    assert.deepStrictEqual(forged, { type: "drop", source: "shim", data: { at, claims: "Runner", count: 1, pid: 2 } })
    const real = Protocol.toRecord(event, "runner", session)
    assert.deepStrictEqual(real, { type: "drop", source: "runner", data: { at, count: 1, pid: 2 } })
    const shim = Protocol.toRecord(decode(line("Shim", "Drop", { pid: 2, count: 1 })), "runner", session)
    assert.strictEqual(shim.data["claims"], "Shim")
  })

  it("names the agent, and the session when it is another one", () => {
    const event = decode(line("Shim", "Drop", { pid: 2, count: 1 }, { session_id: "other", agent: "claude" }))
    const expected = { agent: "claude", at, count: 1, pid: 2, session: "other" }
    assert.deepStrictEqual(Protocol.toRecord(event, "shim", session).data, expected)
  })

  const channel = FastCheck.constantFrom<Protocol.Channel>("shim", "runner")

  it.prop("obeys the format, in canonical order", [Arbitrary.make(Protocol.Event), channel], ([event, channel]) => {
    const { data, source, type } = Protocol.toRecord(event, channel, session)
    const text = Either.getOrThrow(RecordData.encode(data))
    assert.strictEqual(text, Either.getOrThrow(Entry.encodeData(data)))
    assert.strictEqual(text, JSON.stringify(data))
    assert.isTrue(Entry.isType(type) && Entry.isSource(source) && !Entry.isControlType(type))
    assert.isAtMost(leafBytes(data, type), Entry.maxLeafBytes)
    for (const [name, value] of Object.entries(event.payload)) assert.deepStrictEqual(data[name], value)
  })
})

/** A line that is filled to its last byte by repeating `unit` where `@` stands. */
const filled = (type: string, payload: object, unit: string, bytes = Protocol.maxLineBytes - 1): string => {
  const [before = "", after = ""] = line("Shim", type, payload, { session_id: "s", agent: "a" }).split("@")
  const room = bytes - Buffer.byteLength(before + after)
  return `${before}${unit.repeat(Math.floor(room / Buffer.byteLength(unit)))}${after}`
}

const exec = { pid: 2, ppid: 1, path: "p", argv: ["a"] }

describe("the largest lines", () => {
  it.each([
    ["a path", "Open", { pid: 2, path: "@", flags: 0 }, "a"],
    ["a path of quotes", "Open", { pid: 2, path: "@", flags: 0 }, '\\"'],
    ["a path of control characters", "Open", { pid: 2, path: "@", flags: 0 }, "\\u0001"],
    ["a path of four-byte characters", "Open", { pid: 2, path: "@", flags: 0 }, "🦀"],
    ["a path in base64", "Open", { pid: 2, path: { $b64: "@" }, flags: 0 }, "////"],
    ["one argument", "Exec", { ...exec, argv: ["a", "@", "b", "c"] }, "a"],
    ["one argument in base64", "Exec", { ...exec, argv: [{ $b64: "@" }] }, "////"],
    ["empty arguments", "Exec", { ...exec, argv: ["@"] }, '","'],
    ["arguments of control characters", "Exec", { ...exec, argv: ["@"] }, '\\u0000","'],
    ["environment names", "Exec", { ...exec, env: ["@"] }, 'HOME","'],
    ["reasons", "Start", { pid: 2, mode: "none", asked: "full", reasons: ["@"], supervisor_pid: 1 }, "why not "],
    ["a rule", "Deny", { action: "Ptrace", rule: "@", pid: 2, call: "ptrace", target: 1 }, "é"]
  ] as const)("%s fits into a leaf, and says so where its end is missing", (_, type, payload, unit) => {
    const event = decode(filled(type, payload, unit))
    const { data, type: recordType } = Protocol.toRecord(event, "runner", session)
    const text = Either.getOrThrow(RecordData.encode(data))
    assert.strictEqual(text, Either.getOrThrow(Entry.encodeData(data)))
    assert.isAtMost(Buffer.byteLength(text), maxDataBytes)
    assert.isAtMost(leafBytes(data, recordType), Entry.maxLeafBytes)
    assert.strictEqual(
      data["truncated"] === true,
      !JSON.stringify(data).includes(JSON.stringify(event.payload).slice(-9))
    )
  })

  it("lose no more than had to go", () => {
    const event = decode(filled("Open", { pid: 2, path: "@", flags: 0 }, "a"))
    const { data } = Protocol.toRecord(event, "runner", session)
    assert.isTrue(data["truncated"])
    assert.isAbove(Buffer.byteLength(JSON.stringify(data)), maxDataBytes - 20)
  })

  it("of a length that always fits are not measured: numbers with exponents and foreign sessions included", () => {
    const numbers = '"pid":2e9,"ppid":2e9,"argc":2e9,"envc":2e9,"result":4e3'
    const start = `{"timestamp":"${at}","source":"Shim","event_type":"Exec","metadata":{"session_id":"`
    const middle = `","agent":"a"},"payload":{${numbers},"path":"p","argv":["`
    const other = "\\u0001".repeat(Protocol.maxNameUnits)
    const before = start + other + middle
    const whole = `${before}${"a".repeat(alwaysFits - before.length - 4)}"]}}`
    assert.strictEqual(whole.length, alwaysFits)
    const { data, type } = Protocol.toRecord(decode(whole), "runner", session, whole.length)
    assert.isUndefined(data["truncated"])
    assert.isAtMost(leafBytes(data, type), Entry.maxLeafBytes)
  })

  it.prop(
    "cutting leaves canonical data within any bound that is not absurd",
    [
      Arbitrary.make(Protocol.Event),
      FastCheck.integer({ min: 1500, max: 4000 }),
      FastCheck.string({ unit: "grapheme" })
    ],
    ([event, bound, text]) => {
      const { data } = Protocol.toRecord(event, "shim", session)
      const long = text.isWellFormed() ? text.repeat(100) : ""
      const bytes = { $b64: Buffer.from(long).toString("base64") }
      const larger = Object.fromEntries(
        Object.entries({ ...data, argv: [long, bytes, "x", bytes], cwd: long, path: bytes }).toSorted(([a], [b]) =>
          a < b ? -1 : 1
        )
      )
      const fitted = fit(larger, bound)
      assert.isAtMost(Buffer.byteLength(JSON.stringify(fitted)), bound)
      assert.strictEqual(Either.getOrThrow(Entry.encodeData(fitted)), Jcs.encode(fitted))
      assert.strictEqual(JSON.stringify(fitted), Jcs.encode(fitted))
    }
  )
})
