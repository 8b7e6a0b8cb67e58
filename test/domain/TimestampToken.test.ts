import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { readFileSync } from "node:fs"
import { afterAll, beforeAll } from "vitest"
import * as TimestampToken from "../../src/domain/TimestampToken.ts"
import * as Authority from "../fixtures/TimestampAuthority.ts"
import { algorithm, attribute, ids, oid, sha1, sha256, tlv } from "../fixtures/TimestampAuthority.ts"
import vectors from "../fixtures/format/vectors.json" with { type: "json" }

const vector = vectors.rfc3161
const tsr = new Uint8Array(Buffer.from(vector.tsr, "base64"))
const caFile = readFileSync(new URL("../fixtures/format/tsa/ca.pem", import.meta.url), "utf8")
const tagOf = async (der: Uint8Array, note: string, anchors: ReadonlyArray<string>): Promise<string> =>
  (await TimestampToken.verify(der, note, anchors))._tag

describe("TimestampToken, the vector", () => {
  it("is valid for its note under its CA, at its time, by its authority", async () => {
    const expected = { _tag: "valid", time: new Date("2026-11-21T16:53:15.000Z"), tsa: "h5 test TSA" } as const
    assert.deepStrictEqual(await TimestampToken.verify(tsr, vector.note, [vector.ca]), expected)
    assert.deepStrictEqual(await TimestampToken.verify(tsr, vector.note, [caFile]), expected)
  })

  it("claims the SHA-256 of the note and its time", () => {
    const claims = Either.getOrThrow(TimestampToken.inspect(tsr))
    assert.strictEqual(Buffer.from(claims.imprint).toString("hex"), vector.sha256)
    assert.strictEqual(claims.time.toISOString(), "2026-11-21T16:53:15.000Z")
  })

  it("is the token of the bundle", async () => {
    const bundle = readFileSync(new URL("../fixtures/format/bundles/ok-five-tsa.json", import.meta.url), "utf8")
    let tokens = 0
    for (const line of bundle.split("\n").filter((text) => text.includes('"t":['))) {
      const { c, t }: { readonly c: string; readonly t: ReadonlyArray<string> } = JSON.parse(line.replace(/,$/, ""))
      for (const token of t) {
        assert.strictEqual(await tagOf(Buffer.from(token, "base64"), c, [caFile]), "valid")
        tokens++
      }
    }
    assert.strictEqual(tokens, 1)
  })

  it("is untrusted without a CA and with what is no certificate", async () => {
    for (const anchors of [
      [],
      [""],
      ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
      [caFile, "x"]
    ]) {
      assert.strictEqual(await tagOf(tsr, vector.note, anchors), "untrusted")
    }
  })

  it("is invalid for any other text", async () => {
    const text = vector.note.split("\n\n")[0] ?? ""
    for (const note of ["", `${vector.note}\n`, vector.note.slice(0, -1), `${text}\n`]) {
      assert.deepStrictEqual(await TimestampToken.verify(tsr, note, [caFile]), {
        _tag: "invalid",
        reason: "it is a time stamp of another note"
      })
    }
  })

  it("is invalid after a change in what is signed, and after any change proves nothing else", async () => {
    const claims = await TimestampToken.verify(tsr, vector.note, [caFile])
    // Names of the embedded copy of the CA, which nothing signs once they differ, and the status beside the token.
    const unsigned = [
      [8, 9],
      [635, 656],
      [692, 713]
    ] as const
    for (let at = 0; at < tsr.length; at += 3) {
      const changed = tsr.slice()
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
      const result = await TimestampToken.verify(changed, vector.note, [caFile])
      if (result._tag === "invalid") continue
      assert.isTrue(unsigned.some(([from, to]) => at >= from && at < to))
      assert.deepStrictEqual(result, claims)
    }
  }, 60_000)

  it("is invalid when it is cut or continued anywhere", async () => {
    for (let length = 0; length < tsr.length; length += 7) {
      assert.strictEqual(await tagOf(tsr.slice(0, length), vector.note, [caFile]), "invalid")
    }
    assert.strictEqual(await tagOf(Buffer.concat([tsr, Buffer.of(0)]), vector.note, [caFile]), "invalid")
  })

  it("arbitrary bytes, and the token with any bytes overwritten, are answered and never thrown at", async () => {
    const claims = await TimestampToken.verify(tsr, vector.note, [caFile])
    const property = FastCheck.asyncProperty(
      FastCheck.uint8Array({ maxLength: 300 }),
      FastCheck.nat({ max: tsr.length }),
      async (bytes, at) => {
        const spliced = Buffer.from(tsr)
        spliced.set(bytes.subarray(0, tsr.length - at), at)
        TimestampToken.inspect(bytes)
        TimestampToken.inspect(spliced)
        assert.strictEqual(await tagOf(bytes, vector.note, [caFile]), "invalid")
        const result = await TimestampToken.verify(spliced, vector.note, [caFile])
        if (result._tag !== "invalid") assert.deepStrictEqual(result, claims)
      }
    )
    await FastCheck.assert(property)
  }, 60_000)

  it("is refused unread above 64 KiB", () => {
    const read = TimestampToken.inspect(new Uint8Array(TimestampToken.maxTokenBytes + 1))
    assert.isTrue(Either.isLeft(read) && read.left.message.includes("larger than 65536 bytes"))
  })

  it("is answered at once however deep or wide the bytes are nested", async () => {
    const deep = Buffer.alloc(60_000, Buffer.from([0x30, 0x80]))
    const wide = Buffer.concat([Buffer.from([0x30, 0x82, 0xea, 0x60]), Buffer.alloc(60_000, Buffer.from([0x05, 0x00]))])
    for (const bytes of [deep, wide]) assert.strictEqual(await tagOf(bytes, vector.note, [caFile]), "invalid")
  })
})

