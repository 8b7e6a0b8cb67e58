import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import * as TreeIndex from "../../src/domain/TreeIndex.ts"

const { blockWidth } = TreeIndex
const hashes = Array.from({ length: 2100 }, (_, at) => Sha256.leafHash(Buffer.from(`leaf ${at}`)))
const plain = MerkleTree.subtreeRootOf(hashes)

const indexOf = (size: number) => {
  const index = new TreeIndex.TreeIndex()
  for (const hash of hashes.slice(0, size)) index.append(hash)
  return index
}

const loadMissing = (index: TreeIndex.TreeIndex, leaves: ReadonlyArray<number>, sizes: ReadonlyArray<number>) => {
  const blocks = index.missing(leaves, sizes)
  for (const block of blocks) index.load(block, hashes.slice(block * blockWidth, (block + 1) * blockWidth))
  return blocks.length
}

const size = FastCheck.integer({ min: 1, max: hashes.length })
const edges = FastCheck.oneof(
  size,
  FastCheck.constantFrom(1, 255, 256, 257, 511, 512, 513, 1024, 2047, 2048, 2049, 2100)
)

describe("TreeIndex", () => {
  it.prop(
    "its roots and proofs are those of all the hashes, from two blocks at most",
    [edges, edges, edges, FastCheck.nat()],
    ([a, b, c, pick]) => {
      const [older = 0, newer = 0, total = 0] = [a, b, c].toSorted((x, y) => x - y)
      const index = indexOf(total)
      assert.deepStrictEqual(index.root(), plain(0, total))
      const leaf = pick % newer
      assert.isAtMost(loadMissing(index, [leaf], [newer]), 2)
      assert.deepStrictEqual(
        MerkleTree.inclusionProof(index.subtree, leaf, newer).map((hash) => Buffer.from(hash)),
        MerkleTree.inclusionProof(plain, leaf, newer).map((hash) => Buffer.from(hash))
      )
      assert.isAtMost(loadMissing(index, [], [older, newer]), 2)
      assert.deepStrictEqual(
        MerkleTree.consistencyProof(index.subtree, older, newer).map((hash) => Buffer.from(hash)),
        MerkleTree.consistencyProof(plain, older, newer).map((hash) => Buffer.from(hash))
      )
      assert.deepStrictEqual(Buffer.from(index.subtree(0, newer)), Buffer.from(plain(0, newer)))
    }
  )

  it("needs no block for its own size", () => {
    const index = indexOf(600)
    assert.deepStrictEqual(index.missing([599], [600]), [])
    assert.deepStrictEqual(index.missing([3], [600]), [0])
  })

  it("refuses a block whose leaves are not those that were appended", () => {
    const index = indexOf(600)
    const first = hashes.slice(0, blockWidth)
    assert.throws(() => index.load(0, first.toSpliced(3, 1, hashes[4]!)), TreeIndex.BlockChangedError)
    assert.throws(() => index.load(1, first), TreeIndex.BlockChangedError)
    assert.throws(() => index.load(0, first.slice(1)), TreeIndex.BlockChangedError)
    assert.throws(() => index.load(2, hashes.slice(512, 600)), TreeIndex.BlockChangedError)
  })
})
