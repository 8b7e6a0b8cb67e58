import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { createPublicKey, verify as cryptoVerify } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import vectors from "../fixtures/format/vectors.json" with { type: "json" }

const read = (note: string): SignedNote.SignedNote => Either.getOrThrow(SignedNote.parse(note))
const keyOf = ({ seed, vkey }: { readonly seed: string; readonly vkey: string }) => ({
  vkey: Either.getOrThrow(Vkey.parse(vkey)),
  privateKey: Ed25519.fromSeed(Buffer.from(seed, "hex")).privateKey
})
const host = keyOf(vectors.keys.host)
const epoch = keyOf(vectors.keys.five_epoch0)
const stranger = keyOf(vectors.keys.evil_host)
const rotateKeys = vectors.rotate.keys.map(keyOf)

describe("SignedNote", () => {
  it.each(vectors.five.checkpoints)("five: the note of size $size is the epoch key's, bit by bit", ({ note, size }) => {
    const parsed = read(note)
    assert.strictEqual(SignedNote.check(parsed, epoch.vkey), "valid")
    assert.strictEqual(SignedNote.check(parsed, host.vkey), size === 1 ? "valid" : "absent")
    assert.strictEqual(SignedNote.check(parsed, stranger.vkey), "absent")
    const signers = size === 1 ? [epoch, host] : [epoch]
    const lines = signers.map(({ privateKey, vkey }) => SignedNote.sign(parsed.text, vkey, privateKey))
    assert.sameMembers(
      lines,
      parsed.signatures.map(({ line }) => line)
    )
    assert.strictEqual(
      SignedNote.assemble(
        parsed.text,
        parsed.signatures.map(({ line }) => line)
      ),
      note
    )
  })

  it.each(vectors.rotate.checkpoints)("rotate: the note of size $size is signed by epoch $epoch", (checkpoint) => {
    const parsed = read(checkpoint.note)
    for (const [index, key] of rotateKeys.entries()) {
      assert.strictEqual(SignedNote.check(parsed, key.vkey), index === checkpoint.epoch ? "valid" : "absent")
    }
  })

  it("the ledger's note carries a valid line of the host", () => {
    assert.strictEqual(SignedNote.check(read(vectors.ledger.checkpoint), host.vkey), "valid")
  })

  it.each(["known-rotate-13.note", "known-fork-3.note"])("the kept note %s is read from its bytes", (file) => {
    const bytes = readFileSync(new URL(`../fixtures/format/bundles/${file}`, import.meta.url))
    const parsed = Either.getOrThrow(SignedNote.parse(bytes))
    assert.strictEqual(parsed.note, bytes.toString("utf8"))
    assert.isAbove(parsed.signatures.length, 0)
  })

  it("node:crypto alone verifies what is signed here", () => {
    const [line] = read(
      SignedNote.assemble("text\n", [SignedNote.sign("text\n", host.vkey, host.privateKey)])
    ).signatures
    assert.isTrue(
      cryptoVerify(null, Buffer.from("text\n"), createPublicKey(host.privateKey), line?.signature ?? new Uint8Array())
    )
  })

  const nameArbitrary = FastCheck.fullUnicodeString({ minLength: 1, maxLength: 20 }).filter(Vkey.isValidName)
  const textArbitrary = FastCheck.array(
    FastCheck.fullUnicodeString().map((line) => line.replaceAll(/[^ -\u{10ffff}]/gu, ""))
  ).map((lines) => `${lines.join("\n")}\n`)
  const linesArbitrary = FastCheck.array(
    FastCheck.record({
      name: nameArbitrary,
      keyId: FastCheck.nat({ max: 0xffffffff }),
      signature: FastCheck.uint8Array({ minLength: 1, maxLength: 100 })
    }),
    { minLength: 1, maxLength: 64 }
  )

  it.prop(
    "every note that is assembled is read back the same",
    [textArbitrary, linesArbitrary],
    ([text, signatures]) => {
      const lines = signatures.map(({ keyId, name, signature }) => SignedNote.signatureLine(name, keyId, signature))
      const note = SignedNote.assemble(text, lines)
      const expected = signatures.map((signature, i) => ({ ...signature, line: lines[i] ?? "" }))
      assert.deepEqual(read(note), { text, signatures: expected, note })
      assert.deepEqual(SignedNote.parse(Buffer.from(note, "utf8")), SignedNote.parse(note))
    }
  )

  it.prop(
    "arbitrary text and bytes are never thrown at, and what is read assembles to itself",
    [
      FastCheck.oneof(
        FastCheck.fullUnicodeString(),
        FastCheck.string16bits(),
        FastCheck.string().map((s) => `text\n\n\u2014 ${s}\n`),
        FastCheck.uint8Array()
      )
    ],
    ([source]) => {
      const parsed = SignedNote.parse(source)
      if (Either.isRight(parsed)) {
        const lines = parsed.right.signatures.map(({ line }) => line)
        assert.strictEqual(SignedNote.assemble(parsed.right.text, lines), parsed.right.note)
      }
    }
  )

  const good = vectors.five.checkpoints[1]?.note ?? ""
  it.prop(
    "a note with one character changed is refused, or not valid, or is as it was in what the signature covers",
    [FastCheck.nat({ max: good.length - 1 }), FastCheck.char16bits()],
    ([at, character]) => {
      FastCheck.pre(good[at] !== character)
      const parsed = SignedNote.parse(good.slice(0, at) + character + good.slice(at + 1))
      if (Either.isRight(parsed)) assert.notStrictEqual(SignedNote.check(parsed.right, epoch.vkey), "valid")
    }
  )

  const line = "\u2014 n AAAAAAA=\n"
  const refused: ReadonlyArray<readonly [why: string, note: string | Uint8Array, reason: RegExp]> = [
    ["an empty note", "", /no empty line/],
    ["text alone", "text\n", /no empty line/],
    ["no empty line", `text\n${line}`, /no empty line/],
    ["nothing after the empty line", "text\n\n", /no signature lines/],
    ["an empty line at the end", `text\n\n${line}\n`, /no signature lines/],
    ["no last LF", `text\n\n${line.trimEnd()}`, /does not end with LF/],
    ["text after the signatures", `text\n\n${line}more\n`, /em dash/],
    ["a hyphen for the em dash", `text\n\n- n AAAAAAA=\n`, /em dash/],
    ["no space after the em dash", `text\n\n\u2014n AAAAAAA=\n`, /em dash/],
    ["a no-break space after the em dash", `text\n\n\u2014\u00a0n AAAAAAA=\n`, /em dash/],
    ["no signature", "text\n\n\u2014 n\n", /no signature/],
    ["an empty name", "text\n\n\u2014  AAAAAAA=\n", /key name/],
    ["a plus in the name", "text\n\n\u2014 a+b AAAAAAA=\n", /key name/],
    ["a Unicode space in the name", "text\n\n\u2014 a\u2003b AAAAAAA=\n", /key name/],
    ["two spaces before the signature", "text\n\n\u2014 n  AAAAAAA=\n", /base64/],
    ["a space after the signature", "text\n\n\u2014 n AAAAAAA= \n", /base64/],
    ["base64 without padding", "text\n\n\u2014 n AAAAAAA\n", /base64/],
    ["base64 with stray bits", "text\n\n\u2014 n AAAAAAB=\n", /base64/],
    ["an empty signature", "text\n\n\u2014 n \n", /too short/],
    ["a key id alone", "text\n\n\u2014 n AAAAAA==\n", /too short/],
    ["a carriage return", `text\r\n\n${line}`, /control character/],
    ["a tab", `te\txt\n\n${line}`, /control character/],
    ["a NUL", `te\u0000xt\n\n${line}`, /control character/],
    ["an escape", `te\u001bxt\n\n${line}`, /control character/],
    ["a lone surrogate", `te\ud83dxt\n\n${line}`, /not valid Unicode/],
    ["65 signature lines", `text\n\n${line.repeat(65)}`, /more than 64/],
    ["far too many signature lines", `text\n\n${line.repeat(50_000)}`, /more than 64/],
    ["more than 1 MiB of characters", `${"x".repeat(1024 * 1024)}\n\n${line}`, /larger/],
    ["more than 1 MiB of bytes", `${"\u20ac".repeat(350_000)}\n\n${line}`, /larger/],
    ["bytes that are not UTF-8", Buffer.from([0x61, 0xff, 0x0a, 0x0a]), /not UTF-8/],
    ["an overlong encoding", Buffer.from([0x61, 0xc0, 0x8a, 0x0a, 0x0a]), /not UTF-8/]
  ]
  it.each(refused)("%s is refused", (_, note, reason) => {
    const parsed = SignedNote.parse(note)
    assert.isTrue(Either.isLeft(parsed))
    if (Either.isLeft(parsed)) assert.match(parsed.left.message, reason)
  })

  it("64 signature lines are allowed", () => {
    assert.strictEqual(read(`text\n\n${line.repeat(64)}`).signatures.length, 64)
  })

  it("text may have empty lines: the last empty line separates", () => {
    assert.strictEqual(read(`one\n\n\ntwo\n\n${line}`).text, "one\n\n\ntwo\n")
  })

  it("a byte order mark is part of the text", () => {
    assert.strictEqual(Either.getOrThrow(SignedNote.parse(Buffer.from(`\ufefft\n\n${line}`))).text, "\ufefft\n")
  })

  const text = "a text\n"
  const own = SignedNote.sign(text, host.vkey, host.privateKey)
  const { keyId, name } = host.vkey
  const bad = SignedNote.signatureLine(name, keyId, new Uint8Array(64))
  const others: ReadonlyArray<readonly [why: string, lines: ReadonlyArray<string>, "absent" | "valid" | "invalid"]> = [
    ["its own line", [own], "valid"],
    ["its own line twice", [own, own], "valid"],
    ["its own line among strangers'", [SignedNote.sign(text, stranger.vkey, stranger.privateKey), own], "valid"],
    ["a stranger's bad line before its own", [SignedNote.signatureLine("x", 7, new Uint8Array(64)), own], "valid"],
    ["only a stranger's line", [SignedNote.sign(text, stranger.vkey, stranger.privateKey)], "absent"],
    ["the same name with another id", [SignedNote.signatureLine(name, keyId ^ 1, new Uint8Array(64))], "absent"],
    ["the same id with another name", [SignedNote.signatureLine(`${name}x`, keyId, new Uint8Array(64))], "absent"],
    ["a zero signature", [bad], "invalid"],
    ["a bad line after a good one", [own, bad], "invalid"],
    ["a bad line before a good one", [bad, own], "invalid"],
    ["a signature that is too short", [SignedNote.signatureLine(name, keyId, new Uint8Array(63))], "invalid"],
    ["a signature that is too long", [SignedNote.signatureLine(name, keyId, new Uint8Array(65))], "invalid"],
    ["a signature of another text", [SignedNote.sign("b text\n", host.vkey, host.privateKey)], "invalid"],
    [
      "another key's signature under its name and id",
      [SignedNote.sign(text, host.vkey, stranger.privateKey)],
      "invalid"
    ]
  ]
  it.each(others)("a note with %s is answered", (_, lines, expected) => {
    assert.strictEqual(SignedNote.check(read(SignedNote.assemble(text, lines)), host.vkey), expected)
  })

  it("a cosignature key (type 0x04) never vouches for a note", () => {
    const witness = Vkey.make("w", 4, host.vkey.publicKey)
    const note = read(SignedNote.assemble(text, [SignedNote.sign(text, witness, host.privateKey)]))
    assert.strictEqual(SignedNote.check(note, witness), "absent")
  })

  it("one line is read with or without its LF", () => {
    assert.deepEqual(SignedNote.parseLine(own), SignedNote.parseLine(own.trimEnd()))
    assert.isTrue(Either.isLeft(SignedNote.parseLine(`${own}${own}`)))
  })
})
