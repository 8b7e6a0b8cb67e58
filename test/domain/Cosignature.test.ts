import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { readFileSync } from "node:fs"
import * as Cosignature from "../../src/domain/Cosignature.ts"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import vectors from "../fixtures/format/vectors.json" with { type: "json" }

const vector = vectors.five.cosignature
const witness1 = Either.getOrThrow(Vkey.parse(vectors.keys.witness1.vkey))
const witness2 = Either.getOrThrow(Vkey.parse(vectors.keys.witness2.vkey))
const seed = Buffer.from(vectors.keys.witness1.seed, "hex")
const { privateKey, publicKey } = Ed25519.fromSeed(seed)
const cosigned = Either.getOrThrow(SignedNote.parse(vector.cosigned_checkpoint))

const noteOf = (...lines: ReadonlyArray<string>): SignedNote.SignedNote =>
  Either.getOrThrow(SignedNote.parse(SignedNote.assemble(cosigned.text, lines)))
const blobOf = (line: string): Uint8Array => Either.getOrThrow(SignedNote.parseLine(line)).signature
const lineOf = (blob: Uint8Array): string => SignedNote.signatureLine(witness1.name, witness1.keyId, blob)

describe("Cosignature", () => {
  it("the vector's line is made from its seed and read back", () => {
    assert.strictEqual(Cosignature.sign(cosigned.text, witness1, privateKey, vector.time), vector.line)
    const read = Either.getOrThrow(Cosignature.parseLine(vector.line))
    assert.strictEqual(read.time, vector.time)
    assert.strictEqual(read.name, witness1.name)
    assert.isTrue(Ed25519.verify(publicKey, Buffer.from(vector.signed_message), read.signature))
  })

  it("the vector's cosigned checkpoint is witnessed by w1 and by nobody else", () => {
    assert.deepStrictEqual(Cosignature.check(cosigned, witness1), { _tag: "valid", time: vector.time })
    assert.deepStrictEqual(Cosignature.check(cosigned, witness2), { _tag: "absent" })
  })

  it("the bundle's witness lines, kept without LF, are valid for their checkpoints", () => {
    const file = readFileSync(new URL("../fixtures/format/bundles/ok-rotate.json", import.meta.url), "utf8")
    let lines = 0
    for (const text of file.split("\n").filter((line) => line.includes('"w":'))) {
      const record: { readonly c: string; readonly w: ReadonlyArray<string> } = JSON.parse(text.replace(/,$/, ""))
      const signatures = record.w.map((line) => Either.getOrThrow(SignedNote.parseLine(line)))
      const note = { text: Either.getOrThrow(SignedNote.parse(record.c)).text, signatures }
      for (const witness of [witness1, witness2]) assert.strictEqual(Cosignature.check(note, witness)._tag, "valid")
      lines += signatures.length
    }
    assert.isAbove(lines, 0)
  })

  it.prop(
    "what is signed is valid at its time, and not for another text",
    [FastCheck.string({ maxLength: 50 }), FastCheck.maxSafeNat()],
    ([tail, time]) => {
      const text = `${tail}\n`
      const signatures = [Either.getOrThrow(SignedNote.parseLine(Cosignature.sign(text, witness1, privateKey, time)))]
      assert.deepStrictEqual(Cosignature.check({ text, signatures }, witness1), { _tag: "valid", time })
      assert.deepStrictEqual(Cosignature.check({ text: `x${text}`, signatures }, witness1), { _tag: "invalid" })
      assert.strictEqual(Either.getOrThrow(Cosignature.parseLine(signatures[0]?.line ?? "")).time, time)
    }
  )

  it.prop(
    "any byte of a cosignature changed makes it invalid",
    [FastCheck.nat(), FastCheck.integer({ min: 1, max: 255 })],
    ([at, by]) => {
      const blob = blobOf(vector.line).map((byte, i, all) => (i === at % all.length ? byte ^ by : byte))
      assert.deepStrictEqual(Cosignature.check(noteOf(lineOf(blob)), witness1), { _tag: "invalid" })
    }
  )

  it.prop(
    "arbitrary lines and blobs are never thrown at",
    [FastCheck.fullUnicodeString(), FastCheck.uint8Array({ minLength: 1, maxLength: 90 })],
    ([text, blob]) => {
      assert.isTrue(Either.isLeft(Cosignature.parseLine(text)))
      assert.deepStrictEqual(Cosignature.check(noteOf(lineOf(blob)), witness1), { _tag: "invalid" })
    }
  )

  const blob = blobOf(vector.line)
  const withTime = (time: bigint): Uint8Array => {
    const changed = Buffer.from(blob)
    changed.writeBigUInt64BE(time)
    return changed
  }
  const plain = Ed25519.sign(privateKey, Buffer.from(cosigned.text))
  const attacks: ReadonlyArray<readonly [why: string, lines: ReadonlyArray<string>]> = [
    ["another time", [lineOf(withTime(BigInt(vector.time) + 1n))]],
    ["a time above 2^53 - 1", [lineOf(withTime(2n ** 53n))]],
    ["a time above 2^63 - 1", [lineOf(withTime(2n ** 64n - 1n))]],
    ["no time", [lineOf(blob.subarray(8))]],
    ["a plain note signature in its place", [lineOf(plain)]],
    ["a plain note signature after the time", [lineOf(Buffer.concat([blob.subarray(0, 8), plain]))]],
    ["a byte too many", [lineOf(Buffer.concat([blob, Buffer.of(0)]))]],
    ["a byte too few", [lineOf(blob.subarray(0, -1))]],
    ["a bad line after the good one", [vector.line, lineOf(withTime(0n))]],
    ["a bad line before the good one", [lineOf(withTime(0n)), vector.line]],
    ["another checkpoint's cosignature", [Cosignature.sign("o\n5\n", witness1, privateKey, vector.time)]]
  ]
  it.each(attacks)("%s is invalid", (_, lines) => {
    assert.deepStrictEqual(Cosignature.check(noteOf(...lines), witness1), { _tag: "invalid" })
  })

  it("of two valid lines the earlier time counts", () => {
    const earlier = Cosignature.sign(cosigned.text, witness1, privateKey, 5)
    assert.deepStrictEqual(Cosignature.check(noteOf(vector.line, earlier), witness1), { _tag: "valid", time: 5 })
    assert.deepStrictEqual(Cosignature.check(noteOf(earlier, vector.line), witness1), { _tag: "valid", time: 5 })
  })

  it("a log key (type 0x01) is no witness", () => {
    const log = Vkey.make("w", 1, publicKey)
    const line = Cosignature.sign(cosigned.text, log, privateKey, 5)
    assert.deepStrictEqual(Cosignature.check(noteOf(line), log), { _tag: "absent" })
  })
})
