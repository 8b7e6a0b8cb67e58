import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import { vectors } from "../fixtures/Vectors.ts"

const leaves = (count: number) => Array.from({ length: count }, (_, at) => Sha256.leafHash(Buffer.from(`leaf ${at}`)))
const base64 = (hash: Uint8Array) => Buffer.from(hash).toString("base64")
const sizes = FastCheck.integer({ min: 1, max: 130 })

describe("MerkleTree", () => {
  for (const name of ["five", "rotate"] as const) {
    const log = vectors[name]
    const hashes = log.leaves.map((leaf) => Sha256.leafHash(Buffer.from(leaf)))
    const subtree = MerkleTree.subtreeRootOf(hashes)

    it(`computes every leaf hash and root of the vector "${name}"`, () => {
      assert.deepStrictEqual(
        hashes.map((hash) => Buffer.from(hash).toString("hex")),
        log.leaf_hashes
      )
      const tree = new MerkleTree.Accumulator()
      assert.strictEqual(base64(tree.root()), log.roots_b64["0"])
      for (const hash of hashes) {
        tree.append(hash)
        assert.strictEqual(base64(tree.root()), log.roots_b64[String(tree.size)])
      }
    })

    it(`makes and accepts every inclusion proof of "${name}"`, () => {
      for (const { index, size, proof } of log.inclusion) {
        const made = MerkleTree.inclusionProof(subtree, index, size)
        assert.deepStrictEqual(made.map(base64), proof)
        assert.isTrue(MerkleTree.verifyInclusion(hashes[index]!, index, size, made, subtree(0, size)))
      }
    })

    it(`makes and accepts every consistency proof of "${name}"`, () => {
      for (const { old, new: newer, proof } of log.consistency) {
        const made = MerkleTree.consistencyProof(subtree, old, newer)
        assert.deepStrictEqual(made.map(base64), proof)
        assert.isTrue(MerkleTree.verifyConsistency(old, newer, subtree(0, old), subtree(0, newer), made))
      }
    })
  }

  it.prop("an accumulator restored from its range goes on as if it had never stopped", [sizes, sizes], ([a, b]) => {
    const hashes = leaves(a + b)
    const first = new MerkleTree.Accumulator()
    for (const hash of hashes.slice(0, a)) first.append(hash)
    const second = new MerkleTree.Accumulator(first.range)
    for (const hash of hashes.slice(a)) second.append(hash)
    assert.deepStrictEqual(second.root(), MerkleTree.root(hashes))
    assert.strictEqual(second.range.peaks.length, MerkleTree.peakWidths(a + b).length)
  })

  it.prop(
    "aligned subtrees join to the root of all leaves",
    [FastCheck.integer({ min: 0, max: 5 }), sizes],
    ([n, rest]) => {
      const width = 2 ** n
      const hashes = leaves(width * 3 + rest)
      const tree = new MerkleTree.Accumulator()
      for (let at = 0; at < 3; at++)
        tree.appendSubtree(MerkleTree.root(hashes.slice(at * width, (at + 1) * width)), width)
      for (const hash of hashes.slice(3 * width)) tree.append(hash)
      assert.deepStrictEqual(tree.root(), MerkleTree.root(hashes))
    }
  )

  it.prop(
    "a proof with one changed, missing, added or swapped hash is refused",
    [sizes, FastCheck.nat(), FastCheck.nat(), FastCheck.constantFrom("change", "drop", "add", "index", "size")],
    ([size, pick, where, attack]) => {
      const hashes = leaves(size)
      const subtree = MerkleTree.subtreeRootOf(hashes)
      const index = pick % size
      const root = subtree(0, size)
      const proof = MerkleTree.inclusionProof(subtree, index, size).map((hash) => Buffer.from(hash))
      const at = proof.length === 0 ? 0 : where % proof.length
      const verify = (i: number, n: number) => MerkleTree.verifyInclusion(hashes[index]!, i, n, proof, root)
      assert.isTrue(verify(index, size))
      if (attack === "add") proof.splice(at, 0, Buffer.alloc(32))
      else if (attack === "index") return assert.isFalse(verify(index + 1, size) && index + 1 < size)
      else if (attack === "size") return assert.isFalse(verify(index, index))
      else if (proof.length === 0) return
      else if (attack === "drop") proof.splice(at, 1)
      else proof[at]![where % 32]! ^= 1
      assert.isFalse(verify(index, size))
    }
  )

  it.prop(
    "a consistency proof does not serve another root or another size",
    [sizes, sizes, FastCheck.nat()],
    ([a, b, bit]) => {
      const older = Math.min(a, b)
      const newer = Math.max(a, b)
      const subtree = MerkleTree.subtreeRootOf(leaves(newer))
      const proof = MerkleTree.consistencyProof(subtree, older, newer)
      const olderRoot = subtree(0, older)
      const newerRoot = subtree(0, newer)
      assert.isTrue(MerkleTree.verifyConsistency(older, newer, olderRoot, newerRoot, proof))
      const flipped = Buffer.from(olderRoot)
      flipped[bit % 32]! ^= 1
      assert.isFalse(MerkleTree.verifyConsistency(older, newer, flipped, newerRoot, proof))
      if (older < newer) {
        assert.isFalse(MerkleTree.verifyConsistency(older, newer, olderRoot, olderRoot, proof))
        assert.isFalse(MerkleTree.verifyConsistency(newer, older, newerRoot, olderRoot, proof))
      }
    }
  )

  it("refuses to prove what is not in the tree", () => {
    const subtree = MerkleTree.subtreeRootOf(leaves(3))
    assert.throws(() => MerkleTree.inclusionProof(subtree, 3, 3), /no entry 3/)
    assert.throws(() => MerkleTree.consistencyProof(subtree, 4, 3), /no consistency proof/)
  })
})
