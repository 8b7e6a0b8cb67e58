/**
 * The fast path over entries that need no judgement: ordinary ones, in order, that chain. What it takes, `Verifier.entry`
 * would take with the same effect as `Verifier.skip` of the stretches that come out here; whatever it does not take is
 * given to the complete path, which explains it.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Crypto from "node:crypto"
import * as Commitment from "./Commitment.ts"
import * as Entry from "./Entry.ts"
import * as FastLeaf from "./FastLeaf.ts"
import * as FastTree from "./FastTree.ts"
import * as MerkleTree from "./MerkleTree.ts"
import type { Verifier } from "./Verifier.ts"

/** Entries that were taken, and what a verifier must know to go on behind them. */
export interface Stretch {
  /** `seq` of its first entry. */
  readonly from: number
  readonly count: number
  /** What its first entry chains to; the verifier holds it against its own. */
  readonly firstPrev: string
  readonly firstTs: string
  readonly lastHash: string
  readonly lastTs: string
  /** Perfect subtrees from where the range began to the end of the stretch. */
  readonly nodes: ReadonlyArray<FastTree.Node>
}

/** The state of a verifier that a range goes on from. */
export interface Behind {
  readonly size: number
  readonly lastHash: string
  readonly lastTs: string
  readonly range: MerkleTree.CompactRange
}

const lineFeed = 0x0a
const comma = 0x2c
const closeBrace = 0x7d
/** `{"e":` */
const [openBrace, quote, letterE, colon] = [0x7b, 0x22, 0x65, 0x3a]

