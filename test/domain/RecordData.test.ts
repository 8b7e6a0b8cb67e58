import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Entry from "../../src/domain/Entry.ts"
import * as RecordData from "../../src/domain/RecordData.ts"
import { dataArbitrary, jsonArbitrary } from "../fixtures/Arbitraries.ts"

const nest = (depth: number): unknown => {
  let value: unknown = 1
  for (let at = 0; at < depth; at++) value = at % 2 === 0 ? [value] : { a: value }
  return value
}

const anyObject = FastCheck.oneof(
  dataArbitrary,
  FastCheck.dictionary(FastCheck.string({ maxLength: 3 }), jsonArbitrary, { maxKeys: 4 }),
  FastCheck.dictionary(FastCheck.constantFrom("$b64", "$h", "$blob", "$len", "$json", "a", "10", "9"), jsonArbitrary)
)

/** What a decoded leaf holds. */
const decoded = (text: string): unknown => JSON.parse(text)

describe("RecordData", () => {
  it.prop("the short way says what the complete one says", [anyObject], ([data]) => {
    assert.deepStrictEqual(RecordData.encode(data), Entry.encodeData(data))
  })

  it.each([
    ["a lone surrogate", { a: "\ud800" }],
    ["an escaped backslash before ud", { a: String.raw`\ud800` }],
    ["a date", { a: new Date(0) }],
    ["undefined", { a: undefined }],
    ["a function", { toJSON: () => 1 }],
    ["minus zero", { a: -0 }],
    ["a fraction", { a: 1.5 }],
    ["a hole", { a: [1, , 2] }], // oxlint-disable-line no-sparse-arrays
    ["an array", [1]],
    ["null", null],
    ["depth 32", { a: nest(31) }],
    ["depth 33", { a: nest(32) }],
    ["members out of order", { b: 1, a: 2 }],
    ["integer-like names", { "10": 1, "9": 2 }]
  ])("%s has the same answer on both ways", (_, data) => {
    assert.deepStrictEqual(RecordData.encode(data), Entry.encodeData(data))
  })

  it.prop("anything fits, and what fitted before is not changed", [jsonArbitrary], ([value]) => {
    const data = { value: RecordData.fit(value) }
    assert.isTrue(Either.isRight(RecordData.encode(data)))
    if (Either.isRight(Entry.encodeData({ value })) && !JSON.stringify(value).includes('"$')) {
      assert.deepStrictEqual(data, { value })
    }
  })

  it.prop("a whole data fits", [jsonArbitrary], ([value]) => {
    assert.isTrue(Either.isRight(RecordData.encode(RecordData.fitObject(value))))
  })

  it.each([
    [1.5, { $json: "1.5" }],
    [
      [1, 2.5],
      [1, { $json: "2.5" }]
    ],
    [{ "content type": 1, a: 2 }, { $json: '{"content type":1,"a":2}' }],
    ["\udc00", { $json: String.raw`"\udc00"` }],
    [{ $h: "0".repeat(64) }, { $json: `{"$h":"${"0".repeat(64)}"}` }],
    [{ $json: "1" }, { $json: String.raw`{"$json":"1"}` }],
    [{ $b64: "gf8A" }, { $b64: "gf8A" }],
    [{ $b64: "?" }, { $json: '{"$b64":"?"}' }]
  ])("%j becomes %j", (value, expected) => {
    assert.deepStrictEqual<unknown>(RecordData.fit(value), expected)
  })

  it("what is nested too deep becomes text at the last depth that there is, however deep it is", () => {
    for (const depth of [30, 31, 32, 33, 60, 100_000]) {
      const text = Either.getOrThrow(RecordData.encode({ a: RecordData.fit(nest(depth)) }))
      assert.isObject(decoded(text))
      assert.strictEqual(text.includes("$json"), depth > 31)
    }
  })
})
