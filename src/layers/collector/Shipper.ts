/**
 * Records on their way to the sink: gathered into batches, of which a bounded number is not durable yet.
 *
 * @module
 */
import type { AuditRecord } from "../../services/AuditStore.ts"
import type { RecordSink } from "./RecordSink.ts"

export interface Options {
  readonly sink: RecordSink
  readonly maxBatchRecords: number
  readonly maxBatchesInFlight: number
  /** Another batch has become durable. */
  readonly onDurable: () => void
}

interface Waiter {
  readonly batches: number
  readonly callback: () => void
}

/** Mutable. */
export class Shipper {
  readonly #options: Options
  readonly #waiters: Array<Waiter> = []
  #records: Array<AuditRecord> = []
  #shipped = 0
  #durable = 0
  #entries = 0

  constructor(options: Options) {
    this.#options = options
  }

  /** Records that are durable. */
  get entries(): number {
    return this.#entries
  }

  /** Records that are not on their way yet. */
  get gathered(): number {
    return this.#records.length
  }

  /** No further batch may be on its way. */
  get isFull(): boolean {
    return this.#shipped - this.#durable >= this.#options.maxBatchesInFlight
  }

  add(record: AuditRecord): void {
    this.#records.push(record)
  }

  /** Sends one batch, if there is anything; not while it is full. */
  ship(): void {
    const { maxBatchRecords, onDurable, sink } = this.#options
    const all = this.#records
    if (all.length === 0 || this.isFull) return
    const records = all.length <= maxBatchRecords ? all : all.slice(0, maxBatchRecords)
    this.#records = all.length <= maxBatchRecords ? [] : all.slice(maxBatchRecords)
    this.#shipped++
    sink.write(records, () => {
      this.#durable++
      this.#entries += records.length
      this.#settle()
      onDurable()
    })
  }

  /** Calls back when everything that was added before is durable; at once when it is. In the order of the calls. */
  whenDurable(callback: () => void): void {
    const batches = this.#shipped + Math.ceil(this.#records.length / this.#options.maxBatchRecords)
    this.#waiters.push({ batches, callback })
    this.#settle()
  }

  #settle(): void {
    for (let next = this.#waiters[0]; next !== undefined && next.batches <= this.#durable; next = this.#waiters[0]) {
      this.#waiters.shift()
      next.callback()
    }
  }
}