const essV2 = (digest: Uint8Array, ...head: ReadonlyArray<Buffer>): Buffer =>
  attribute(ids.signingCertificateV2, tlv(0x30, tlv(0x30, tlv(0x30, ...head, tlv(0x04, digest)))))
const ess = (digest: Uint8Array): Buffer =>
  attribute(ids.signingCertificate, tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x04, digest)))))
const commonName = (name: string): Buffer =>
  tlv(0x30, tlv(0x31, tlv(0x30, oid("2.5.4.3"), tlv(0x0c, Buffer.from(name)))))

describe.skipIf(!Authority.available)("TimestampToken, fresh tokens", () => {
  let authority: Authority.Authority
  beforeAll(() => {
    authority = Authority.make()
  }, 60_000)
  afterAll(() => authority.remove())

  const { note } = Authority
  const pem = (name: string): string => authority.pem(name)
  const reasonOf = async (token: Uint8Array, anchors: ReadonlyArray<string>, text = note): Promise<string> => {
    const result = await TimestampToken.verify(token, text, anchors)
    return result._tag === "valid" ? "valid" : `${result._tag}: ${result.reason}`
  }

  it.each(["sha256", "sha384", "sha512"])("a %s imprint is valid under its CA and no other", async (digest) => {
    const token = authority.stamp("tsa", { digest })
    const result = await TimestampToken.verify(token, note, [pem("other"), pem("root")])
    assert.strictEqual(result._tag, "valid")
    if (result._tag === "valid") {
      assert.strictEqual(result.tsa, "test tsa")
      assert.strictEqual(result.time.getTime(), Either.getOrThrow(TimestampToken.inspect(token)).time.getTime())
    }
    assert.match(await reasonOf(token, [pem("other")]), /^untrusted: .*does not lead to a given CA/)
    assert.match(await reasonOf(token, [pem("root")], `${note}x`), /^invalid: .*another note/)
  })

  it("openssl ts -verify agrees about the note and the CA", () => {
    const written = authority.issue({ more: [essV2(sha256(authority.der("tsa")))] })
    for (const token of [authority.stamp("tsa"), written]) {
      assert.isTrue(authority.opensslAccepts(token, note, "root"))
      assert.isFalse(authority.opensslAccepts(token, note, "other"))
      assert.isFalse(authority.opensslAccepts(token, `${note}x`, "root"))
    }
  })

  it("an RSA authority is valid", async () => {
    assert.strictEqual(await reasonOf(authority.stamp("rsa"), [pem("root")]), "valid")
  })

  it("a SHA-1 imprint is invalid", async () => {
    assert.match(await reasonOf(authority.stamp("tsa", { digest: "sha1" }), [pem("root")]), /^invalid: .*imprint/)
  })

  it("an answer without a token is invalid and names the status", async () => {
    const rejected = tlv(0x30, tlv(0x30, tlv(0x02, 2)))
    assert.match(await reasonOf(rejected, [pem("root")]), /^invalid: .*status 2/)
  })

  it("a token without its certificate is invalid and says what to ask for", async () => {
    const token = authority.stamp("tsa", { certificate: false })
    assert.match(await reasonOf(token, [pem("root")]), /^invalid: .*no certificate.*ask the authority/)
  })

  const good: ReadonlyArray<readonly [why: string, token: () => Authority.TokenOptions]> = [
    ["the plain form", () => ({})],
    ["granted with modifications", () => ({ status: 1 })],
    ["a signing-certificate attribute of version 2", () => ({ more: [essV2(sha256(authority.der("tsa")))] })],
    ["one that names its hash", () => ({ more: [essV2(sha256(authority.der("tsa")), algorithm(ids.sha256))] })],
    ["a signing-certificate attribute of version 1", () => ({ more: [ess(sha1(authority.der("tsa")))] })],
    [
      "accuracy, ordering, nonce and name",
      () => ({ tstMore: [tlv(0x30, tlv(0x02, 1)), tlv(0x01, 0xff), tlv(0x02, 9), tlv(0xa0, tlv(0xa4, tlv(0x30)))] })
    ]
  ]
  it.each(good)("a token written by hand is valid: %s", async (_, token) => {
    assert.strictEqual(await reasonOf(authority.issue(token()), [pem("root")]), "valid")
  })

  const attacks: ReadonlyArray<readonly [why: string, token: () => Authority.TokenOptions, reason: RegExp]> = [
    ["a signature by another key", () => ({ signWith: "other" }), /signature is not valid/],
    ["a digest of another content", () => ({ signed: Buffer.from("other") }), /signature is not valid/],
    ["no signed attributes", () => ({ attributes: null }), /no signed attributes/],
    ["no message digest", () => ({ attributes: [attribute(ids.contentType, oid(ids.tstInfo))] }), /missing/],
    ["no content type", () => ({ attributes: [attribute(ids.messageDigest, tlv(0x04, Buffer.alloc(32)))] }), /missing/],
    [
      "two message digests",
      () => ({ more: [attribute(ids.messageDigest, tlv(0x04, Buffer.alloc(32)))] }),
      /there twice/
    ],
    [
      "two values of a message digest",
      () => ({
        attributes: [
          attribute(ids.contentType, oid(ids.tstInfo)),
          attribute(ids.messageDigest, tlv(0x04, Buffer.alloc(32)), tlv(0x04, Buffer.alloc(32)))
        ]
      }),
      /missing/
    ],
    [
      "attributes for plain data",
      () => ({
        attributes: [
          attribute(ids.contentType, oid("1.2.840.113549.1.7.1")),
          attribute(ids.messageDigest, tlv(0x04, Buffer.alloc(32)))
        ]
      }),
      /not a TSTInfo/
    ],
    ["plain data as content", () => ({ contentType: "1.2.840.113549.1.7.1" }), /not a TSTInfo/],
    [
      "another certificate named, version 2",
      () => ({ more: [essV2(sha256(authority.der("root")))] }),
      /another certificate/
    ],
    [
      "another certificate named, version 1",
      () => ({ more: [ess(sha1(authority.der("root")))] }),
      /another certificate/
    ],
    [
      "the certificate named by a hash that is not known",
      () => ({ more: [essV2(sha256(authority.der("tsa")), algorithm("1.2.3"))] }),
      /another certificate/
    ],
    [
      "an empty signing-certificate attribute",
      () => ({ more: [attribute(ids.signingCertificateV2)] }),
      /another certificate/
    ],
    ["no signer", () => ({ signers: 0 }), /exactly one signer/],
    ["two signers", () => ({ signers: 2 }), /exactly one signer/],
    ["SHA-1 as the signer's digest", () => ({ digestId: "1.3.14.3.2.26" }), /not accepted/],
    ["a list of digests without the signer's", () => ({ listedDigest: "2.16.840.1.101.3.4.2.2" }), /list of digests/],
    ["ECDSA with SHA-1", () => ({ signatureId: "1.2.840.10045.4.1" }), /not accepted/],
    ["RSA-PSS with its default, SHA-1", () => ({ signatureId: "1.2.840.113549.1.1.10" }), /not accepted/],
    ["a signer info of version 3 with a name", () => ({ signerVersion: 3 }), /not named rightly/],
    ["a signer's name in another case", () => ({ issuer: commonName("TEST ROOT") }), /another certificate|not valid/],
    ["a status of waiting", () => ({ status: 3 }), /status 3/],
    ["TSTInfo of version 2", () => ({ version: 2 }), /version 1/],
    ["a local time", () => ({ genTime: "20260601120000" }), /UTC/],
    [
      "a critical extension",
      () => ({ tstMore: [tlv(0xa1, tlv(0x30, oid("1.2.3"), tlv(0x01, 0xff), tlv(0x04)))] }),
      /critical extension/
    ],
    ["17 certificates", () => ({ chain: Array.from({ length: 16 }, () => "root") }), /more than 16 certificates/]
  ]
  it.each(attacks)("%s is invalid", async (_, token, reason) => {
    const result = await reasonOf(authority.issue(token()), [pem("root")])
    assert.match(result, reason)
    assert.match(result, /^invalid: /)
  })

  const wrongPurposes: ReadonlyArray<readonly [why: string, extensions: string]> = [
    ["no extended key usage", "keyUsage=digitalSignature\n"],
    ["an extended key usage that is not critical", "extendedKeyUsage=timeStamping\n"],
    ["server authentication", "extendedKeyUsage=critical,serverAuth\n"],
    ["time stamping and more", "extendedKeyUsage=critical,timeStamping,serverAuth\n"],
    ["any purpose", "extendedKeyUsage=critical,anyExtendedKeyUsage\n"],
    ["a key for encryption", "keyUsage=keyEncipherment\nextendedKeyUsage=critical,timeStamping\n"]
  ]
  it.each(wrongPurposes)("a signer's certificate with %s is invalid", async (_, extensions) => {
    authority.certify("x", { extensions, issuer: "root" })
    const token = authority.issue({ signer: "x" })
    assert.match(await reasonOf(token, [pem("root")]), /^invalid: its signer's certificate is not for/)
  })

  it("a name that would write to the terminal is shown without control characters", async () => {
    authority.certify("x", {
      extensions: Authority.tsaExtensions,
      issuer: "root",
      subject: "evil \u001b[31m\u202etsa"
    })
    const result = await TimestampToken.verify(authority.issue({ signer: "x" }), note, [pem("root")])
    assert.strictEqual(result._tag, "valid")
    if (result._tag === "valid") assert.match(result.tsa, /^evil [\p{L}\p{N}\p{P}\p{S} ]+tsa$/u)
  })
})
