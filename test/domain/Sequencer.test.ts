import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import * as Entry from "../../src/domain/Entry.ts"
import { EpochSigner, EpochSignerError } from "../../src/domain/EpochSigner.ts"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as RecordData from "../../src/domain/RecordData.ts"
import * as Sequencer from "../../src/domain/Sequencer.ts"
import { vectors } from "../fixtures/Vectors.ts"

const logs = [
  { name: "five", log: vectors.five, keys: [vectors.keys.five_epoch0] },
  { name: "rotate", log: vectors.rotate, keys: vectors.rotate.keys }
]

describe("Sequencer", () => {
  it.each(logs)("$name: writes the leaves of the vectors, byte by byte", ({ log }) => {
    const sequencer = new Sequencer.Sequencer()
    log.leaves.forEach((leaf, seq) => {
      const { data, source, ts, type } = Either.getOrThrow(Entry.decode(leaf))
      const text = Either.getOrThrow(RecordData.encode(data))
      assert.strictEqual(sequencer.append(text, source, type, Date.parse(ts)), leaf)
      assert.strictEqual(sequencer.hash, log.leaf_hashes[seq])
    })
    assert.strictEqual(sequencer.size, log.leaves.length)
  })

  it.prop(
    "time never goes back, whatever the clock does",
    [FastCheck.array(FastCheck.integer({ min: -5, max: 300_000_000_000_000 }), { minLength: 1 })],
    ([times]) => {
      const sequencer = new Sequencer.Sequencer()
      let last = ""
      for (const time of times) {
        const { ts } = Either.getOrThrow(Entry.decode(sequencer.append("{}", "agent", "console", time)))
        assert.isTrue(ts >= last)
        last = ts
      }
    }
  )

  it("reports a step of the wall clock of more than a second, once", () => {
    const sequencer = new Sequencer.Sequencer()
    assert.strictEqual(sequencer.step(10_000, 0), undefined)
    assert.strictEqual(sequencer.step(11_000, 1000), undefined)
    assert.strictEqual(sequencer.step(13_000, 2000), undefined)
    assert.strictEqual(sequencer.step(20_000, 3000), 6000)
    assert.strictEqual(sequencer.step(21_000, 4000), undefined)
    assert.strictEqual(sequencer.step(2000, 5000), -20_000)
  })

  it("goes on where a log stands", () => {
    const whole = new Sequencer.Sequencer()
    whole.append("{}", "agent", "a", 5000)
    const rest = new Sequencer.Sequencer({ size: 1, hash: whole.hash, millis: 5000 })
    assert.strictEqual(rest.append("{}", "agent", "b", 1), whole.append("{}", "agent", "b", 1))
  })
})

const pairs = (keys: ReadonlyArray<{ readonly seed: string }>) => {
  const seeds = keys.map(({ seed }) => seed)
  // One key beyond those of the log is always ready.
  return () => Ed25519.fromSeed(Buffer.from(seeds.shift() ?? "00".repeat(32), "hex"))
}

describe("EpochSigner", () => {
  it.each(logs)(
    "$name: signs the notes of the vectors, bit by bit, and names the keys of its log.key entries",
    (log) => {
      const signer = new EpochSigner(log.log.origin, pairs(log.keys))
      const tree = new MerkleTree.Accumulator()
      const notes = new Map(log.log.checkpoints.map((checkpoint) => [checkpoint.size, checkpoint]))
      log.log.leaves.forEach((leaf, seq) => {
        const { data, type } = Either.getOrThrow(Entry.decode(leaf))
        if (type === "log.open") assert.strictEqual(data["key"], signer.key)
        if (type === "log.key") assert.deepStrictEqual(data, { epoch: signer.epoch + 1, key: signer.nextKey! })
        tree.append(Buffer.from(log.log.leaf_hashes[seq]!, "hex"))
        const expected = notes.get(tree.size)
        if (expected === undefined) return
        const signed = type === "log.key" ? signer.rotate(tree.size, tree.root()) : signer.sign(tree.size, tree.root())
        assert.strictEqual(signed.epoch, expected.epoch)
        // At size 1 the host's line follows the epoch key's.
        assert.isTrue(tree.size === 1 ? expected.note.startsWith(signed.note) : expected.note === signed.note)
      })
    }
  )

  it("never signs a second root of one size, nor a smaller size, nor anything after the end", () => {
    const signer = new EpochSigner("log.example", Ed25519.generate)
    const root = new Uint8Array(32)
    const note = signer.sign(7, root).note
    assert.strictEqual(signer.sign(7, root).note, note)
    assert.throws(() => signer.sign(7, new Uint8Array(32).fill(1)), EpochSignerError)
    assert.throws(() => signer.rotate(6, root), EpochSignerError)
    assert.strictEqual(signer.close(8, root).size, 8)
    assert.throws(() => signer.sign(9, root), EpochSignerError)
    assert.strictEqual(signer.key, undefined)
  })
})
