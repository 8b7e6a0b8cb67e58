/**
 * The subtree roots of a large log in little memory: everything above blocks of 256 leaves, which is 1/128 of the
 * leaf hashes. What lies inside a block is computed again from its leaves when a proof needs it, and a proof needs two
 * blocks at most.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as MerkleTree from "./MerkleTree.ts"
import * as Sha256 from "./Sha256.ts"

/** Leaves of a block. */
export const blockWidth = 256

/** Blocks that are kept at hand: the two that a proof needs, and those of the proof before. */
const maxLoaded = 4

/** A block's leaves are not those that were appended. */
export class BlockChangedError extends Data.TaggedError("BlockChangedError")<{
  /** Index of the block: its first leaf is `block * blockWidth`. */
  readonly block: number
}> {
  override get message() {
    const first = this.block * blockWidth
    return `entries ${first}..${first + blockWidth - 1} changed while they were read`
  }
}

/** Hashes of one level in one buffer that doubles: a JavaScript object for each would weigh three times as much. */
class Row {
  #bytes = Buffer.alloc(64 * Sha256.digestBytes)
  #length = 0

  push(hash: Uint8Array): void {
    const at = this.#length * Sha256.digestBytes
    if (at === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(at)])
    this.#bytes.set(hash, at)
    this.#length++
  }

  get length(): number {
    return this.#length
  }

  at(index: number): Uint8Array {
    return this.#bytes.subarray(index * Sha256.digestBytes, (index + 1) * Sha256.digestBytes)
  }
}

/** Every node of a block: `levels[k][i]` is the root of 2^k leaves. */
type BlockNodes = ReadonlyArray<ReadonlyArray<Uint8Array>>

const nodesOf = (leafHashes: ReadonlyArray<Uint8Array>): BlockNodes => {
  const levels: Array<ReadonlyArray<Uint8Array>> = [leafHashes]
  for (let below = leafHashes; below.length > 1;) {
    const level: Array<Uint8Array> = []
    for (let at = 0; at + 1 < below.length; at += 2) level.push(Sha256.interiorHash(below[at]!, below[at + 1]!)) // in bounds
    levels.push(level)
    below = level
  }
  return levels
}

/** Mutable, owned by whoever appends; proofs are asked for when everything is appended. */
export class TreeIndex {
  /** The tree of the full blocks. */
  readonly #tree = new MerkleTree.Accumulator()
  /** `rows[k]` holds the roots of 2^k blocks. */
  readonly #rows: Array<Row> = []
  /** The last, partial block, and its nodes once a proof asked for them. */
  #block: Array<Uint8Array> = []
  #lastNodes: BlockNodes | undefined
  readonly #loaded = new Map<number, BlockNodes>()
  /** The last subtree that is not perfect: proofs of neighbours share it. */
  #edge: { readonly from: number; readonly to: number; readonly root: Uint8Array } | undefined

  /** Leaves appended. */
  get size(): number {
    return this.#tree.size + this.#block.length
  }

  /** Root at the present size. */
  root(): Uint8Array {
    const tree = new MerkleTree.Accumulator(this.#tree.range)
    for (const hash of this.#block) tree.append(hash)
    return tree.root()
  }

  append(leafHash: Uint8Array): void {
    this.#block.push(leafHash)
    this.#lastNodes = undefined
    this.#edge = undefined
    if (this.#block.length < blockWidth) return
    let hash = MerkleTree.root(this.#block)
    this.#tree.appendSubtree(hash, blockWidth)
    this.#block = []
    for (let level = 0; ; level++) {
      const row = (this.#rows[level] ??= new Row())
      row.push(hash)
      if (row.length % 2 === 1) return
      hash = Sha256.interiorHash(row.at(row.length - 2), row.at(row.length - 1))
    }
  }

  /**
   * Blocks that must be loaded before a proof about these leaves and tree sizes is made; those that are at hand stay
   * there. The last, partial block is never missing.
   */
  missing(leaves: ReadonlyArray<number>, sizes: ReadonlyArray<number>): ReadonlyArray<number> {
    const blocks = new Set(leaves.map((leaf) => Math.floor(leaf / blockWidth)))
    for (const size of sizes) if (size % blockWidth !== 0) blocks.add(Math.floor(size / blockWidth))
    return [...blocks].filter((block) => {
      const nodes = this.#loaded.get(block)
      if (nodes === undefined) return (block + 1) * blockWidth <= this.size
      this.#loaded.delete(block) // the youngest is dropped last
      this.#loaded.set(block, nodes)
      return false
    })
  }

  /**
   * Takes the leaf hashes of a full block, for the proofs that come next.
   *
   * @throws BlockChangedError when they don't lead to the root that was computed while appending
   */
  load(block: number, leafHashes: ReadonlyArray<Uint8Array>): void {
    const nodes = nodesOf(leafHashes)
    const root = nodes.at(-1)?.[0]
    const row = this.#rows[0]
    const isSame =
      leafHashes.length === blockWidth &&
      root !== undefined &&
      row !== undefined &&
      block < row.length &&
      MerkleTree.sameHash(root, row.at(block))
    if (!isSame) throw new BlockChangedError({ block })
    const [oldest] = this.#loaded.keys()
    if (this.#loaded.size >= maxLoaded && oldest !== undefined) this.#loaded.delete(oldest)
    this.#loaded.set(block, nodes)
  }

  /** Root of 2^level leaves, the `at`-th of its kind. */
  #node(level: number, at: number): Uint8Array {
    const row = this.#rows[level - Math.log2(blockWidth)]
    if (row !== undefined) return row.at(at)
    const perBlock = blockWidth / 2 ** level
    const block = Math.floor(at / perBlock)
    const isLast = block === (this.#rows[0]?.length ?? 0)
    if (isLast) this.#lastNodes ??= nodesOf(this.#block)
    const node = (isLast ? this.#lastNodes : this.#loaded.get(block))?.[level]?.[at % perBlock]
    if (node === undefined) throw new Error(`block ${block} was not loaded`) // a bug of the caller
    return node
  }

  /** `MerkleTree.SubtreeRoot` over the leaves appended; blocks that `missing` names must be loaded. */
  readonly subtree: MerkleTree.SubtreeRoot = (from, to) => {
    const [widest = 0, ...others] = MerkleTree.peakWidths(to - from)
    if (others.length === 0) return widest === 0 ? MerkleTree.emptyRoot : this.#node(Math.log2(widest), from / widest)
    if (this.#edge?.from === from && this.#edge.to === to) return this.#edge.root
    const root = Sha256.interiorHash(this.subtree(from, from + widest), this.subtree(from + widest, to))
    this.#edge = { from, to, root }
    return root
  }
}
