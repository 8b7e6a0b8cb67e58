import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Base64 from "../../src/domain/Base64.ts"

describe("Base64", () => {
  it.prop("every byte string survives encoding and decoding", [FastCheck.uint8Array()], ([bytes]) => {
    assert.deepStrictEqual(Base64.decode(Base64.encode(bytes)), bytes)
  })

  it.prop("what decodes has exactly one spelling", [FastCheck.string()], ([text]) => {
    const bytes = Base64.decode(text)
    if (bytes !== undefined) assert.strictEqual(Base64.encode(bytes), text)
  })

  it.prop(
    "the encoding of a view covers the view and nothing else",
    [FastCheck.uint8Array({ minLength: 4 })],
    ([bytes]) => {
      assert.strictEqual(Base64.encode(bytes.subarray(1, 3)), Buffer.from(bytes).subarray(1, 3).toString("base64"))
    }
  )

  const refused: ReadonlyArray<readonly [why: string, text: string]> = [
    ["padding bits that are not zero", "AB=="],
    ["padding bits that are not zero, one pad", "AAB="],
    ["missing padding", "AAA"],
    ["padding where none belongs", "AAAA===="],
    ["only padding", "="],
    ["a length of 4n + 1", "AAAAA"],
    ["the URL alphabet", "-_-_"],
    ["a space", "AA AA"],
    ["a line end", "AAAA\n"],
    ["text after padding", "AA==AAAA"],
    ["a letter outside the alphabet", "AAA\u00c0"]
  ]
  it.each(refused)("%s is refused", (_, text) => {
    assert.isUndefined(Base64.decode(text))
  })

  it("decodeExact refuses other lengths", () => {
    assert.strictEqual(Base64.decodeExact("AAAA", 3)?.length, 3)
    assert.isUndefined(Base64.decodeExact("AAAA", 4))
    assert.strictEqual(Base64.decodeExact("", 0)?.length, 0)
  })
})
