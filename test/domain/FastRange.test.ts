import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as FastRange from "../../src/domain/FastRange.ts"
import * as FastTree from "../../src/domain/FastTree.ts"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import { Verifier } from "../../src/domain/Verifier.ts"
import * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import { logOptions } from "../fixtures/LogMutations.ts"
import * as Logs from "../fixtures/Logs.ts"

const slack = 300

/** Leaves as `takeLeaves` reads them, and where they end. */
const bufferOf = (leaves: ReadonlyArray<string>) => {
  const bytes = Buffer.from(`\n${leaves.map((leaf) => `${leaf}\n`).join("")}`, "utf8")
  return { bytes: Buffer.concat([bytes, Buffer.alloc(slack)]), end: bytes.length }
}

const hashes = (count: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: count }, (_, at) => Sha256.digest(Buffer.from(String(at))))

const latin1 = (hash: Uint8Array): string => Buffer.from(hash).toString("latin1")

/** A verifier that read the log up to `size`, in full. */
const verifierAt = (log: Logs.Log, size: number): Verifier => {
  const verifier = new Verifier(log.origin, Logs.trusting(log))
  const notes = new Map(log.notes.map(({ note, size: at }) => [at, note]))
  const nothing = { timestamps: [], witnesses: [] }
  for (const leaf of log.leaves.slice(0, size)) {
    verifier.entry(leaf)
    const note = notes.get(verifier.size)
    if (note !== undefined) verifier.checkpoint(note, nothing)
  }
  return verifier
}

const consoleLog = (count: number) =>
  Logs.buildLog({
    records: Array.from({ length: count }, (_, at) => Logs.consoleLine(`line ${at}`)),
    checkpointEvery: 1_000_000
  })

describe("FastTree", () => {
  it.prop(
    "parts that begin anywhere join to the tree that Merkle trees of whole logs have",
    [FastCheck.array(FastCheck.nat(200), { maxLength: 6 }), FastCheck.integer({ min: 1, max: 200 })],
    ([cuts, size]) => {
      const leaves = hashes(size)
      const bounds = [...new Set([0, ...cuts.filter((cut) => cut < size), size])].toSorted((a, b) => a - b)
      const whole = new MerkleTree.Accumulator()
      for (let part = 0; part + 1 < bounds.length; part++) {
        const tree = new FastTree.FastTree()
        tree.begin(bounds[part]!)
        for (const hash of leaves.slice(bounds[part], bounds[part + 1])) tree.append(latin1(hash))
        for (const { hash, width } of tree.nodes) whole.appendSubtree(hash, width)
        assert.strictEqual(tree.lastHash, Buffer.from(leaves[bounds[part + 1]! - 1]!).toString("hex"))
      }
      assert.isTrue(MerkleTree.sameHash(whole.root(), MerkleTree.root(leaves)))
    }
  )

  it.prop("goes on from any whole log", [FastCheck.nat(100), FastCheck.nat(100)], ([before, more]) => {
    const leaves = hashes(before + more)
    const first = new MerkleTree.Accumulator()
    for (const hash of leaves.slice(0, before)) first.append(hash)
    const tree = new FastTree.FastTree()
    tree.resume(first.range)
    for (const hash of leaves.slice(before)) tree.append(latin1(hash))
    const whole = new MerkleTree.Accumulator({ size: before + more, peaks: tree.nodes.map(({ hash }) => hash) })
    assert.isTrue(MerkleTree.sameHash(whole.root(), MerkleTree.root(leaves)))
  })
})

