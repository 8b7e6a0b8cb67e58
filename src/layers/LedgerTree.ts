/**
 * The ledger's Merkle tree without reading the whole ledger: the leaves behind the last full tile, and tiles of 256
 * subtree roots above them (C2SP tlog-tiles, height 8), which table `tiles` caches from level 1 up.
 *
 * A cache is never evidence. What is read from it only counts once the root that it leads to is the one of a signed
 * checkpoint; whoever calls sees to that, and otherwise computes everything again from the leaves.
 *
 * @module
 */
import * as MerkleTree from "../domain/MerkleTree.ts"
import * as Sha256 from "../domain/Sha256.ts"
import * as Tiles from "../domain/Tiles.ts"

const tileWidth = Tiles.fullWidth

/** A row of table `tiles`. */
export interface Tile {
  /** At least 1; a hash of level l is the root of 256^l leaves. */
  readonly level: number
  readonly n: number
  /** 1 to 256 hashes of 32 bytes. */
  readonly data: Uint8Array
}

/** Reads a row of table `tiles`. */
export type ReadTile = (level: number, n: number) => Uint8Array | undefined

/** The hashes of tile `n` at `level` in a tree of `size` leaves, or undefined when the cache lacks any of them. */
const hashesOf = (read: ReadTile, level: number, n: number, size: number): ReadonlyArray<Uint8Array> | undefined => {
  const complete = Math.floor(size / tileWidth ** level) - n * tileWidth
  const count = Math.min(tileWidth, complete)
  const data = count > 0 ? read(level, n) : undefined
  if (data === undefined || data.length < count * Sha256.digestBytes) return count > 0 ? undefined : []
  return Array.from({ length: count }, (_, at) => data.subarray(at * Sha256.digestBytes, (at + 1) * Sha256.digestBytes))
}

/** Leaves behind the last full tile of level 0. */
export const tailOf = (size: number): number => size % tileWidth

/** The right edge of the tree. Mutable, owned by one transaction. */
export class LedgerTree {
  /** By level, the hashes of the tile that is not full yet. */
  readonly #edge: Array<Array<Uint8Array>>
  readonly #changed = new Map<string, Tile>()
  #size: number

  private constructor(size: number, edge: Array<Array<Uint8Array>>) {
    this.#size = size
    this.#edge = edge
  }

  /** The tree without leaves. */
  static empty(): LedgerTree {
    return new LedgerTree(0, [])
  }

  /**
   * The tree of `size` leaves, or undefined when the cache is incomplete.
   *
   * @param tail leaf hashes of the last `tailOf(size)` entries
   */
  static load(size: number, tail: ReadonlyArray<Uint8Array>, read: ReadTile): LedgerTree | undefined {
    const edge = [[...tail]]
    for (let level = 1; tileWidth ** level <= size; level++) {
      const n = Math.floor(size / tileWidth ** (level + 1))
      const hashes = hashesOf(read, level, n, size)
      if (hashes === undefined) return undefined
      edge.push([...hashes])
    }
    return new LedgerTree(size, edge)
  }

  get size(): number {
    return this.#size
  }

  append(leafHash: Uint8Array): void {
    this.#size++
    let hash = leafHash
    for (let level = 0; ; level++) {
      const tile = (this.#edge[level] ??= [])
      tile.push(hash)
      if (level > 0) {
        const n = Math.floor((this.#size / tileWidth ** level - 1) / tileWidth)
        this.#changed.set(`${level}/${n}`, { level, n, data: Buffer.concat(tile) })
      }
      if (tile.length < tileWidth) return
      hash = MerkleTree.root(tile)
      this.#edge[level] = []
    }
  }

  root(): Uint8Array {
    const tree = new MerkleTree.Accumulator()
    for (let level = this.#edge.length - 1; level >= 0; level--) {
      for (const hash of this.#edge[level] ?? []) tree.appendSubtree(hash, tileWidth ** level)
    }
    return tree.root()
  }

  /** Tiles that are not in the cache as they are here. */
  get changed(): Iterable<Tile> {
    return this.#changed.values()
  }

  /** Answers from the changed tiles: all of them in a tree that was built from nothing. */
  readonly readTile: ReadTile = (level, n) => this.#changed.get(`${level}/${n}`)?.data
}

/** The cache cannot answer. Caught by the function that made the reader. */
export class CacheIncomplete extends Error {}

/**
 * Roots of subtrees by way of the cache.
 *
 * @param leafHashes hashes of the leaves of tile n of level 0 (at most 256)
 * @returns a function that throws CacheIncomplete
 */
export const subtreeRoots = (
  size: number,
  leafHashes: (n: number) => ReadonlyArray<Uint8Array>,
  read: ReadTile
): MerkleTree.SubtreeRoot => {
  const known = new Map<string, ReadonlyArray<Uint8Array> | undefined>()
  const tile = (level: number, n: number) => {
    const id = `${level}/${n}`
    const found = known.get(id) ?? (level === 0 ? leafHashes(n) : hashesOf(read, level, n, size))
    known.set(id, found)
    return found
  }
  return (from, to) => {
    const tree = new MerkleTree.Accumulator()
    for (let at = from; at < to; at = from + tree.size) {
      let level = 0
      while (at % tileWidth ** (level + 1) === 0 && at + tileWidth ** (level + 1) <= to) level++
      const index = at / tileWidth ** level
      const hash = tile(level, Math.floor(index / tileWidth))?.[index % tileWidth]
      if (hash === undefined) throw new CacheIncomplete(`tile ${level}/${Math.floor(index / tileWidth)}`)
      tree.appendSubtree(hash, tileWidth ** level)
    }
    return tree.root()
  }
}
