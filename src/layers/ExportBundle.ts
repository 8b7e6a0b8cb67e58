/**
 * Writes a whole log as an agent-audit-bundle/1 file (docs/format.md, section 5). Memory stays flat: 256 entries at a
 * time. A log that goes on, or whose recorder was killed, is exported as far as it is.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Writable } from "node:stream"
import type { LedgerEvidence } from "../services/Ledger.ts"
import type { LogDamaged, ReadCheckpoint, ReadDisclosure } from "../services/LogReader.ts"
import { LogReader } from "../services/LogReader.ts"
import { BundleWriter } from "./BundleWriter.ts"
import * as ExportOutput from "./ExportOutput.ts"
import * as LogIndex from "./LogIndex.ts"

export interface Options {
  /** The ledger's evidence about this log (`Ledger.evidence`); by default what is stored with the log. */
  readonly ledger?: ReadonlyArray<LedgerEvidence> | undefined
  /** Receives the export when the target is `-`; the process's own by default. */
  readonly stdout?: Writable | undefined
  /** Called from time to time: entries that were read, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

type Reader = LogReader["Type"]

/** Each entry, its disclosures, the checkpoint behind it. */
const fill = (
  bundle: BundleWriter,
  from: number,
  leaves: ReadonlyArray<string>,
  disclosures: ReadonlyArray<ReadDisclosure>,
  checkpoints: ReadonlyMap<number, ReadCheckpoint>
): LogDamaged | undefined => {
  let disclosed = 0
  let seq = from
  for (const leaf of leaves) {
    let wrong = bundle.entry(seq, leaf)
    for (let next = disclosures[disclosed]; next?.seq === seq; next = disclosures[++disclosed]) {
      wrong ??= bundle.disclosure(next)
    }
    if (wrong !== undefined) return wrong
    seq++
    const checkpoint = checkpoints.get(seq)
    if (checkpoint !== undefined) bundle.checkpoint(checkpoint)
  }
  return undefined
}

/** The records of the entries `from` to `to`. */
const stretch = Effect.fnUntraced(function* (reader: Reader, bundle: BundleWriter, from: number, to: number) {
  const leaves = yield* reader.leaves(from, to)
  const checkpoints = new Map((yield* reader.checkpoints(from, to)).map((checkpoint) => [checkpoint.size, checkpoint]))
  const disclosures = yield* reader.disclosures(from, to)
  const wrong = fill(bundle, from, leaves, disclosures, checkpoints)
  if (wrong !== undefined) return yield* wrong
  return yield* bundle.flush
})

/**
 * Exports everything.
 *
 * @param target path of the file, or `-` for standard output
 */
export const full = Effect.fn("ExportBundle.full")(function* (target: string, options: Options = {}) {
  const reader = yield* LogReader
  const produce = Effect.fnUntraced(function* (write: ExportOutput.Write) {
    const bundle = new BundleWriter(reader, write, "full")
    const wrong = bundle.ledger(options.ledger ?? (yield* reader.ledger))
    if (wrong !== undefined) return yield* wrong
    for (const stray of yield* reader.checkpoints(Number.MIN_SAFE_INTEGER, 0)) bundle.checkpoint(stray)
    for (let from = 0; from < reader.size; from += LogIndex.chunkEntries) {
      const to = Math.min(from + LogIndex.chunkEntries, reader.size)
      yield* stretch(reader, bundle, from, to)
      options.onProgress?.(to, reader.size)
    }
    // Checkpoints of entries that are gone are evidence of just that.
    for (const ahead of yield* reader.checkpoints(reader.size, Number.MAX_SAFE_INTEGER)) bundle.checkpoint(ahead)
    const signed = Option.match(yield* reader.lastCheckpoint, { onNone: () => 0, onSome: ({ size }) => size })
    if (signed < reader.size) bundle.warn({ _tag: "UnsignedTail", range: [signed, reader.size - 1] })
    return yield* bundle.end(target)
  })
  return yield* ExportOutput.into(target, produce, options.stdout)
})
