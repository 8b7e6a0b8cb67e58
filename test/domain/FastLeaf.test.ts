import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Entry from "../../src/domain/Entry.ts"
import * as FastLeaf from "../../src/domain/FastLeaf.ts"
import type * as Jcs from "../../src/domain/Jcs.ts"
import { dataArbitrary } from "../fixtures/Arbitraries.ts"
import { vectors } from "../fixtures/Vectors.ts"

const prefix = "#"

interface Read extends Omit<Entry.Entry, "data"> {
  readonly chains: boolean
}

/** What the scanner reads of the only leaf in a buffer, or undefined for "don't know". */
const scan = (leaf: Uint8Array, behind = "\n"): Read | undefined => {
  const bytes = Buffer.concat([Buffer.from(prefix), leaf, Buffer.from(behind), Buffer.alloc(256)])
  const scanner = new FastLeaf.LeafScanner(bytes)
  const end = scanner.scan(prefix.length)
  if (end < 0 || end !== prefix.length + leaf.length || !scanner.prevIsHex) return undefined
  const text = (from: number, to: number) => bytes.toString("latin1", from, to)
  const prev = text(scanner.prevAt, scanner.prevAt + 64)
  return {
    prev,
    seq: scanner.seq,
    source: text(scanner.sourceAt, scanner.sourceEnd),
    ts: FastLeaf.instantText(scanner),
    type: text(scanner.typeAt, scanner.typeEnd),
    chains: scanner.prevIs(Buffer.from(prev, "hex"), 0)
  }
}

const decode = (leaf: Uint8Array): Entry.Entry | undefined => {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(leaf)
    return Either.getOrUndefined(Entry.decode(text))
  } catch {
    return undefined
  }
}

/** Accepted means: the complete decoder accepts it too, with the same members. */
const isSound = (leaf: Uint8Array): boolean => {
  const read = scan(leaf)
  if (read === undefined) return false
  const entry = decode(leaf)
  assert.isDefined(entry, `accepted: ${Buffer.from(leaf).toString("latin1")}`)
  const { data: _, ...members } = entry
  assert.deepStrictEqual(read, { ...members, chains: true })
  return true
}

const hex = FastCheck.stringMatching(/^[0-9a-f]{64}$/)
const seqs = FastCheck.oneof(FastCheck.nat(), FastCheck.maxSafeNat())
const times = FastCheck.date({ min: new Date("0000-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
const sources = FastCheck.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/)
const types = FastCheck.oneof(
  FastCheck.constantFrom("console", "network", "exec", "log.tick", "run.open", "logs", "run"),
  FastCheck.stringMatching(/^[a-z][a-z0-9_.-]{0,63}$/)
)

const leaves = FastCheck.tuple(dataArbitrary, hex, seqs, sources, times, types).map(
  ([data, prev, seq, source, time, type]) =>
    Entry.leafText(Either.getOrThrow(Entry.encodeData(data)), prev, seq, source, time.toISOString(), type)
)

const ordinary = (data: Jcs.JsonObject, ts = "2026-01-02T03:04:05.678Z") =>
  Buffer.from(
    Entry.leafText(Either.getOrThrow(Entry.encodeData(data)), "a1".repeat(32), 41, "agent", ts, "console"),
    "utf8"
  )

describe("FastLeaf", () => {
  it.prop("accepts nothing that the complete decoder refuses, and reads the same members", [leaves], ([leaf]) => {
    isSound(Buffer.from(leaf, "utf8"))
  })

  it.prop(
    "stays sound when bytes of a leaf are changed, inserted or removed",
    [
      leaves,
      FastCheck.array(
        FastCheck.tuple(
          FastCheck.nat(),
          FastCheck.constantFrom("set", "insert", "remove", "double"),
          FastCheck.oneof(
            FastCheck.integer({ min: 0, max: 255 }),
            FastCheck.constantFrom(...Buffer.from('"\\{}[],:-0'))
          )
        ),
        { minLength: 1, maxLength: 3 }
      )
    ],
    ([leaf, edits]) => {
      let bytes = Buffer.from(leaf, "utf8")
      for (const [place, kind, byte] of edits) {
        const at = place % bytes.length
        const head = bytes.subarray(0, at)
        const tail = bytes.subarray(kind === "insert" ? at : at + 1)
        const middle = kind === "remove" ? [] : kind === "double" ? [bytes[at]!, bytes[at]!] : [byte]
        bytes = Buffer.concat([head, Buffer.from(middle), tail])
      }
      isSound(bytes)
    },
    { fastCheck: { numRuns: 2000 } }
  )

  it.prop(
    "stays sound on strings of any bytes",
    [FastCheck.uint8Array({ maxLength: 12 })],
    ([raw]) => {
      const [before, after] = ordinary({ line: "@" }).toString("latin1").split("@")
      isSound(Buffer.concat([Buffer.from(before!), raw, Buffer.from(after!)]))
    },
    { fastCheck: { numRuns: 2000 } }
  )

  it("accepts what usual entries hold", () => {
    const usual: ReadonlyArray<Jcs.JsonObject> = [
      {},
      { line: "", stream: "stdout" },
      { line: 'a "quoted" C:\\path\t and \u001b[31mcolour\u001b[0m \u0000\u001f\u007f', stream: "stderr" },
      { line: "grüße — 漢字 🎉 \u2028 \ufeff", part: true },
      { argv: ["git", "status"], env: [["HOME", "/"]], pid: 41, result: -2, "exit-code": null, ok: false },
      { big: 999_999_999_999_999, small: -1, zero: 0 },
      { deep: { a: { b: { c: { d: [[{}]] } } } } }
    ]
    for (const data of usual) assert.isTrue(isSound(ordinary(data)), JSON.stringify(data))
  })

  it("leaves what is unusual to the complete decoder", () => {
    const unusual: ReadonlyArray<Jcs.JsonObject> = [
      { value: { $h: "0".repeat(64) } },
      { bytes: { $b64: "AA==" } },
      { n: 1_000_000_000_000_000 },
      { deep: [[[[[[[[[[1]]]]]]]]]] }
    ]
    for (const data of unusual) {
      const leaf = ordinary(data)
      assert.isDefined(decode(leaf))
      assert.isUndefined(scan(leaf), JSON.stringify(data))
    }
    assert.isUndefined(scan(ordinary({}, "2026-01-31T00:00:00.000Z")))
  })

  it("knows nothing of the leaves that the format refuses", () => {
    for (const { leaf, why } of vectors.leaf_reject) assert.isUndefined(scan(Buffer.from(leaf, "utf8")), why)
  })

  it("doesn't read on into the next line", () => {
    const leaf = ordinary({ line: "x" })
    for (let length = 0; length < leaf.length; length++) {
      assert.isUndefined(scan(leaf.subarray(0, length), `\n${leaf.toString("latin1")}\n`))
    }
  })

  it.prop("instants keep the order and the text of times", [times, times], ([a, b]) => {
    const [first, second] = [a.toISOString(), b.toISOString()]
    assert.strictEqual(FastLeaf.instantText(FastLeaf.instantOf(first)), first)
    const [x, y] = [FastLeaf.instantOf(first), FastLeaf.instantOf(second)]
    assert.strictEqual(x.day < y.day || (x.day === y.day && x.millis < y.millis), first < second)
  })
})
