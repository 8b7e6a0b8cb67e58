/**
 * Puts the records of an export into the lines of a bundle, with what goes between them (docs/format.md, section 5).
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Bundle from "../domain/Bundle.ts"
import * as Commitment from "../domain/Commitment.ts"
import * as Entry from "../domain/Entry.ts"
import * as Jcs from "../domain/Jcs.ts"
import type { LedgerEvidence } from "../services/Ledger.ts"
import type { LogReader, ReadCheckpoint, ReadDisclosure } from "../services/LogReader.ts"
import { LogDamaged } from "../services/LogReader.ts"
import type { ExportWarning, OutputFailed } from "./ExportError.ts"
import type { Write } from "./ExportOutput.ts"

/** What was written. */
export interface ExportReport {
  /** The file as it was named; `-` for standard output. */
  readonly target: string
  readonly bytes: number
  readonly entries: number
  readonly checkpoints: number
  /** Records of ledger evidence. */
  readonly ledger: number
  /** Entries that the log has. */
  readonly total: number
  readonly warnings: ReadonlyArray<ExportWarning>
}

type Reader = LogReader["Type"]

/** Bytes of a text in a list, with the comma behind it. */
const encodedBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text), "utf8") + 1

const none: Bundle.Attachments = { timestamps: [], witnesses: [] }

/** Names and brackets of the lists of attachments, comma and LF. */
const overheadBytes = 16

/** UTF-16 units after which what was gathered is written. */
const flushUnits = 256 * 1024

/** Most bytes of UTF-8 for a UTF-16 unit. */
const maxBytesPerUnit = 3

/** Puts records into a bundle, with what goes between them. Owned by one export. */
export class BundleWriter {
  readonly #reader: Reader
  readonly #write: Write
  #text: string
  #separator = ""
  #bytes = 0
  #entries = 0
  #checkpoints = 0
  #ledger = 0
  /** Used in turn: the one of the write before is free when a write completes. */
  #buffers: readonly [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)]
  readonly #warnings: Array<ExportWarning> = []

  constructor(reader: Reader, write: Write, kind: Bundle.Kind) {
    this.#reader = reader
    this.#write = write
    this.#text = `${Bundle.headerLine({ kind, origin: reader.origin })}\n`
  }

  #line(line: string): void {
    this.#text += this.#separator + line
    this.#separator = ",\n"
  }

  /**
   * One entry; returns what keeps it from being written, which is what no line of the format can hold. Whether the leaf
   * is a good one is for the verifier to say.
   */
  entry(seq: number, leaf: string, proof?: ReadonlyArray<string>): LogDamaged | undefined {
    if (leaf.length > Entry.maxLeafBytes) return this.#damaged(seq, `is longer than ${Entry.maxLeafBytes} bytes`)
    if (leaf.includes("\n")) return this.#damaged(seq, "has a line feed in it")
    this.#line(Bundle.entryLine(leaf, proof))
    this.#entries++
    return undefined
  }

  /** A checkpoint with as many of its attachments as a record can hold. */
  checkpoint(checkpoint: ReadCheckpoint, consistency?: ReadonlyArray<string>): void {
    const bare = Bundle.checkpointLine(checkpoint.note, none, consistency)
    let room = Bundle.maxLineBytes - Buffer.byteLength(bare, "utf8") - overheadBytes
    const fitting = (texts: ReadonlyArray<string>) =>
      texts.filter((text, at) => at < Bundle.maxAttachments && (room -= encodedBytes(text)) >= 0)
    const witnesses = fitting(checkpoint.witnesses)
    const timestamps = fitting(checkpoint.timestamps)
    const count = checkpoint.witnesses.length + checkpoint.timestamps.length - witnesses.length - timestamps.length
    if (count > 0) this.#warnings.push({ _tag: "AttachmentsLeftOut", size: checkpoint.size, count })
    this.#line(Bundle.checkpointLine(checkpoint.note, { witnesses, timestamps }, consistency))
    this.#checkpoints++
  }

  /** The ledger's evidence, before everything else; returns what keeps it from being written. */
  ledger(evidence: ReadonlyArray<LedgerEvidence>): LogDamaged | undefined {
    for (const { leaf, proof } of evidence) {
      if (leaf.includes("\n")) return this.#damaged(undefined, "comes with a ledger entry that has a line feed in it")
      this.#line(Bundle.ledgerLine(leaf, proof))
      this.#ledger++
    }
    return undefined
  }

  /** A salt and value behind their entry; returns what keeps it from being written. */
  disclosure({ body, seq }: ReadDisclosure): LogDamaged | undefined {
    try {
      if (Commitment.decode(Jcs.parseCanonical(body)) === undefined) {
        return this.#damaged(seq, "has a malformed disclosure")
      }
    } catch (error) {
      if (error instanceof Jcs.JcsError) return this.#damaged(seq, `has a malformed disclosure: ${error.reason}`)
      throw error
    }
    this.#line(Bundle.disclosureLine(body))
    return undefined
  }

  warn(warning: ExportWarning): void {
    this.#warnings.push(warning)
  }

  #damaged(seq: number | undefined, reason: string): LogDamaged {
    return new LogDamaged({ path: this.#reader.path, seq, reason })
  }

  /** Writes what was gathered when it is enough to be worth it. */
  get flush(): Effect.Effect<void, OutputFailed> {
    return this.#text.length < flushUnits ? Effect.void : this.#flushAll()
  }

  #flushAll(): Effect.Effect<void, OutputFailed> {
    const most = this.#text.length * maxBytesPerUnit
    const [used, other] = this.#buffers
    const buffer = other.length < most ? Buffer.allocUnsafe(most) : other
    const bytes = buffer.subarray(0, buffer.write(this.#text, "utf8"))
    this.#buffers = [buffer, used]
    this.#text = ""
    this.#bytes += bytes.length
    return this.#write(bytes)
  }

  /** The tail. */
  end(target: string): Effect.Effect<ExportReport, OutputFailed> {
    this.#text += `\n${Bundle.tailLine({ checkpoints: this.#checkpoints, entries: this.#entries })}\n`
    return Effect.map(this.#flushAll(), () => ({
      target,
      bytes: this.#bytes,
      entries: this.#entries,
      checkpoints: this.#checkpoints,
      ledger: this.#ledger,
      total: this.#reader.size,
      warnings: this.#warnings
    }))
  }
}
