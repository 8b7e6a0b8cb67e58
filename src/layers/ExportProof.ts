/**
 * One entry as a C2SP tlog-proof: its inclusion in the log's last checkpoint, and the leaf itself in `extra`.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as SignedNote from "../domain/SignedNote.ts"
import * as TlogProof from "../domain/TlogProof.ts"
import { LogDamaged, LogReader } from "../services/LogReader.ts"
import { EntriesOutside, NotSigned } from "./ExportError.ts"
import * as LogIndex from "./LogIndex.ts"

/** The checkpoint with its cosignatures behind the log's own lines, as far as a note may have lines. */
export const cosigned = ({ note, stored }: LogIndex.SoundCheckpoint): string => {
  const room = SignedNote.maxSignatures - note.signatures.length
  return (
    note.note +
    stored.witnesses
      .slice(0, room)
      .map((line) => `${line}\n`)
      .join("")
  )
}

/** The text of the proof of entry `seq`. */
export const text = Effect.fn("ExportProof.text")(function* (seq: number) {
  const reader = yield* LogReader
  if (!(Number.isSafeInteger(seq) && seq >= 0 && seq < reader.size)) {
    return yield* new EntriesOutside({ range: [seq, seq], size: reader.size })
  }
  const final = yield* LogIndex.finalCheckpoint(reader)
  if (seq >= final.size) return yield* new NotSigned({ range: [seq, seq], signed: final.size })
  const index = yield* LogIndex.build(reader, final)
  const prove = yield* index.prover(seq, final.size)
  const [leaf] = yield* reader.leaves(seq, seq + 1)
  if (leaf === undefined) return yield* new LogDamaged({ path: reader.path, seq, reason: "is missing" })
  return TlogProof.encode({
    extra: Buffer.from(leaf, "utf8"),
    index: seq,
    hashes: prove(seq),
    checkpoint: cosigned(final)
  })
})
