import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { createHash } from "node:crypto"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import vectors from "../fixtures/format/vectors.json" with { type: "json" }

const host = vectors.keys.host
const publicKey = new Uint8Array(Buffer.from(host.public, "hex"))

/** A vkey of any parts, with the key id that belongs to them. */
const craft = (name: string, type: ReadonlyArray<number>, key: Uint8Array): string => {
  const typed = Buffer.from([...type, ...key])
  const id = createHash("sha256").update(`${name}\n`).update(typed).digest("hex").slice(0, 8)
  return `${name}+${id}+${typed.toString("base64")}`
}

describe("Vkey", () => {
  const all = [...Object.values(vectors.keys), ...vectors.rotate.keys]
  it.each(all)("vector key $vkey is read and made again", (key) => {
    const vkey = Either.getOrThrow(Vkey.parse(key.vkey))
    assert.strictEqual(vkey.name, key.name)
    assert.strictEqual(vkey.type, Number(key.type))
    assert.strictEqual(vkey.keyId, Number.parseInt(key.key_id, 16))
    assert.deepStrictEqual(vkey.publicKey, new Uint8Array(Buffer.from(key.public, "hex")))
    assert.deepStrictEqual(Vkey.make(vkey.name, vkey.type, vkey.publicKey), vkey)
  })

  it("the installation id of the vectors is derived from the host key", () => {
    assert.strictEqual(Vkey.hostId(publicKey), vectors.install_id)
  })

  it.prop(
    "every key that is made is read back the same",
    [
      FastCheck.fullUnicodeString({ minLength: 1, maxLength: 40 }).filter(Vkey.isValidName),
      FastCheck.constantFrom(1 as const, 4 as const),
      FastCheck.uint8Array({ minLength: 32, maxLength: 32 })
    ],
    ([name, type, seed]) => {
      const vkey = Vkey.make(name, type, Ed25519.fromSeed(seed).publicKey)
      assert.deepStrictEqual(Either.getOrThrow(Vkey.parse(vkey.text)), vkey)
    }
  )

  it.prop("arbitrary text is never thrown at and never becomes a key", [FastCheck.fullUnicodeString()], ([text]) => {
    assert.isTrue(Either.isLeft(Vkey.parse(text)))
    assert.isTrue(Either.isLeft(Vkey.parse(`${text}+06f97ce7+${text}`)))
  })

  it.prop(
    "a vkey with one character changed is refused",
    [FastCheck.nat({ max: host.vkey.length - 1 }), FastCheck.fullUnicodeString({ minLength: 1, maxLength: 1 })],
    ([at, character]) => {
      FastCheck.pre(host.vkey[at] !== character)
      assert.isTrue(Either.isLeft(Vkey.parse(host.vkey.slice(0, at) + character + host.vkey.slice(at + 1))))
    }
  )

  const [name = "", id = "", ...rest] = host.vkey.split("+")
  const key = rest.join("+")
  const smallOrder = Buffer.from("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "hex")
  const refused: ReadonlyArray<readonly [why: string, text: string, reason: RegExp]> = [
    ["an empty text", "", /not of the form/],
    ["one part only", name, /not of the form/],
    ["two parts only", `${name}+${id}`, /not of the form/],
    ["an empty name", craft("", [1], publicKey), /name/],
    ["a space in the name", craft("a b", [1], publicKey), /name/],
    ["a no-break space in the name", craft("a\u00a0b", [1], publicKey), /name/],
    ["U+0085 in the name", craft("a\u0085b", [1], publicKey), /name/],
    ["U+3000 in the name", craft("a\u3000b", [1], publicKey), /name/],
    ["a line end in the name", craft("a\nb", [1], publicKey), /name/],
    ["a NUL in the name", craft("a\u0000b", [1], publicKey), /name/],
    ["a lone surrogate in the name", craft("a\ud800b", [1], publicKey), /name/],
    ["another key's id", `${name}+06f97ce8+${key}`, /does not belong/],
    ["an upper-case id", `${name}+${id.toUpperCase()}+${key}`, /lower-case/],
    ["a short id", `${name}+${id.slice(1)}+${key}`, /8 lower-case/],
    ["another name's id", `x${host.vkey}`, /does not belong/],
    ["base64 without padding", craft("n", [1], Buffer.concat([publicKey, Buffer.of(0)])).replace("=", ""), /base64/],
    ["base64 with stray bits", craft("n", [1], publicKey.subarray(1)).replace(/.=$/, "/="), /base64/],
    ["trailing white space", `${host.vkey} `, /base64/],
    ["trailing LF", `${host.vkey}\n`, /base64/],
    ["no key at all", craft("n", [], Buffer.alloc(0)), /no signature type/],
    ["ECDSA", craft("n", [2], publicKey), /0x02/],
    ["ML-DSA-44", craft("n", [6], publicKey), /0x06/],
    ["a short key", craft("n", [1], publicKey.subarray(1)), /31 bytes/],
    ["a long key", craft("n", [4], Buffer.concat([publicKey, Buffer.of(0)])), /33 bytes/],
    ["a key of small order", craft("n", [1], smallOrder), /small order/],
    ["the identity as key", craft("n", [4], Buffer.concat([Buffer.of(1), Buffer.alloc(31)])), /small order/],
    ["a y that is not reduced", craft("n", [1], Buffer.from(`f0${"ff".repeat(30)}7f`, "hex")), /canonical/],
    ["a y that is on no point", craft("n", [1], Buffer.from(`02${"00".repeat(31)}`, "hex")), /not a point/],
    ["an endless name", craft("n".repeat(5000), [1], publicKey), /longer/]
  ]
  it.each(refused)("%s is refused", (_, text, reason) => {
    const parsed = Vkey.parse(text)
    assert.isTrue(Either.isLeft(parsed))
    if (Either.isLeft(parsed)) assert.match(parsed.left.message, reason)
  })

  it("making a key with a bad name or point throws, because the caller has a bug", () => {
    assert.throws(() => Vkey.make("a b", 1, publicKey), Vkey.VkeyError)
    assert.throws(() => Vkey.make("a", 1, smallOrder), Vkey.VkeyError)
  })
})
