import { assert, describe, it } from "@effect/vitest"
import canonicalize from "canonicalize"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Entry from "../../src/domain/Entry.ts"
import * as Jcs from "../../src/domain/Jcs.ts"
import { vectors } from "../fixtures/Vectors.ts"
import { dataArbitrary, jsonArbitrary } from "../fixtures/Arbitraries.ts"

describe("Jcs", () => {
  it("writes the RFC 8785 form of every vector", () => {
    for (const { input, canonical } of vectors.jcs) assert.strictEqual(Jcs.encode(JSON.parse(input)), canonical)
  })

  it.prop("agrees with an independent RFC 8785 implementation", [jsonArbitrary], ([value]) => {
    assert.strictEqual(Jcs.encode(value), canonicalize(value))
    assert.deepStrictEqual(Jcs.parseCanonical(Jcs.encode(value)), JSON.parse(JSON.stringify(value)))
  })

  it.prop("never takes text that is not its own canonical form", [FastCheck.string({ unit: "binary" })], ([text]) => {
    try {
      assert.strictEqual(Jcs.encode(Jcs.parseCanonical(text)), text)
    } catch (error) {
      assert.instanceOf(error, Jcs.JcsError)
    }
  })

  it("refuses nesting that would exhaust the stack, before it recurses", () => {
    assert.throws(() => Jcs.parseCanonical("[".repeat(1_000_000)), /deeper/)
    let deep: Jcs.Json = 0
    for (let at = 0; at < 100; at++) deep = [deep]
    assert.throws(() => Jcs.encode(deep), /deeper/)
  })
})

describe("Entry", () => {
  it("decodes every leaf of the vectors and writes it back byte for byte", () => {
    for (const leaf of [...vectors.five.leaves, ...vectors.rotate.leaves, ...vectors.ledger.leaves]) {
      const entry = Either.getOrThrow(Entry.decode(leaf))
      const data = Either.getOrThrow(Entry.encodeData(entry.data))
      assert.strictEqual(Entry.leafText(data, entry.prev, entry.seq, entry.source, entry.ts, entry.type), leaf)
    }
  })

  for (const { why, leaf } of vectors.leaf_reject) {
    it(`refuses a leaf with: ${why}`, () => {
      assert.isTrue(Either.isLeft(Entry.decode(leaf)))
    })
  }

  it.prop("any data that keeps the rules survives a round trip", [dataArbitrary], ([data]) => {
    const text = Either.getOrThrow(Entry.encodeData(data))
    const leaf = Entry.leafText(text, Entry.zeroHash, 7, "agent", "2026-01-02T03:04:05.000Z", "console")
    assert.deepStrictEqual(Either.getOrThrow(Entry.decode(leaf)).data, JSON.parse(JSON.stringify(data)))
  })

  it.prop("decoding hostile text never throws", [FastCheck.string({ unit: "binary" })], ([text]) => {
    Entry.decode(text)
  })

  const refused: ReadonlyArray<readonly [string, unknown]> = [
    ["a fraction", { a: 1.5 }],
    ["an integer beyond 2^53-1", { a: 2 ** 53 }],
    ["negative zero", { a: -0 }],
    ["a lone surrogate", { a: "\uD800" }],
    ["an empty member name", { "": 1 }],
    ["a member name that is not ASCII", { é: 1 }],
    ["a member name of 65 characters", { ["a".repeat(65)]: 1 }],
    ["an array instead of an object", []],
    ["nesting deeper than 32", { a: Array.from({ length: 40 }).reduce((inner) => [inner], 0) }],
    ["undefined", { a: undefined }],
    ["$b64 beside another member", { a: { $b64: "AA==", b: 1 } }],
    ["$b64 that is not canonical", { a: { $b64: "AB==" } }],
    ["$h that is not hex", { a: { $h: "00" } }],
    ["$blob without $len", { a: { $blob: "0".repeat(64) } }],
    ["$json that is not a text", { a: { $json: 1 } }]
  ]
  for (const [what, data] of refused) {
    it(`refuses data with ${what} and names the member`, () => {
      const result = Entry.encodeData(data)
      assert.isTrue(Either.isLeft(result) && result.left.message.startsWith("data"))
    })
  }

  it("takes only real instants as ts", () => {
    assert.isTrue(Entry.isTime("2024-02-29T23:59:59.999Z"))
    for (const ts of ["2023-02-29T00:00:00.000Z", "2024-01-01T24:00:00.000Z", "2024-13-01T00:00:00.000Z"]) {
      assert.isFalse(Entry.isTime(ts))
    }
  })
})