describe("FastRange", () => {
  it.prop(
    "a verifier that skips what was taken stands where one does that read it",
    [logOptions, FastCheck.nat(30)],
    ([options, start]) => {
      const log = Logs.buildLog({ ...options, rotateEvery: 1000, checkpointEvery: 1000 })
      const from = Math.min(start + 1, log.leaves.length)
      const verifier = verifierAt(log, from)
      const { bytes, end } = bufferOf(log.leaves.slice(from))
      const range = new FastRange.FastRange(bytes)
      range.resume(verifier)
      range.takeLeaves(1, end, Number.POSITIVE_INFINITY)
      const stretch = range.flush()
      if (stretch === undefined) return
      assert.isTrue(FastRange.join(verifier, { size: 0, peaks: [] }, stretch))
      const read = verifierAt(log, from + stretch.count)
      assert.strictEqual(verifier.size, read.size)
      assert.strictEqual(verifier.lastHash, read.lastHash)
      assert.strictEqual(verifier.lastTs, read.lastTs)
      assert.deepStrictEqual(verifier.range, read.range)
      assert.deepStrictEqual(bytes.subarray(0, end), bufferOf(log.leaves.slice(from)).bytes.subarray(0, end))
    }
  )

  it("stops at the size that it is told", () => {
    const log = consoleLog(20)
    const { bytes, end } = bufferOf(log.leaves.slice(1))
    const range = new FastRange.FastRange(bytes)
    range.resume(verifierAt(log, 1))
    const at = range.takeLeaves(1, end, 7)
    assert.strictEqual(range.size, 7)
    assert.strictEqual(range.flush()?.count, 6)
    assert.strictEqual(bytes.toString("utf8", at, bytes.indexOf("\n", at)), log.leaves[7])
  })

  it("a part that began without what stands before it joins only there", () => {
    const log = consoleLog(40)
    const { bytes, end } = bufferOf(log.leaves.slice(17, 30))
    const range = new FastRange.FastRange(bytes)
    range.begin(17)
    assert.strictEqual(range.takeLeaves(1, end, Number.POSITIVE_INFINITY), end)
    const stretch = range.flush()!
    const here = verifierAt(log, 17)
    const base = here.range
    for (const wrong of [
      { ...stretch, from: 16 },
      { ...stretch, count: 12 },
      { ...stretch, firstPrev: "0".repeat(64) },
      { ...stretch, firstTs: "2000-01-01T00:00:00.000Z" },
      { ...stretch, nodes: stretch.nodes.slice(1) }
    ]) {
      assert.isFalse(FastRange.join(here, base, wrong))
    }
    assert.isFalse(FastRange.join(verifierAt(log, 16), base, stretch))
    assert.isFalse(FastRange.join(new Verifier(log.origin, VerifyOptions.nothing), base, stretch))
    assert.strictEqual(here.size, 17)
    assert.isTrue(FastRange.join(here, base, stretch))
    assert.deepStrictEqual(here.range, verifierAt(log, 30).range)
  })

  it("takes no entry of another seq, of another prev, or with an earlier time", () => {
    const log = consoleLog(5)
    const text = log.leaves[3]!
    const wrong = [
      text.replace('"seq":3', '"seq":4'),
      text.replace(/"prev":"./, '"prev":"g'),
      text.replace(/"prev":"[0-9a-f]{64}/, `"prev":"${"0".repeat(64)}`),
      text.replace(/"prev":"([0-9a-f]{64})/, (all: string) => all.toUpperCase().replace("PREV", "prev")),
      text.replace('"ts":"2026', '"ts":"2025')
    ]
    for (const leaf of wrong) {
      const { bytes, end } = bufferOf([leaf])
      const range = new FastRange.FastRange(bytes)
      range.resume(verifierAt(log, 3))
      assert.strictEqual(range.takeLeaves(1, end, Number.POSITIVE_INFINITY), 1, leaf)
      assert.isFalse(range.take(leaf))
      assert.isFalse(range.follow(leaf))
      assert.isUndefined(range.flush())
    }
  })

  it("leaves control entries and commitments to the verifier, and steps over them when told", () => {
    const tick = { type: "log.tick", source: "recorder", data: {} }
    const log = Logs.buildLog({ records: [tick, Logs.secret("x"), Logs.consoleLine("y")], checkpointEvery: 1000 })
    const range = new FastRange.FastRange(Buffer.alloc(slack))
    range.begin(1)
    assert.isFalse(range.take(log.leaves[1]!))
    assert.isTrue(range.follow(log.leaves[1]!))
    assert.isFalse(range.take(log.leaves[2]!))
    assert.isTrue(range.follow(log.leaves[2]!))
    assert.isTrue(range.take(log.leaves[3]!))
    const stretch = range.flush()!
    assert.strictEqual(stretch.from, 3)
    const verifier = verifierAt(log, 3)
    assert.isTrue(FastRange.join(verifier, verifierAt(log, 1).range, stretch))
    assert.deepStrictEqual(verifier.range, verifierAt(log, 4).range)
  })
})
