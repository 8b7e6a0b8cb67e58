import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Checkpoint from "../../src/domain/Checkpoint.ts"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import vectors from "../fixtures/format/vectors.json" with { type: "json" }

const root = "dgQWQRjncXNuE2531Nzi9wAiaus+Yq3xLlaVk1+FQv8="

describe("Checkpoint", () => {
  const cases = [vectors.five, vectors.rotate].flatMap(({ checkpoints, origin, roots_b64 }) =>
    checkpoints.map(({ note, size }) => ({
      note,
      origin,
      size,
      root: Object.entries(roots_b64).find(([key]) => key === String(size))?.[1]
    }))
  )
  it.each(cases)(
    "the checkpoint of $origin at size $size is read and written again",
    ({ note, origin, root, size }) => {
      const { text } = Either.getOrThrow(SignedNote.parse(note))
      const checkpoint = Either.getOrThrow(Checkpoint.parse(text))
      assert.strictEqual(checkpoint.origin, origin)
      assert.strictEqual(checkpoint.size, size)
      assert.strictEqual(Buffer.from(checkpoint.root).toString("base64"), root)
      assert.strictEqual(Checkpoint.encode(checkpoint), text)
    }
  )

  it("the ledger's checkpoint is read", () => {
    const { text } = Either.getOrThrow(SignedNote.parse(vectors.ledger.checkpoint))
    const checkpoint = Either.getOrThrow(Checkpoint.parse(text))
    assert.strictEqual(checkpoint.origin, vectors.ledger_origin)
    assert.strictEqual(checkpoint.size, vectors.ledger.leaves.length)
  })

  it.prop(
    "every checkpoint that is written is read back the same",
    [
      FastCheck.fullUnicodeString({ minLength: 1 }).filter((origin) => !/[^ -\u{10ffff}]/u.test(origin)),
      FastCheck.maxSafeNat(),
      FastCheck.uint8Array({ minLength: 32, maxLength: 32 })
    ],
    ([origin, size, root]) => {
      const checkpoint = { origin, size, root }
      assert.deepStrictEqual(Either.getOrThrow(Checkpoint.parse(Checkpoint.encode(checkpoint))), checkpoint)
    }
  )

  it.prop(
    "what is read has exactly one spelling, whatever the text",
    [
      FastCheck.oneof(
        FastCheck.fullUnicodeString(),
        FastCheck.string().map((s) => `${s}\n5\n${root}\n`)
      )
    ],
    ([text]) => {
      const parsed = Checkpoint.parse(text)
      if (Either.isRight(parsed)) assert.strictEqual(Checkpoint.encode(parsed.right), text)
    }
  )

  const refused: ReadonlyArray<readonly [why: string, text: string]> = [
    ["an empty text", ""],
    ["two lines", "o\n5\n"],
    ["no last LF", `o\n5\n${root}`],
    ["an extension line", `o\n5\n${root}\nextension\n`],
    ["an extension line without LF", `o\n5\n${root}\nextension`],
    ["an empty line at the end", `o\n5\n${root}\n\n`],
    ["an empty origin", `\n5\n${root}\n`],
    ["a carriage return", `o\r\n5\n${root}\n`],
    ["a tab in the origin", `o\to\n5\n${root}\n`],
    ["a leading zero", `o\n05\n${root}\n`],
    ["two zeros", `o\n00\n${root}\n`],
    ["a plus sign", `o\n+5\n${root}\n`],
    ["a negative size", `o\n-1\n${root}\n`],
    ["a fraction", `o\n5.0\n${root}\n`],
    ["an exponent", `o\n5e3\n${root}\n`],
    ["a hexadecimal size", `o\n0x5\n${root}\n`],
    ["a space in the size", `o\n 5\n${root}\n`],
    ["digits of another script", `o\n\u0665\n${root}\n`],
    ["an empty size", `o\n\n${root}\n`],
    ["a size of 2^53", `o\n9007199254740992\n${root}\n`],
    ["a size of 17 digits", `o\n10000000000000000\n${root}\n`],
    ["an empty root", "o\n5\n\n"],
    ["a root of 31 bytes", `o\n5\n${Buffer.alloc(31).toString("base64")}\n`],
    ["a root of 33 bytes", `o\n5\n${Buffer.alloc(33).toString("base64")}\n`],
    ["a root with stray bits", `o\n5\n${root.replace("8=", "9=")}\n`],
    ["a root in hexadecimal", `o\n5\n${"ab".repeat(32)}\n`]
  ]
  it.each(refused)("%s is refused", (_, text) => {
    assert.isTrue(Either.isLeft(Checkpoint.parse(text)))
  })

  it("sizes 0 and 2^53 - 1 are allowed", () => {
    for (const size of [0, Number.MAX_SAFE_INTEGER]) {
      assert.strictEqual(Either.getOrThrow(Checkpoint.parse(`o\n${size}\n${root}\n`)).size, size)
    }
  })
})
