import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { readFileSync } from "node:fs"
import { afterAll, beforeAll } from "vitest"
import * as CertificateChain from "../../src/domain/CertificateChain.ts"
import * as TimestampToken from "../../src/domain/TimestampToken.ts"
import * as Authority from "../fixtures/TimestampAuthority.ts"

const caFile = readFileSync(new URL("../fixtures/format/tsa/ca.pem", import.meta.url), "utf8")
const [vectorCa] = CertificateChain.readPem(caFile) ?? []

describe("CertificateChain", () => {
  it("the vector's CA is read with its name and validity", () => {
    assert.isDefined(vectorCa)
    if (vectorCa === undefined) return
    assert.strictEqual(CertificateChain.subject(vectorCa), "h5 test CA")
    assert.strictEqual(vectorCa.notBefore.toISOString(), "2026-11-21T16:53:15.000Z")
    assert.strictEqual(vectorCa.notAfter.toISOString(), "2126-10-28T16:53:15.000Z")
    assert.isFalse(CertificateChain.hasDamagedRoot([vectorCa]))
  })

  it.prop(
    "arbitrary bytes and text are never thrown at",
    [FastCheck.uint8Array(), FastCheck.fullUnicodeString(), FastCheck.base64String()],
    ([der, text, base64]) => {
      assert.isUndefined(CertificateChain.read(der))
      assert.isUndefined(CertificateChain.readPem(text))
      assert.isUndefined(
        CertificateChain.readPem(`-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`)
      )
    }
  )

  it.prop(
    "a root with any byte changed is not read, or is damaged, or is no longer self-issued",
    [FastCheck.nat({ max: (vectorCa?.der.length ?? 1) - 1 }), FastCheck.integer({ min: 1, max: 255 })],
    ([at, by]) => {
      const changed = CertificateChain.read(
        (vectorCa?.der ?? Buffer.of(0)).map((byte, i) => (i === at ? byte ^ by : byte))
      )
      if (changed === undefined || changed.x509.subject !== changed.x509.issuer) return
      assert.isTrue(CertificateChain.hasDamagedRoot([changed]))
    }
  )

  it("one unreadable certificate makes a PEM text unreadable", () => {
    assert.strictEqual(CertificateChain.readPem(`${caFile}text between\n${caFile}`)?.length, 2)
    assert.isUndefined(CertificateChain.readPem(`${caFile}${caFile.replace("MIIB", "MIIC")}`))
  })
})

