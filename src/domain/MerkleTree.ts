/**
 * The Merkle tree of RFC 6962 section 2.1: roots, inclusion proofs (2.1.1) and consistency proofs (2.1.2).
 *
 * Verification follows RFC 9162 sections 2.1.3.2 and 2.1.4.2. Sizes are safe integers, so bits are taken by arithmetic
 * and not by 32-bit operators.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Sha256 from "./Sha256.ts"

/** Root of the empty tree: SHA-256 of the empty string. */
export const emptyRoot: Uint8Array = Sha256.digest(new Uint8Array(0))

/** Two hashes are the same bytes. */
export const sameHash = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** The part of a tree that appending needs: one hash for each bit set in `size`, O(log n). */
export interface CompactRange {
  readonly size: number
  /** Roots of the perfect subtrees, largest first. */
  readonly peaks: ReadonlyArray<Uint8Array>
}

/** A tree that grows at its right edge and remembers its peaks only. Mutable, owned by whoever appends. */
export class Accumulator {
  #size: number
  #peaks: Array<Uint8Array>

  constructor(range: CompactRange = { size: 0, peaks: [] }) {
    this.#size = range.size
    this.#peaks = [...range.peaks]
  }

  get size(): number {
    return this.#size
  }

  /** Goes on from another compact range. */
  reset(range: CompactRange): void {
    this.#size = range.size
    this.#peaks = [...range.peaks]
  }

