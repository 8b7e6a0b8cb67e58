/**
 * Reads a log once and keeps what proofs about it need, in little memory. The leaf hashes are computed from the stored
 * leaf texts, and the result must be the root that the log's checkpoint names.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Base64 from "../domain/Base64.ts"
import * as Checkpoint from "../domain/Checkpoint.ts"
import * as MerkleTree from "../domain/MerkleTree.ts"
import * as Sha256 from "../domain/Sha256.ts"
import * as SignedNote from "../domain/SignedNote.ts"
import * as TreeIndex from "../domain/TreeIndex.ts"
import type { LogReader, LogReadError, ReadCheckpoint } from "../services/LogReader.ts"
import { LogDamaged } from "../services/LogReader.ts"
import { NotSigned } from "./ExportError.ts"

type Reader = LogReader["Type"]

/** Entries that are read at a time; one may have 64 KiB. */
export const chunkEntries = TreeIndex.blockWidth

/** A checkpoint that the exports build on: well-formed, with the size it is stored under, not ahead of the log. */
export interface SoundCheckpoint {
  readonly stored: ReadCheckpoint
  readonly note: SignedNote.SignedNote
  readonly size: number
  readonly root: Uint8Array
}

/** Leaf hash of a stored leaf. */
export const hashOf = (leaf: string): Uint8Array => Buffer.from(Sha256.leafHashHex(leaf), "hex")

/** `type` of a canonical leaf, whose last member it is; types have no characters that JSON escapes. */
export const typeOf = (leaf: string): string => leaf.slice(leaf.lastIndexOf('"', leaf.length - 3) + 1, -2)

/** Checks the form of a stored checkpoint. */
export const sound = (reader: Reader, stored: ReadCheckpoint): Effect.Effect<SoundCheckpoint, LogDamaged> => {
  const damaged = (reason: string) => new LogDamaged({ path: reader.path, seq: undefined, reason })
  const note = SignedNote.parse(stored.note)
  if (Either.isLeft(note)) return damaged(`has a checkpoint of size ${stored.size} that is ${note.left.message}`)
  const parsed = Checkpoint.parse(note.right.text)
  if (Either.isLeft(parsed)) return damaged(`has under size ${stored.size} what is ${parsed.left.message}`)
  const { root, size } = parsed.right
  if (size !== stored.size) return damaged(`has a checkpoint of size ${size} under the size ${stored.size}`)
  if (size > reader.size) return damaged(`has ${reader.size} entries and a checkpoint of ${size}`)
  return Effect.succeed({ stored, note: note.right, size, root })
}

/** The checkpoint that everything is proven to: the last one. */
export const finalCheckpoint = Effect.fn("LogIndex.finalCheckpoint")(function* (reader: Reader) {
  const last = yield* reader.lastCheckpoint
  if (Option.isNone(last) || last.value.size < 1) {
    return yield* new NotSigned({ range: [0, Math.max(0, reader.size - 1)], signed: 0 })
  }
  return yield* sound(reader, last.value)
})

/** Says that the log does not lead to the root of its checkpoint. */
export const otherRoot = (reader: Reader, size: number): LogDamaged =>
  new LogDamaged({
    path: reader.path,
    seq: undefined,
    reason: `does not lead to the root of its checkpoint of ${size}`
  })

/** Owned by one export. */
export class LogIndex {
  readonly #reader: Reader
  readonly #tree: TreeIndex.TreeIndex
  /** The block that was read last. */
  #at: { readonly block: number; readonly leaves: ReadonlyArray<string> } | undefined

  constructor(reader: Reader, tree: TreeIndex.TreeIndex) {
    this.#reader = reader
    this.#tree = tree
  }

  /** Leaf texts of the block, read again and compared with what was read first. */
  leavesOf(block: number): Effect.Effect<ReadonlyArray<string>, LogReadError> {
    if (this.#at?.block === block) return Effect.succeed(this.#at.leaves)
    const from = block * TreeIndex.blockWidth
    const to = Math.min(from + TreeIndex.blockWidth, this.#tree.size)
    return Effect.flatMap(this.#reader.leaves(from, to), (leaves) =>
      Effect.try({
        try: () => {
          if (leaves.length === TreeIndex.blockWidth) this.#tree.load(block, leaves.map(hashOf))
          this.#at = { block, leaves }
          return leaves
        },
        catch: (error) => {
          if (!(error instanceof TreeIndex.BlockChangedError)) throw error
          return new LogDamaged({ path: this.#reader.path, seq: from, reason: error.message })
        }
      })
    )
  }

  #load(leaves: ReadonlyArray<number>, sizes: ReadonlyArray<number>): Effect.Effect<void, LogReadError> {
    return Effect.forEach(this.#tree.missing(leaves, sizes), (block) => this.leavesOf(block), { discard: true })
  }

  /** Root at a size up to the one of the index. */
  rootAt(size: number): Effect.Effect<Uint8Array, LogReadError> {
    return Effect.map(this.#load([], [size]), () => this.#tree.subtree(0, size))
  }

  /** Makes inclusion proofs in the tree of `size` for the entries of the block with `seq`; good until the next call. */
  prover(seq: number, size: number): Effect.Effect<(seq: number) => ReadonlyArray<Uint8Array>, LogReadError> {
    return Effect.map(
      this.#load([seq], [size]),
      () => (other) => MerkleTree.inclusionProof(this.#tree.subtree, other, size)
    )
  }

  /** Consistency proof between two sizes, base64. */
  consistency(older: number, newer: number): Effect.Effect<ReadonlyArray<string>, LogReadError> {
    return Effect.map(this.#load([], [older, newer]), () =>
      MerkleTree.consistencyProof(this.#tree.subtree, older, newer).map(Base64.encode)
    )
  }
}

/**
 * Reads the entries below `checkpoint` in order.
 *
 * @param visit is told of each chunk on the way
 */
export const build = Effect.fn("LogIndex.build")(function* (
  reader: Reader,
  checkpoint: SoundCheckpoint,
  visit: (from: number, leaves: ReadonlyArray<string>) => void = () => undefined
) {
  const tree = new TreeIndex.TreeIndex()
  for (let from = 0; from < checkpoint.size; from += chunkEntries) {
    const leaves = yield* reader.leaves(from, Math.min(from + chunkEntries, checkpoint.size))
    for (const leaf of leaves) tree.append(hashOf(leaf))
    visit(from, leaves)
  }
  if (!MerkleTree.sameHash(tree.root(), checkpoint.root)) return yield* otherRoot(reader, checkpoint.size)
  return new LogIndex(reader, tree)
})