/** Reads in one buffer, which must be writable and hold a line feed behind what is read. Owned by one reader. */
export class FastRange {
  readonly #bytes: Buffer
  readonly #leaf: FastLeaf.LeafScanner
  readonly #tree = new FastTree.FastTree()
  /** Whether the entry before is known: a part of a log begins with any entry. */
  #chained = false
  /** `prev` of the next entry, until the first hash was made here. */
  #expected: Buffer = Buffer.alloc(0)
  #expectedAt = 0
  #day = 0
  #millis = 0
  #from = 0
  #count = 0
  #firstPrev = ""
  #firstTs = ""

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#leaf = new FastLeaf.LeafScanner(bytes)
  }

  /** Entries up to here, counted from the beginning of the log. */
  get size(): number {
    return this.#tree.size
  }

  /** Goes on behind what a verifier has read. */
  resume(behind: Behind): void {
    this.#tree.resume(behind.range)
    this.#chained = true
    this.#expected = Buffer.from(behind.lastHash, "hex")
    this.#expectedAt = 0
    const { day, millis } = FastLeaf.instantOf(behind.lastTs)
    this.#day = day
    this.#millis = millis
    this.#count = 0
  }

  /** Begins with entry `seq`, whatever stands before it. */
  begin(seq: number): void {
    this.#tree.begin(seq)
    this.#chained = false
    this.#day = 0
    this.#millis = 0
    this.#count = 0
  }

  /**
   * Reads the leaf that begins at `start`: whether it may be the next entry. `commit` takes it.
   *
   * @returns index behind the leaf, or -1 when the complete path must be asked
   */
  probe(start: number): number {
    const leaf = this.#leaf
    const end = leaf.scan(start)
    if (end < 0 || leaf.seq !== this.#tree.size || leaf.seq >= FastTree.maxSize) return -1
    if (leaf.day < this.#day || (leaf.day === this.#day && leaf.millis < this.#millis)) return -1
    const chains = this.#chained ? leaf.prevIs(this.#expected, this.#expectedAt) : leaf.prevIsHex
    return chains ? end : -1
  }

  /** Takes the leaf that was just probed. The byte before it is used and put back. */
  commit(start: number, end: number): void {
    const leaf = this.#leaf
    const bytes = this.#bytes
    if (this.#count === 0) {
      this.#firstPrev = bytes.toString("latin1", leaf.prevAt, leaf.prevAt + Entry.zeroHash.length)
      this.#firstTs = FastLeaf.instantText(leaf)
    }
    const before = bytes[start - 1]! // the caller keeps one byte in front
    bytes[start - 1] = 0
    const hash = Crypto.hash("sha256", bytes.subarray(start - 1, end), "binary")
    bytes[start - 1] = before
    this.#append(hash, leaf.day, leaf.millis)
  }

  #append(hash: string, day: number, millis: number): void {
    if (this.#count === 0) this.#from = this.#tree.size
    this.#count++
    this.#day = day
    this.#millis = millis
    this.#tree.append(hash)
    this.#chained = true
    this.#expected = this.#tree.lastIn
    this.#expectedAt = this.#tree.lastAt
  }

  /** Takes an unusual leaf when the complete decoder finds it to be ordinary all the same. */
  take(text: string): boolean {
    const entry = this.#next(text)
    if (entry === undefined || Entry.isControlType(entry.type) || Commitment.commitmentsIn(entry.data).length > 0) {
      return false
    }
    this.#follow(text, entry)
    return true
  }

  /**
   * Steps over an entry that the verifier must see itself. `flush` first.
   *
   * @returns false when it cannot be the next entry
   */
  follow(text: string): boolean {
    const entry = this.#next(text)
    if (entry === undefined) return false
    this.#follow(text, entry)
    this.#count = 0
    return true
  }

  #next(text: string): Entry.Entry | undefined {
    const decoded = Entry.decode(text)
    if (Either.isLeft(decoded)) return undefined
    const entry = decoded.right
    if (entry.seq !== this.#tree.size || entry.seq >= FastTree.maxSize) return undefined
    const expected = this.#expected.toString("hex", this.#expectedAt, this.#expectedAt + Entry.zeroHash.length / 2)
    if (this.#chained && entry.prev !== expected) return undefined
    const { day, millis } = FastLeaf.instantOf(entry.ts)
    return day < this.#day || (day === this.#day && millis < this.#millis) ? undefined : entry
  }

  #follow(text: string, entry: Entry.Entry): void {
    if (this.#count === 0) {
      this.#firstPrev = entry.prev
      this.#firstTs = entry.ts
    }
    const { day, millis } = FastLeaf.instantOf(entry.ts)
    this.#append(Crypto.hash("sha256", `\u0000${text}`, "binary"), day, millis)
  }

  /** What was taken since the last call, if anything. */
  flush(): Stretch | undefined {
    if (this.#count === 0) return undefined
    const stretch: Stretch = {
      from: this.#from,
      count: this.#count,
      firstPrev: this.#firstPrev,
      firstTs: this.#firstTs,
      lastHash: this.#tree.lastHash,
      lastTs: FastLeaf.instantText({ day: this.#day, millis: this.#millis }),
      nodes: this.#tree.nodes
    }
    this.#count = 0
    return stretch
  }

  /**
   * Takes the entry lines of a bundle from `at` on that begin before `limit` and end before `end`, until the log has
   * `stop` entries.
   *
   * @returns index of the first line that was not taken
   */
  takeLines(at: number, limit: number, end: number, stop: number): number {
    const bytes = this.#bytes
    let line = at
    while (this.#tree.size !== stop && line < limit) {
      if (bytes[line] !== openBrace || bytes[line + 1] !== quote || bytes[line + 2] !== letterE) return line
      if (bytes[line + 3] !== quote || bytes[line + 4] !== colon) return line
      const leaf = line + 5
      const leafEnd = this.probe(leaf)
      if (leafEnd < 0 || leafEnd + 3 > end) return line
      if (bytes[leafEnd] !== closeBrace || bytes[leafEnd + 1] !== comma || bytes[leafEnd + 2] !== lineFeed) return line
      this.commit(leaf, leafEnd)
      line = leafEnd + 3
    }
    return line
  }

  /**
   * Takes bare leaves, each with a line feed before and behind it, from `at` on, up to `end` or until the log has `stop`
   * entries.
   *
   * @returns index of the first leaf that was not taken
   */
  takeLeaves(at: number, end: number, stop: number): number {
    let leaf = at
    while (this.#tree.size !== stop && leaf < end) {
      const leafEnd = this.probe(leaf)
      if (leafEnd < 0 || this.#bytes[leafEnd] !== lineFeed) return leaf
      this.commit(leaf, leafEnd)
      leaf = leafEnd + 1
    }
    return leaf
  }
}

/**
 * Gives a stretch to the verifier that stands before it.
 *
 * @param base the log's compact range where the stretch's range began
 * @returns false, and does nothing, when the stretch does not fit there: then its entries must be read in full
 */
export const join = (verifier: Verifier, base: MerkleTree.CompactRange, stretch: Stretch): boolean => {
  const { count, from, lastHash, lastTs } = stretch
  const isNext = verifier.canSkip && verifier.size === from && verifier.lastHash === stretch.firstPrev
  if (!isNext || stretch.firstTs < verifier.lastTs) return false
  if (verifier.claimedSizes.some((size) => size > from && size < from + count)) return false
  const tree = new MerkleTree.Accumulator(base)
  for (const { hash, width } of stretch.nodes) tree.appendSubtree(hash, width)
  if (tree.size !== from + count) return false
  verifier.skip({ count, lastHash, lastTs, range: tree.range })
  return true
}

/** The leaf of a bundle's entry line with its comma, if it is one; a proof behind the leaf makes it no leaf. */
export const leafOfLine = (line: string): string | undefined =>
  line.startsWith('{"e":') && line.endsWith("},") ? line.slice(5, -2) : undefined

/** The next size above `size` that outside evidence names, where a stretch must end. */
export const nextStop = (claimedSizes: ReadonlyArray<number>, size: number): number => {
  let next = Number.POSITIVE_INFINITY
  for (const claimed of claimedSizes) if (claimed > size && claimed < next) next = claimed
  return next
}
