import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import * as TlogPolicy from "../../src/domain/TlogPolicy.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import vectors from "../fixtures/format/vectors.json" with { type: "json" }

const fixture = (file: string): Uint8Array =>
  readFileSync(new URL(`../fixtures/format/bundles/${file}`, import.meta.url))
const read = (source: string | Uint8Array): TlogPolicy.TlogPolicy => Either.getOrThrow(TlogPolicy.parse(source))
const host = vectors.keys.host.vkey
const w1 = vectors.keys.witness1.vkey
const w2 = vectors.keys.witness2.vkey

/** Any number of keys, each its own. */
const keyOf = (type: Vkey.KeyType, label: number | string): Vkey.Vkey => {
  const seed = createHash("sha256").update(`policy test ${label}`).digest()
  return Vkey.make(`k.example/${label}`, type, Ed25519.fromSeed(seed).publicKey)
}
const witnesses = Array.from({ length: 12 }, (_, i) => keyOf(4, i))
const witnessLines = (count: number): string =>
  witnesses
    .slice(0, count)
    .map((vkey, i) => `witness w${i} ${vkey.text}\n`)
    .join("")
const has =
  (...indexes: ReadonlyArray<number>) =>
  (vkey: Vkey.Vkey): boolean =>
    indexes.some((i) => witnesses[i]?.text === vkey.text)

const many = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("")