  /** The compact range as it stands; later appends don't change it. */
  get range(): CompactRange {
    return { size: this.#size, peaks: [...this.#peaks] }
  }

  /** Appends one leaf hash. */
  append(leafHash: Uint8Array): void {
    this.appendSubtree(leafHash, 1)
  }

  /**
   * Appends the root of a perfect subtree.
   *
   * @param width leaves below `root`: a power of two that divides the present size
   */
  appendSubtree(root: Uint8Array, width: number): void {
    let hash = root
    for (let carry = Math.floor(this.#size / width); carry % 2 === 1; carry = Math.floor(carry / 2)) {
      hash = Sha256.interiorHash(this.#peaks.pop()!, hash) // a set bit of the size has its peak
    }
    this.#peaks.push(hash)
    this.#size += width
  }

  /** Root at the present size. */
  root(): Uint8Array {
    let at = this.#peaks.length - 1
    if (at < 0) return emptyRoot
    let hash = this.#peaks[at]!
    for (at--; at >= 0; at--) hash = Sha256.interiorHash(this.#peaks[at]!, hash)
    return hash
  }
}

/** Widths of the perfect subtrees of a tree of `size` leaves, largest first. */
export const peakWidths = (size: number): ReadonlyArray<number> => {
  const widths: Array<number> = []
  for (let rest = size, width = 1; rest > 0; rest = Math.floor(rest / 2), width *= 2) {
    if (rest % 2 === 1) widths.unshift(width)
  }
  return widths
}

/** Largest power of two smaller than `n`, for n of at least 2. RFC 6962 section 2.1 calls it k. */
const split = (n: number): number => {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** A proof was asked for that does not exist. */
export class ProofRangeError extends Data.TaggedError("ProofRangeError")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/**
 * Root of the leaves from `from` to `to` (exclusive), which are a subtree of the tree: what proofs are made of.
 * A caller that has tiles or an index answers it without the leaves.
 */
export type SubtreeRoot = (from: number, to: number) => Uint8Array

/** `SubtreeRoot` over leaf hashes in memory. */
export const subtreeRootOf =
  (hashes: ReadonlyArray<Uint8Array>): SubtreeRoot =>
  (from, to) => {
    const tree = new Accumulator()
    for (let at = from; at < to; at++) tree.append(hashes[at]!) // the caller stays below hashes.length
    return tree.root()
  }

/** Root over leaf hashes in memory. */
export const root = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => subtreeRootOf(hashes)(0, hashes.length)

/**
 * PATH(m, D[n]) of RFC 6962 section 2.1.1: from the leaf's sibling up to the root's child.
 *
 * @throws ProofRangeError unless 0 ≤ index < size
 */
export const inclusionProof = (subtree: SubtreeRoot, index: number, size: number): ReadonlyArray<Uint8Array> => {
  if (!(index >= 0 && index < size)) {
    throw new ProofRangeError({ reason: `no entry ${index} in a tree of ${size}` })
  }
  const path: Array<Uint8Array> = []
  let from = 0
  let to = size
  while (to - from > 1) {
    const middle = from + split(to - from)
    if (index < middle) {
      path.push(subtree(middle, to))
      to = middle
    } else {
      path.push(subtree(from, middle))
      from = middle
    }
  }
  return path.toReversed()
}

/**
 * PROOF(m, D[n]) of RFC 6962 section 2.1.2.
 *
 * @throws ProofRangeError unless 0 ≤ older ≤ newer
 */
export const consistencyProof = (subtree: SubtreeRoot, older: number, newer: number): ReadonlyArray<Uint8Array> => {
  if (!(older >= 0 && older <= newer)) {
    throw new ProofRangeError({ reason: `no consistency proof from size ${older} to ${newer}` })
  }
  if (older === 0 || older === newer) return []
  const path: Array<Uint8Array> = []
  let from = 0
  let to = newer
  let whole = true
  while (older !== to) {
    const middle = from + split(to - from)
    if (older <= middle) {
      path.push(subtree(middle, to))
      to = middle
    } else {
      path.push(subtree(from, middle))
      from = middle
      whole = false
    }
  }
  if (!whole) path.push(subtree(from, to))
  return path.toReversed()
}

/** Root that an inclusion proof leads to, or undefined when its length does not fit. RFC 9162 section 2.1.3.2. */
export const rootFromInclusion = (
  leafHash: Uint8Array,
  index: number,
  size: number,
  proof: ReadonlyArray<Uint8Array>
): Uint8Array | undefined => {
  if (!(index >= 0 && index < size)) return undefined
  let fn = index
  let sn = size - 1
  let hash = leafHash
  for (const node of proof) {
    if (sn === 0) return undefined
    if (fn % 2 === 1 || fn === sn) {
      hash = Sha256.interiorHash(node, hash)
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2)
        sn = Math.floor(sn / 2)
      }
    } else {
      hash = Sha256.interiorHash(hash, node)
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 ? hash : undefined
}

/** Whether `proof` shows `leafHash` at `index` below `root`. */
export const verifyInclusion = (
  leafHash: Uint8Array,
  index: number,
  size: number,
  proof: ReadonlyArray<Uint8Array>,
  expectedRoot: Uint8Array
): boolean => {
  const computed = rootFromInclusion(leafHash, index, size, proof)
  return computed !== undefined && sameHash(computed, expectedRoot)
}

/** Whether `proof` shows that the tree of `newer` leaves continues the tree of `older`. RFC 9162 section 2.1.4.2. */
export const verifyConsistency = (
  older: number,
  newer: number,
  olderRoot: Uint8Array,
  newerRoot: Uint8Array,
  proof: ReadonlyArray<Uint8Array>
): boolean => {
  if (!(older >= 0 && older <= newer)) return false
  if (older === newer) return proof.length === 0 && sameHash(olderRoot, newerRoot)
  if (older === 0) return proof.length === 0 && sameHash(olderRoot, emptyRoot)
  const isPower = Number.isInteger(Math.log2(older))
  const path = isPower ? [olderRoot, ...proof] : proof
  const first = path[0]
  if (first === undefined) return false
  let fn = older - 1
  let sn = newer - 1
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  let fr = first
  let sr = first
  for (const node of path.slice(1)) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      fr = Sha256.interiorHash(node, fr)
      sr = Sha256.interiorHash(node, sr)
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2)
        sn = Math.floor(sn / 2)
      }
    } else {
      sr = Sha256.interiorHash(sr, node)
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && sameHash(fr, olderRoot) && sameHash(sr, newerRoot)
}
