/**
 * A Merkle tree that grows fast: a compact range that may begin at any leaf, so that threads can take any part of a log.
 *
 * Node:crypto makes digests as "binary" (Latin-1) strings at a third of the cost of buffers, and they are
 * put where the next level needs them. Everything else about trees is MerkleTree's business.
 *
 * @module
 */
import * as Crypto from "node:crypto"
import type * as MerkleTree from "./MerkleTree.ts"
import { digestBytes } from "./Sha256.ts"

/** The root of a perfect subtree of `width` leaves. */
export interface Node {
  readonly width: number
  readonly hash: Uint8Array
}

/** Sizes are handled with 32-bit operators. */
export const maxSize = 2 ** 31 - 1

const levels = 31
const leftAt = 1
const rightAt = leftAt + digestBytes

/** As `Buffer.write` does for "latin1", in half the time. */
const put = (text: string, to: Uint8Array, at: number): void => {
  for (let index = 0; index < digestBytes; index++) to[at + index] = text.charCodeAt(index)
}

export class FastTree {
  /** Per level the input of an interior node: 0x01, left, right. */
  readonly #inputs: ReadonlyArray<Buffer> = Array.from({ length: levels }, () => {
    const input = Buffer.alloc(rightAt + digestBytes)
    input[0] = 1
    return input
  })
  /** 1 where the left child waits for the right one. */
  readonly #held = new Uint8Array(levels)
  /** Right children whose left siblings lie before the start. */
  #edge: Array<Node> = []
  #size = 0
  /** The input that holds the last leaf hash, and where. */
  readonly lastIn: Buffer = this.#inputs[0]!
  lastAt = leftAt

  /** Leaves up to here, counted from the beginning of the log. */
  get size(): number {
    return this.#size
  }

  /** Begins at leaf `start`, with nothing. */
  begin(start: number): void {
    this.#held.fill(0)
    this.#edge = []
    this.#size = start
  }

  /** Goes on from a whole log. */
  resume(range: MerkleTree.CompactRange): void {
    this.begin(range.size)
    let peak = 0
    for (let level = levels - 1; level >= 0; level--) {
      if (((range.size >>> level) & 1) === 0) continue
      this.#inputs[level]!.set(range.peaks[peak++]!, leftAt) // a set bit of the size has its peak
      this.#held[level] = 1
    }
  }

  /** Appends a leaf hash, given as a "latin1" string. */
  append(leafHash: string): void {
    let hash = leafHash
    let index = this.#size
    this.lastAt = (index & 1) === 0 ? leftAt : rightAt
    for (let level = 0; ; level++, index >>>= 1) {
      const input = this.#inputs[level]!
      if ((index & 1) === 0) {
        put(hash, input, leftAt)
        this.#held[level] = 1
        break
      }
      put(hash, input, rightAt)
      if (this.#held[level] === 0) {
        this.#edge.push({ width: 2 ** level, hash: Buffer.from(hash, "latin1") })
        break
      }
      this.#held[level] = 0
      hash = Crypto.hash("sha256", input, "binary")
    }
    this.#size++
  }

  /** The last leaf hash, in hex. */
  get lastHash(): string {
    return this.lastIn.toString("hex", this.lastAt, this.lastAt + digestBytes)
  }

  /** Perfect subtrees from the start to here, in the order of their leaves. */
  get nodes(): ReadonlyArray<Node> {
    const nodes = [...this.#edge]
    for (let level = levels - 1; level >= 0; level--) {
      if (this.#held[level] === 0) continue
      nodes.push({ width: 2 ** level, hash: Uint8Array.from(this.#inputs[level]!.subarray(leftAt, rightAt)) })
    }
    return nodes
  }
}
