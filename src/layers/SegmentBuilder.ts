/**
 * Collects consecutive leaves into a segment: what one transaction stores. Owned by the actor of a log.
 *
 * @module
 */
import type { Sequencer } from "../domain/Sequencer.ts"
import type { Prepared } from "./RecordIntake.ts"

/** Most entries in a segment. */
export const maxEntries = 1024
/** UTF-16 units of data after which a segment is full, so that a message between threads stays small. */
export const maxUnits = 4 * 1024 * 1024

/** Mutable: `take` empties it. */
export class SegmentBuilder {
  readonly #sequencer: Sequencer
  #leaves: Array<string> = []
  #hashes: Array<string> = []
  #units = 0
  #records = 0
  #awaited: Array<Prepared> = []

  constructor(sequencer: Sequencer) {
    this.#sequencer = sequencer
  }

  get size(): number {
    return this.#leaves.length
  }

  /** Entries that may still come before `isFull` must be asked again. */
  get room(): number {
    // A data text has at most 65 535 units.
    const byText = Math.floor((maxUnits - this.#units) / 65_536) + 1
    return Math.max(1, Math.min(maxEntries - this.#leaves.length, byText))
  }

  get isFull(): boolean {
    return this.#leaves.length >= maxEntries || this.#units >= maxUnits
  }

  /** Appends a record and tells it its place. */
  record(record: Prepared, wallMillis: number): void {
    record.seq = this.#sequencer.size
    this.#append(record.data, record.source, record.type, wallMillis)
    record.hash = this.#sequencer.hash
    this.#records++
    if (record.awaited) this.#awaited.push(record)
  }

  /** Appends an entry of the store's own. */
  control(type: string, data: string, wallMillis: number): void {
    this.#append(data, "recorder", type, wallMillis)
  }

  #append(data: string, source: string, type: string, wallMillis: number): void {
    this.#leaves.push(this.#sequencer.append(data, source, type, wallMillis))
    this.#hashes.push(this.#sequencer.hash)
    this.#units += data.length
  }

  /** The entries since the last call; at least one. */
  take() {
    const leaves = this.#leaves
    // Copied out of Node's buffer pool: structured clones copy the whole ArrayBuffer below a view.
    const hashes = new Uint8Array(Buffer.from(this.#hashes.join(""), "hex"))
    const segment = {
      first: this.#sequencer.size - leaves.length,
      leaves,
      hashes,
      hash: this.#sequencer.hash,
      records: this.#records,
      /** Records that somebody waits for. */
      awaited: this.#awaited
    }
    this.#leaves = []
    this.#hashes = []
    this.#units = 0
    this.#records = 0
    this.#awaited = []
    return segment
  }
}
