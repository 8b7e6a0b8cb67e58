/**
 * Writes chosen entries as an agent-audit-bundle/1 file of kind subset: each with its inclusion proof, and with the
 * succession of keys that leads from `log.open` to the final checkpoint (docs/format.md, section 5).
 *
 * The log is read twice: once for the tree, of which one hash in 128 is kept, and once where entries were chosen.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Base64 from "../domain/Base64.ts"
import * as MerkleTree from "../domain/MerkleTree.ts"
import type * as Verdict from "../domain/Verdict.ts"
import type { ReadCheckpoint } from "../services/LogReader.ts"
import { LogDamaged, LogReader } from "../services/LogReader.ts"
import { BundleWriter } from "./BundleWriter.ts"
import type { Options } from "./ExportBundle.ts"
import { EntriesOutside, NoSuchType, NotSigned } from "./ExportError.ts"
import * as ExportOutput from "./ExportOutput.ts"
import * as LogIndex from "./LogIndex.ts"

/** Entries that are wanted: those that every member given lets through. */
export interface Selection {
  /** In any of these ranges. */
  readonly ranges?: ReadonlyArray<Verdict.SeqRange> | undefined
  readonly type?: string | undefined
}

type Reader = LogReader["Type"]

/** Most types that are counted for the error message. */
const maxTypes = 1000

/** What the first reading finds out. */
class Survey {
  readonly #ranges: ReadonlyArray<Verdict.SeqRange> | undefined
  readonly #type: string | undefined
  readonly #signed: number
  /** Entries `log.key` below the final checkpoint. */
  readonly keys: Array<number> = []
  /** Blocks with chosen entries below the final checkpoint. */
  readonly blocks = new Set<number>()
  /** Chosen entries below and above it. */
  chosen = 0
  unsigned = 0
  /** Types inside the ranges. */
  readonly types = new Map<string, number>()

  constructor(selection: Selection, signed: number) {
    this.#ranges = selection.ranges
    this.#type = selection.type
    this.#signed = signed
  }

  isInRange(seq: number): boolean {
    return this.#ranges === undefined || this.#ranges.some(([from, to]) => seq >= from && seq <= to)
  }

