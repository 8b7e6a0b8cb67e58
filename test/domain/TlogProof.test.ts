import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Checkpoint from "../../src/domain/Checkpoint.ts"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as TlogProof from "../../src/domain/TlogProof.ts"
import vectors from "../fixtures/format/vectors.json" with { type: "json" }

const hash = FastCheck.uint8Array({ minLength: 32, maxLength: 32 })
const vector = vectors.five.tlog_proof_seq2
const sha256 = (...parts: ReadonlyArray<Uint8Array>): Buffer =>
  createHash("sha256").update(Buffer.concat(parts)).digest()

describe("TlogProof", () => {
  it("the vector is read, holds entry 2, and is written again", () => {
    const proof = Either.getOrThrow(TlogProof.parse(vector))
    assert.strictEqual(proof.index, 2)
    assert.strictEqual(Buffer.from(proof.extra ?? []).toString("utf8"), vectors.five.leaves[2])
    assert.strictEqual(TlogProof.encode(proof), vector)
  })

  it("the vector's hashes lead from its leaf to its checkpoint's root", () => {
    const { checkpoint, extra, hashes } = Either.getOrThrow(TlogProof.parse(vector))
    const note = Either.getOrThrow(SignedNote.parse(checkpoint))
    const { root, size } = Either.getOrThrow(Checkpoint.parse(note.text))
    assert.strictEqual(size, 5)
    // Entry 2 of 5: its sibling is to the right, then a pair to the left, then entry 4 to the right.
    const [sibling, left, right] = hashes
    const leaf = sha256(Buffer.of(0), extra ?? new Uint8Array())
    const pair = sha256(Buffer.of(1), leaf, sibling ?? new Uint8Array())
    const four = sha256(Buffer.of(1), left ?? new Uint8Array(), pair)
    assert.strictEqual(
      sha256(Buffer.of(1), four, right ?? new Uint8Array()).toString("hex"),
      Buffer.from(root).toString("hex")
    )
  })

  it("the ledger evidence of a bundle is read and written again", () => {
    const file = readFileSync(new URL("../fixtures/format/bundles/ok-rotate-ledger.json", import.meta.url), "utf8")
    let proofs = 0
    for (const line of file.split("\n").filter((text) => text.startsWith('{"ledger":'))) {
      const { proof }: { readonly proof: string } = JSON.parse(line.replace(/,$/, ""))
      assert.strictEqual(TlogProof.encode(Either.getOrThrow(TlogProof.parse(proof))), proof)
      proofs++
    }
    assert.isAbove(proofs, 0)
  })

  it.prop(
    "every proof that is written is read back the same",
    [
      FastCheck.option(FastCheck.uint8Array({ minLength: 1 }), { nil: undefined }),
      FastCheck.maxSafeNat(),
      FastCheck.array(hash, { maxLength: 64 }),
      FastCheck.fullUnicodeString({ minLength: 1 })
    ],
    ([extra, index, hashes, checkpoint]) => {
      const proof = extra === undefined ? { index, hashes, checkpoint } : { extra, index, hashes, checkpoint }
      assert.deepEqual(Either.getOrThrow(TlogProof.parse(TlogProof.encode(proof))), proof)
    }
  )

  it.prop(
    "arbitrary text is never thrown at, and what is read has exactly one spelling",
    [
      FastCheck.oneof(
        FastCheck.fullUnicodeString(),
        FastCheck.string().map((s) => `c2sp.org/tlog-proof@v1\n${s}\n\ncheckpoint\n`),
        FastCheck.string().map((s) => `c2sp.org/tlog-proof@v1\nindex 7\n${s}\n\ncheckpoint\n`)
      )
    ],
    ([text]) => {
      const parsed = TlogProof.parse(text)
      if (Either.isRight(parsed)) assert.strictEqual(TlogProof.encode(parsed.right), text)
    }
  )

  it("empty extra data is not written, as the format has no form for it", () => {
    const text = TlogProof.encode({ extra: new Uint8Array(), index: 0, hashes: [], checkpoint: "c" })
    assert.strictEqual(text, "c2sp.org/tlog-proof@v1\nindex 0\n\nc")
  })

  const head = "c2sp.org/tlog-proof@v1\n"
  const line = `${Buffer.alloc(32, 7).toString("base64")}\n`
  const refused: ReadonlyArray<readonly [why: string, text: string, reason: RegExp]> = [
    ["an empty text", "", /no empty line/],
    ["another version", `c2sp.org/tlog-proof@v2\nindex 0\n\nc`, /first line/],
    ["leading white space", ` ${head}index 0\n\nc`, /first line/],
    ["carriage returns", `${head.trim()}\r\nindex 0\n\nc`, /first line/],
    ["no index", `${head}\nc`, /line 2 is not/],
    ["no index after extra", `${head}extra AAAA\n\nc`, /line 3 is not/],
    ["extra after index", `${head}index 0\nextra AAAA\n\nc`, /hash 1/],
    ["two extra lines", `${head}extra AAAA\nextra AAAA\nindex 0\n\nc`, /line 3 is not/],
    ["two index lines", `${head}index 0\nindex 0\n\nc`, /hash 1/],
    ["empty extra data", `${head}extra \nindex 0\n\nc`, /extra/],
    ["extra data with stray bits", `${head}extra AB==\nindex 0\n\nc`, /extra/],
    ["a leading zero", `${head}index 07\n\nc`, /line 2 is not/],
    ["a negative index", `${head}index -1\n\nc`, /line 2 is not/],
    ["an index of 2^53", `${head}index 9007199254740992\n\nc`, /line 2 is not/],
    ["a second space", `${head}index  7\n\nc`, /line 2 is not/],
    ["a short hash", `${head}index 7\n${Buffer.alloc(31).toString("base64")}\n\nc`, /hash 1/],
    ["a bad second hash", `${head}index 7\n${line}${line.replace("c=", "d=")}\nc`, /hash 2/],
    ["65 hashes", `${head}index 7\n${line.repeat(65)}\nc`, /more than 64/],
    ["65 hashes and extra data", `${head}extra AAAA\nindex 7\n${line.repeat(65)}\nc`, /more than 64/],
    ["very many hashes", `${head}index 7\n${line.repeat(30_000)}\nc`, /more than 64/],
    ["no checkpoint", `${head}index 7\n${line}\n`, /no checkpoint/],
    ["no empty line", `${head}index 7\n${line}`, /no empty line/],
    ["an endless text", `${head}index 7\n\n${"x".repeat(2 ** 21)}`, /longer/]
  ]
  it.each(refused)("%s is refused", (_, text, reason) => {
    const parsed = TlogProof.parse(text)
    assert.isTrue(Either.isLeft(parsed))
    if (Either.isLeft(parsed)) assert.match(parsed.left.message, reason)
  })
})