describe.skipIf(!Authority.available)("CertificateChain, from a fresh token to its anchor", () => {
  const { caExtensions, note, tsaExtensions } = Authority
  let authority: Authority.Authority
  beforeAll(() => {
    authority = Authority.make()
  }, 60_000)
  afterAll(() => authority.remove())

  const pem = (name: string): string => authority.pem(name)
  const reasonOf = async (token: Uint8Array, anchors: ReadonlyArray<string>): Promise<string> => {
    const result = await TimestampToken.verify(token, note, anchors)
    return result._tag === "valid" ? "valid" : `${result._tag}: ${result.reason}`
  }

  it("several CAs in one PEM text, with text around them, are all anchors", async () => {
    const bundle = `the other\n${pem("other")}\nand the root\n${pem("root")}`
    assert.strictEqual(await reasonOf(authority.stamp("tsa"), [bundle]), "valid")
  })

  it("the signer's own certificate may be the anchor", async () => {
    assert.strictEqual(await reasonOf(authority.stamp("tsa"), [pem("tsa")]), "valid")
  })

  it("an intermediate CA is found in the token or among the anchors", async () => {
    authority.certify("mid", { extensions: caExtensions, issuer: "root" })
    authority.certify("x", { extensions: tsaExtensions, issuer: "mid" })
    const token = authority.stamp("x", { chain: "mid" })
    assert.strictEqual(await reasonOf(token, [pem("root")]), "valid")
    assert.strictEqual(await reasonOf(token, [pem("mid")]), "valid")
    assert.match(await reasonOf(authority.stamp("x"), [pem("root")]), /^untrusted: .*does not lead/)
    assert.strictEqual(await reasonOf(authority.stamp("x"), [pem("root"), pem("mid")]), "valid")
  })

  type Options = Partial<Authority.CertificateOptions>
  const badChains: ReadonlyArray<readonly [why: string, mid: Options, x: Options, reason: RegExp]> = [
    ["an intermediate that is no CA", { extensions: "basicConstraints=CA:FALSE\n" }, {}, /not a CA's/],
    ["an intermediate without constraints", { extensions: "keyUsage=keyCertSign\n" }, {}, /not a CA's/],
    [
      "an intermediate that may not sign certificates",
      { extensions: "basicConstraints=CA:TRUE\nkeyUsage=cRLSign\n" },
      {},
      /does not lead/
    ],
    [
      "an intermediate for servers only",
      { extensions: `${caExtensions}extendedKeyUsage=serverAuth\n` },
      {},
      /this purpose/
    ],
    [
      "an intermediate with name constraints",
      { extensions: `${caExtensions}nameConstraints=critical,permitted;DNS:a.example\n` },
      {},
      /critical extension/
    ],
    ["an intermediate that had expired", { to: "20210101000000Z" }, {}, /valid from 2020-01-01 to 2021-01-01/],
    ["an intermediate that is not valid yet", { from: "21190101000000Z" }, {}, /valid from 2119-01-01/],
    ["an intermediate signed with SHA-1", { digest: "sha1" }, {}, /not accepted/],
    ["a signer that had expired", {}, { to: "20210101000000Z" }, /"test x" is valid from/],
    ["a signer signed with SHA-1", {}, { digest: "sha1" }, /"test x" is signed by an algorithm/],
    [
      "a signer with an unknown critical extension",
      {},
      { extensions: `${tsaExtensions}1.2.3.4=critical,ASN1:NULL\n` },
      /1\.2\.3\.4/
    ]
  ]
  it.each(badChains)("%s makes the token untrusted", async (_, mid, x, reason) => {
    authority.certify("mid", { extensions: caExtensions, issuer: "root", ...mid })
    authority.certify("x", { extensions: tsaExtensions, issuer: "mid", ...x })
    const result = await reasonOf(authority.issue({ signer: "x", chain: ["mid"] }), [pem("root")])
    assert.match(result, reason)
    assert.match(result, /^untrusted: /)
  })

  it("a path length constraint counts the CAs between", async () => {
    authority.certify("y", { extensions: caExtensions.replace("CA:TRUE", "CA:TRUE,pathlen:0"), issuer: "root" })
    authority.certify("mid", { extensions: caExtensions, issuer: "y" })
    authority.certify("x", { extensions: tsaExtensions, issuer: "mid" })
    const long = authority.issue({ signer: "x", chain: ["mid", "y"] })
    assert.match(await reasonOf(long, [pem("root")]), /^untrusted: .*at most 0 CAs/)
    authority.certify("x", { extensions: tsaExtensions, issuer: "y" })
    assert.strictEqual(await reasonOf(authority.issue({ signer: "x", chain: ["y"] }), [pem("root")]), "valid")
  })

  it("a CA that had expired at the token's time does not vouch, one that expired later does", async () => {
    const validity = { from: "20200101000000Z", to: "20210101000000Z" }
    authority.newKey("old")
    authority.certify("old", { extensions: caExtensions, ...validity })
    authority.certify("x", { extensions: tsaExtensions, issuer: "old" })
    const late = authority.issue({ signer: "x", genTime: "20220101000000Z" })
    const inTime = authority.issue({ signer: "x", genTime: "20200601000000Z" })
    assert.match(await reasonOf(late, [pem("old")]), /^untrusted: .*valid from 2020-01-01 to 2021-01-01/)
    assert.strictEqual(await reasonOf(inTime, [pem("old")]), "valid")
  })

  it("a CA of the same name with another key does not help", async () => {
    authority.newKey("fake")
    authority.certify("fake", { extensions: caExtensions, subject: "test root" })
    assert.match(await reasonOf(authority.stamp("tsa"), [pem("fake")]), /^untrusted: .*does not lead/)
  })

  it("CAs that sign each other in a circle end the search", async () => {
    for (const name of ["a", "b"]) authority.newKey(name)
    authority.certify("a", { extensions: caExtensions, subject: "circle a" })
    authority.certify("b", { extensions: caExtensions, subject: "circle b", issuer: "a" })
    authority.certify("a2", { extensions: caExtensions, subject: "circle a", issuer: "b", key: "a" })
    authority.certify("x", { extensions: tsaExtensions, issuer: "a" })
    const token = authority.issue({ signer: "x", chain: ["a2", "b"] })
    assert.match(await reasonOf(token, [pem("root")]), /^untrusted: .*does not lead/)
  })
})