  isChosen(seq: number, leaf: string): boolean {
    return this.isInRange(seq) && (this.#type === undefined || LogIndex.typeOf(leaf) === this.#type)
  }

  visit(from: number, leaves: ReadonlyArray<string>): void {
    let seq = from
    for (const leaf of leaves) {
      const type = LogIndex.typeOf(leaf)
      if (type === "log.key" && seq < this.#signed) this.keys.push(seq)
      if (this.isInRange(seq)) {
        const count = this.types.get(type)
        if (count !== undefined || this.types.size < maxTypes) this.types.set(type, (count ?? 0) + 1)
        if (this.#type === undefined || this.#type === type) {
          if (seq < this.#signed) {
            this.chosen++
            this.blocks.add(Math.floor(seq / LogIndex.chunkEntries))
          } else this.unsigned++
        }
      }
      seq++
    }
  }
}

/** Reads the log; fails when nothing of the selection can be exported. */
const survey = Effect.fnUntraced(function* (
  reader: Reader,
  selection: Selection,
  final: LogIndex.SoundCheckpoint,
  options: Options
) {
  const outside = selection.ranges?.find(([from, to]) => !(from >= 0 && from <= to && to < reader.size))
  if (outside !== undefined) return yield* new EntriesOutside({ range: outside, size: reader.size })
  const found = new Survey(selection, final.size)
  const index = yield* LogIndex.build(reader, final, (from, leaves) => {
    found.visit(from, leaves)
    options.onProgress?.(from + leaves.length, reader.size)
  })
  for (let from = final.size; from < reader.size; from += LogIndex.chunkEntries) {
    found.visit(from, yield* reader.leaves(from, Math.min(from + LogIndex.chunkEntries, reader.size)))
  }
  if (found.chosen > 0) return { found, index }
  if (found.unsigned > 0) return yield* new NotSigned({ range: [final.size, reader.size - 1], signed: final.size })
  const types = [...found.types].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return yield* new NoSuchType({ type: selection.type ?? "", types })
})

/** `log.open` or a `log.key` with the checkpoint that ends with it: one link of the succession of keys. */
const linkAt = Effect.fnUntraced(function* (reader: Reader, seq: number) {
  const [closing] = yield* reader.checkpoints(seq, seq + 1)
  const [leaf] = yield* reader.leaves(seq, seq + 1)
  if (closing !== undefined && leaf !== undefined) return { closing, leaf }
  const reason = seq === 0 ? "has no opening checkpoint behind it" : "is log.key without its epoch's last checkpoint"
  return yield* new LogDamaged({ path: reader.path, seq, reason })
})

/** Writes the records behind the ledger's. */
const records = Effect.fnUntraced(function* (
  reader: Reader,
  bundle: BundleWriter,
  final: LogIndex.SoundCheckpoint,
  { found, index }: Effect.Effect.Success<ReturnType<typeof survey>>
) {
  let above = 0
  const checkpoint = Effect.fnUntraced(function* (stored: ReadCheckpoint) {
    const { root, size } = yield* LogIndex.sound(reader, stored)
    yield* Effect.filterOrFail(
      index.rootAt(size),
      (computed) => MerkleTree.sameHash(computed, root),
      () => LogIndex.otherRoot(reader, size)
    )
    bundle.checkpoint(stored, above === 0 ? undefined : yield* index.consistency(above, size))
    above = size
  })
  /** Entries of one block that `isWanted`, proven to the tree of `size`. */
  const entries = Effect.fnUntraced(function* (
    from: number,
    leaves: ReadonlyArray<string>,
    size: number,
    isWanted: (seq: number, leaf: string) => boolean
  ) {
    const prove = yield* index.prover(from, size)
    const disclosures = yield* reader.disclosures(from, from + leaves.length)
    for (const [at, leaf] of leaves.entries()) {
      const seq = from + at
      if (!isWanted(seq, leaf)) continue
      let wrong = bundle.entry(seq, leaf, prove(seq).map(Base64.encode))
      for (const one of disclosures) if (one.seq === seq) wrong ??= bundle.disclosure(one)
      if (wrong !== undefined) return yield* wrong
    }
    return yield* bundle.flush
  })

  // The succession of keys: each epoch's last checkpoint, and the entry below it that names the next key.
  const shown = new Set([0, ...found.keys.filter((seq) => seq + 1 < final.size)])
  for (const seq of shown) {
    const { closing, leaf } = yield* linkAt(reader, seq)
    yield* checkpoint(closing)
    yield* entries(seq, [leaf], seq + 1, () => true)
  }
  if (final.size > 1) yield* checkpoint(final.stored)
  const last = final.size - 1
  const isWanted = (seq: number, leaf: string) => (seq === last || found.isChosen(seq, leaf)) && !shown.has(seq)
  for (const block of [...found.blocks.add(Math.floor(last / LogIndex.chunkEntries))].toSorted((a, b) => a - b)) {
    yield* entries(block * LogIndex.chunkEntries, yield* index.leavesOf(block), final.size, isWanted)
  }
})

/**
 * Exports the selection, the last entry that is signed, and what proves them.
 *
 * @param target path of the file, or `-` for standard output
 */
export const subset = Effect.fn("ExportSubset.subset")(function* (
  target: string,
  selection: Selection,
  options: Options = {}
) {
  const reader = yield* LogReader
  const final = yield* LogIndex.finalCheckpoint(reader)
  const surveyed = yield* survey(reader, selection, final, options)
  const produce = Effect.fnUntraced(function* (write: ExportOutput.Write) {
    const bundle = new BundleWriter(reader, write, "subset")
    const wrong = bundle.ledger(options.ledger ?? (yield* reader.ledger))
    if (wrong !== undefined) return yield* wrong
    yield* records(reader, bundle, final, surveyed)
    if (final.size < reader.size) bundle.warn({ _tag: "UnsignedTail", range: [final.size, reader.size - 1] })
    return yield* bundle.end(target)
  })
  return yield* ExportOutput.into(target, produce, options.stdout)
})