describe("TlogPolicy", () => {
  it("policy.txt trusts the host and asks for both witnesses", () => {
    const policy = read(fixture("policy.txt"))
    assert.isTrue(TlogPolicy.hasLog(policy, Either.getOrThrow(Vkey.parse(host))))
    assert.isFalse(TlogPolicy.hasLog(policy, Either.getOrThrow(Vkey.parse(vectors.keys.evil_host.vkey))))
    assert.deepStrictEqual(
      policy.witnesses.map(({ name, vkey }) => [name, vkey.text]),
      [
        ["w1", w1],
        ["w2", w2]
      ]
    )
    assert.isTrue(TlogPolicy.quorumMet(policy, () => true))
    assert.isFalse(TlogPolicy.quorumMet(policy, (witness) => witness.text === w1))
    assert.isFalse(TlogPolicy.quorumMet(policy, () => false))
  })

  it("policy-nowitness.txt asks for no witness", () => {
    const policy = read(fixture("policy-nowitness.txt"))
    assert.strictEqual(policy.logs.length, 1)
    assert.isTrue(TlogPolicy.quorumMet(policy, () => false))
  })

  it("policy-other-witness.txt asks for one other witness", () => {
    const policy = read(fixture("policy-other-witness.txt"))
    assert.isFalse(TlogPolicy.quorumMet(policy, ({ text }) => text === w1 || text === w2))
    assert.isTrue(TlogPolicy.quorumMet(policy, ({ name }) => name === "witness.example/w3"))
  })

  it("a file that is one vkey trusts that log and asks for no witness", () => {
    for (const text of [host, `${host}\n`, `# my own key\n\n  ${host}\t\n`]) {
      const policy = read(text)
      assert.deepStrictEqual(
        policy.logs.map((log) => log.text),
        [host]
      )
      assert.isTrue(TlogPolicy.quorumMet(policy, () => false))
    }
  })

  it("the empty policy trusts nothing and asks for nothing", () => {
    assert.isFalse(TlogPolicy.hasLog(TlogPolicy.none, keyOf(1, "any")))
    assert.isTrue(TlogPolicy.quorumMet(TlogPolicy.none, () => false))
  })

  it("a log under another name is another log, even with the same key", () => {
    const vkey = Either.getOrThrow(Vkey.parse(host))
    const other = Vkey.make(`${vkey.name}x`, 1, vkey.publicKey)
    assert.isFalse(TlogPolicy.hasLog(read(host), other))
  })

  it("comments, empty lines, tabs, surrounding spaces, URLs and a missing last LF are allowed", () => {
    const policy = read(
      `\n \t\n# comment\n\t  # another \u00e9\nlog\t${host}  https://log.example/\n  witness W ${w1} https://w.example/  \n\tquorum\tW`
    )
    assert.strictEqual(policy.logs.length, 1)
    assert.isTrue(TlogPolicy.quorumMet(policy, ({ text }) => text === w1))
  })

  it("lines may follow the quorum line", () => {
    assert.strictEqual(read(`quorum none\nlog ${host}\nwitness a ${w1}\n`).witnesses.length, 1)
  })

  it("a witness may have any name, one with a plus or a keyword too", () => {
    const policy = read(`witness a+b ${w1}\nwitness group ${w2}\ngroup log any a+b group\nquorum log\n`)
    assert.deepStrictEqual(
      policy.witnesses.map(({ name }) => name),
      ["a+b", "group"]
    )
  })

  it("names are octets: K, the Kelvin sign and a byte that is not UTF-8 are three names", () => {
    const bytes = Buffer.concat([
      Buffer.from(`witness K ${witnesses[0]?.text}\nwitness \u212a ${witnesses[1]?.text}\nwitness `),
      Buffer.of(0xe9),
      Buffer.from(` ${witnesses[2]?.text}\nwitness \u00e9 ${witnesses[3]?.text}\nquorum `),
      Buffer.of(0xe9),
      Buffer.from("\n")
    ])
    const policy = read(bytes)
    assert.isTrue(TlogPolicy.quorumMet(policy, has(2)))
    assert.isFalse(TlogPolicy.quorumMet(policy, has(0, 1, 3)))
  })

  it("a vkey may have a name beyond ASCII", () => {
    const vkey = keyOf(1, "caf\u00e9")
    assert.isTrue(TlogPolicy.hasLog(read(`log ${vkey.text}\nquorum none\n`), vkey))
    assert.isTrue(TlogPolicy.hasLog(read(vkey.text), vkey))
  })

  const twoLevels = read(
    `${witnessLines(6)}group X 2 w0 w1 w2\ngroup Y any w3 w4 w5\ngroup both all X Y\nquorum both\n`
  )
  const answers: ReadonlyArray<readonly [who: ReadonlyArray<number>, met: boolean]> = [
    [[], false],
    [[0, 1], false],
    [[3], false],
    [[0, 3], false],
    [[0, 1, 3], true],
    [[1, 2, 5], true],
    [[0, 1, 2], false],
    [[0, 3, 4, 5], false],
    [[0, 1, 2, 3, 4, 5], true]
  ]
  it.each(answers)("two of X and one of Y: witnesses %j give %s", (who, met) => {
    assert.strictEqual(TlogPolicy.quorumMet(twoLevels, has(...who)), met)
  })

  it.prop(
    "a group of k of n is met exactly when k members are",
    [
      FastCheck.integer({ min: 1, max: 12 }),
      FastCheck.nat(),
      FastCheck.array(FastCheck.boolean(), { minLength: 12, maxLength: 12 })
    ],
    ([n, seed, who]) => {
      const k = 1 + (seed % n)
      const rule = k === n && seed % 2 === 0 ? "all" : k === 1 && seed % 2 === 0 ? "any" : String(k)
      const names = Array.from({ length: n }, (_, i) => `w${i}`).join(" ")
      const policy = read(`${witnessLines(n)}group g ${rule} ${names}\nquorum g\n`)
      const present = who.flatMap((yes, i) => (yes && i < n ? [i] : []))
      assert.strictEqual(TlogPolicy.quorumMet(policy, has(...present)), present.length >= k)
    }
  )

  it("1 024 groups in a chain, each a member of the next, are answered", () => {
    const chain = Array.from({ length: 1024 }, (_, i) => `group g${i} all ${i === 0 ? "w0" : `g${i - 1}`}\n`).join("")
    const policy = read(`${witnessLines(1)}${chain}quorum g1023\n`)
    assert.isTrue(TlogPolicy.quorumMet(policy, has(0)))
    assert.isFalse(TlogPolicy.quorumMet(policy, has(1)))
  })

  it.prop(
    "arbitrary text and octets are never thrown at",
    [
      FastCheck.oneof(
        FastCheck.fullUnicodeString(),
        FastCheck.uint8Array(),
        FastCheck.array(
          FastCheck.constantFrom(
            "log",
            "witness",
            "group",
            "quorum",
            "none",
            "all",
            "any",
            "2",
            "a",
            "b",
            host,
            w1,
            w2,
            " ",
            "\t",
            "\n",
            "#"
          )
        ).map((words) => words.join(" "))
      )
    ],
    ([source]) => {
      const parsed = TlogPolicy.parse(source)
      if (Either.isRight(parsed)) TlogPolicy.quorumMet(parsed.right, () => true)
      else assert.match(parsed.left.message, /^policy(, line \d+)?: .+$/)
    }
  )

  const [e0, e1] = witnesses.map(({ text }) => text)
  const refused: ReadonlyArray<readonly [why: string, source: string | Uint8Array, line: number, reason: RegExp]> = [
    ["an empty file", "", 0, /no quorum line/],
    ["no quorum line", `log ${host}\n`, 0, /no quorum line/],
    ["two quorum lines", "quorum none\nquorum none\n", 2, /second quorum line/],
    ["a quorum without a name", "quorum\n", 1, /expected: quorum <name>/],
    ["a quorum with two names", "quorum none none\n", 1, /expected: quorum <name>/],
    ["a quorum that is not defined", "quorum x\n", 1, /"x" is not defined/],
    ["a quorum defined later", `quorum a\nwitness a ${e0}\n`, 1, /not defined on an earlier line/],
    ["a quorum that names a key name", `witness a ${e0}\nquorum k.example/0\n`, 2, /not defined/],
    ["an unknown keyword", "quorum none\nlogs x\n", 2, /"logs" is not a keyword/],
    ["an upper-case keyword", "Quorum none\n", 1, /not a keyword/],
    ["a vkey alone among other lines", `${host}\nquorum none\n`, 1, /not a keyword/],
    ["one vkey that is a witness's", w1, 1, /type 0x04/],
    ["one vkey that is damaged", host.replace("+06f97ce7", "+06f97ce8"), 1, /key id 06f97ce8/],
    ["carriage returns", `log ${host}\r\nquorum none\r\n`, 1, /CR LF.*LF/],
    ["a carriage return within a line", "quorum \rnone\n", 1, /control character/],
    ["a NUL", "quorum none\n#\u0000\n", 2, /control character/],
    ["a DEL", "quorum none\n#\u007f\n", 2, /control character/],
    ["a vertical tab", "quorum\u000bnone\n", 1, /control character/],
    ["a byte order mark", `\ufeffquorum none\n`, 1, /not a keyword/],
    ["a no-break space as white space", "quorum\u00a0none\n", 1, /not a keyword/],
    ["a log without a key", "log\nquorum none\n", 1, /expected: log <vkey>/],
    ["a log with too much", `log ${host} url more\nquorum none\n`, 1, /expected: log <vkey>/],
    ["a log with a witness's key", `log ${w1}\nquorum none\n`, 1, /witness's key/],
    ["a log listed twice", `log ${host}\nlog ${host} url\nquorum none\n`, 2, /already used/],
    [
      "a log key under two names",
      `log ${keyOf(1, 1).text}\nlog ${Vkey.make("n", 1, keyOf(1, 1).publicKey).text}\nquorum none\n`,
      2,
      /already used/
    ],
    ["a witness without a key", "witness a\nquorum none\n", 1, /expected: witness/],
    ["a witness with a log's key", `witness a ${host}\nquorum none\n`, 1, /log's key/],
    ["a witness key under two names", `witness a ${e0}\nwitness b ${e0}\nquorum none\n`, 2, /already used/],
    ["two witnesses of one name", `witness a ${e0}\nwitness a ${e1}\nquorum none\n`, 2, /"a" is already defined/],
    ["a witness called none", `witness none ${e0}\nquorum none\n`, 1, /reserved/],
    ["a comment after a definition", `log ${host} # my log\nquorum none\n`, 1, /expected: log <vkey>/],
    ["a group called none", `witness a ${e0}\ngroup none any a\nquorum none\n`, 2, /reserved/],
    ["a group with a witness's name", `witness a ${e0}\ngroup a any a\nquorum none\n`, 2, /already defined/],
    ["a group without members", "group g any\nquorum none\n", 1, /expected: group/],
    ["a group without a rule", "group g\nquorum none\n", 1, /expected: group/],
    ["none as a member", "group g any none\nquorum none\n", 1, /"none" cannot be a member/],
    ["a member that is not defined", "group g any x\nquorum none\n", 1, /"x" is not defined/],
    ["a group within itself", `witness a ${e0}\ngroup g any a g\nquorum none\n`, 2, /"g" is not defined/],
    ["a member twice in a group", `witness a ${e0}\ngroup g 2 a a\nquorum none\n`, 2, /already a member/],
    [
      "a member of two groups",
      `witness a ${e0}\nwitness b ${e1}\ngroup g any a\ngroup h all b a\nquorum none\n`,
      4,
      /already a member/
    ],
    ["a threshold of 0", `witness a ${e0}\ngroup g 0 a\nquorum none\n`, 2, /number from 1/],
    ["a threshold above n", `witness a ${e0}\ngroup g 2 a\nquorum none\n`, 2, /2 members are asked for/],
    ["a threshold with a sign", `witness a ${e0}\ngroup g +1 a\nquorum none\n`, 2, /number from 1/],
    ["a threshold with a leading zero", `witness a ${e0}\ngroup g 01 a\nquorum none\n`, 2, /number from 1/],
    ["an upper-case rule", `witness a ${e0}\ngroup g ANY a\nquorum none\n`, 2, /number from 1/],
    ["an endless threshold", `witness a ${e0}\ngroup g ${"9".repeat(400)} a\nquorum none\n`, 2, /number from 1/],
    ["1 025 logs", `${many(1025, (i) => `log ${keyOf(1, i).text}\n`)}quorum none\n`, 1025, /more than 1024 logs/],
    [
      "1 025 witnesses",
      `${many(1025, (i) => `witness w${i} ${keyOf(4, i).text}\n`)}quorum none\n`,
      1025,
      /more than 1024 witnesses/
    ],
    [
      "1 025 groups",
      `witness a ${e0}\n${many(1025, (i) => `group g${i} any ${i === 0 ? "a" : `g${i - 1}`}\n`)}quorum none\n`,
      1026,
      /more than 1024 groups/
    ],
    ["more than 1 MiB", new Uint8Array(1024 * 1024 + 1).fill(0x0a), 0, /larger than 1048576 bytes/],
    ["more than 1 MiB once it is UTF-8", `#${"\u00e9".repeat(600_000)}`, 0, /larger than 1048576 bytes/]
  ]
  it.each(refused)("%s is refused at its line", (_, source, line, reason) => {
    const parsed = TlogPolicy.parse(source)
    assert.isTrue(Either.isLeft(parsed))
    if (Either.isLeft(parsed)) {
      assert.strictEqual(parsed.left.line, line)
      assert.match(parsed.left.message, reason)
    }
  })

  it("the error names the line for people", () => {
    assert.strictEqual(
      Either.match(TlogPolicy.parse("# c\nquorum x\n"), { onLeft: (error) => error.message, onRight: () => "" }),
      'policy, line 2: "x" is not defined on an earlier line'
    )
  })
})
