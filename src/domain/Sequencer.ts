/**
 * The order of a log: who comes next, after which hash, at what time. Owned by the one writer of a log.
 *
 * It produces each leaf text once; nothing writes it again later. It neither stores nor signs, and both of its clocks
 * are arguments.
 *
 * @module
 */
import * as Entry from "./Entry.ts"
import * as Sha256 from "./Sha256.ts"

/** A step of the wall clock against the monotonic clock that is recorded, in milliseconds: more than this. */
export const maxStepMillis = 1000

/** 9999-12-31T23:59:59.999Z, the last instant that `ts` can name, in Unix milliseconds. */
const maxMillis = 253_402_300_799_999

/** Where a log stands. */
export interface Position {
  /** Entries so far, and `seq` of the next one. */
  readonly size: number
  /** Leaf hash of the last entry, lower-case hex. */
  readonly hash: string
  /** Time of the last entry, Unix milliseconds. */
  readonly millis: number
}

/** Before the first entry. */
export const start: Position = { size: 0, hash: Entry.zeroHash, millis: 0 }

/** `YYYY-MM-DDTHH:MM:SS.mmmZ` of Unix milliseconds, kept inside the years that have four digits. */
export const formatTime = (millis: number): string => new Date(Math.min(Math.max(millis, 0), maxMillis)).toISOString()

/** Mutable: `append` moves it on. */
export class Sequencer {
  #size: number
  #hash: string
  #millis: number
  #time: string
  #offset: number | undefined

  constructor(position: Position = start) {
    this.#size = position.size
    this.#hash = position.hash
    this.#millis = position.millis
    this.#time = formatTime(position.millis)
  }

  /** Entries so far. */
  get size(): number {
    return this.#size
  }

  /** Leaf hash of the last entry, lower-case hex. */
  get hash(): string {
    return this.#hash
  }

  /**
   * Compares both clocks with the last time they were looked at. Monotonic time does not count a suspended machine, so
   * that a suspension shows as a step, too.
   *
   * @returns the step in whole milliseconds when it is larger than `maxStepMillis`; a `log.clock` entry is due then
   */
  step(wallMillis: number, monotonicMillis: number): number | undefined {
    const offset = wallMillis - monotonicMillis
    const step = Math.round(offset - (this.#offset ?? offset))
    this.#offset = offset
    return Math.abs(step) > maxStepMillis ? step : undefined
  }

  /**
   * The next leaf. Its hash is `hash` afterwards. Time never goes back: an earlier instant becomes that of the entry
   * before.
   *
   * @param dataText RFC 8785 text, from `RecordData.encode`
   */
  append(dataText: string, source: string, type: string, wallMillis: number): string {
    if (wallMillis > this.#millis) {
      this.#millis = wallMillis
      this.#time = formatTime(wallMillis)
    }
    const leaf = Entry.leafText(dataText, this.#hash, this.#size, source, this.#time, type)
    // Hashing lays the prefixed text out in memory once; the slice shares it, so that the leaf is not laid out again.
    const prefixed = `\u0000${leaf}`
    this.#hash = Sha256.textHex(prefixed)
    this.#size++
    return prefixed.slice(1)
  }
}
