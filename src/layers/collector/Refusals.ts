/**
 * Lines and connections that were refused: some of them get a `malformed` entry each, and what is beyond the rate is
 * counted in a `log.drop` entry, so that neither a flood of nonsense nor its extent is lost.
 *
 * @module
 */
import { isUtf8 } from "node:buffer"
import type * as Jcs from "../../domain/Jcs.ts"
import type { Channel } from "../../domain/Protocol.ts"
import type { AuditRecord } from "../../services/AuditStore.ts"

/** Bytes of a refused line that its entry shows. */
export const maxHeadBytes = 512

/** A text, or bytes that are none. */
const textOf = (bytes: Buffer): Jcs.Json =>
  isUtf8(bytes) ? bytes.toString("utf8") : { $b64: bytes.toString("base64") }

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** The first bytes; never half of a character. */
const headOf = (bytes: Buffer): Jcs.Json => {
  if (bytes.length <= maxHeadBytes) return textOf(bytes)
  let end = maxHeadBytes
  while (end > maxHeadBytes - 4 && isContinuation(bytes[end])) end--
  const head = bytes.subarray(0, end)
  return textOf(isUtf8(head) ? head : bytes.subarray(0, maxHeadBytes))
}

export interface Refusal {
  readonly reason: string
  /** The line without its LF, or as much of it as there is; none where it could hold a token. */
  readonly line?: Buffer
}

interface Dropped {
  count: number
  bytes: number
  readonly since: number
  until: number
}

/** Mutable. */
export class Refusals {
  readonly #perSecond: number
  readonly #dropped = new Map<Channel, Dropped>()
  #allowed: number
  #refilledAt: number
  #total = 0
  #counted = 0

  /** @param now Unix milliseconds */
  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond
    this.#allowed = perSecond
    this.#refilledAt = now
  }

  /** All refusals. */
  get total(): number {
    return this.#total
  }

  /** Refusals without an entry of their own. */
  get counted(): number {
    return this.#counted
  }

  /** Whether there is something to say in `log.drop` entries. */
  get isPending(): boolean {
    return this.#dropped.size > 0
  }

  /**
   * The entry about one refusal, or undefined when it was only counted.
   *
   * @param bytes of the line, with its LF
   * @param explain is not called for what is only counted
   */
  refuse(
    channel: Channel,
    connection: number,
    bytes: number,
    now: number,
    explain: () => Refusal
  ): AuditRecord | undefined {
    this.#total++
    if (!this.#take(now)) {
      this.#count(channel, bytes, now)
      return undefined
    }
    const { line, reason } = explain()
    const head = line === undefined ? {} : { head: headOf(line) }
    return {
      type: "malformed",
      source: channel,
      data: { connection, ...head, reason }
    }
  }

  /** The `log.drop` entries that are due. */
  takeDropped(): ReadonlyArray<AuditRecord> {
    const records = [...this.#dropped].map(([source, { bytes, count, since, until }]): AuditRecord => ({
      type: "log.drop",
      source: "recorder",
      data: { bytes, count, since: new Date(since).toISOString(), source, until: new Date(until).toISOString() }
    }))
    this.#dropped.clear()
    return records
  }

  #take(now: number): boolean {
    // A clock that was set back refills nothing until it has caught up, and one that was set forward refills once.
    const gained = Math.floor(((now - this.#refilledAt) * this.#perSecond) / 1000)
    if (gained > 0) {
      this.#allowed = Math.min(this.#perSecond, this.#allowed + gained)
      this.#refilledAt = now
    } else if (now < this.#refilledAt) this.#refilledAt = now
    if (this.#allowed === 0) return false
    this.#allowed--
    return true
  }

  #count(channel: Channel, bytes: number, now: number): void {
    this.#counted++
    const dropped = this.#dropped.get(channel)
    if (dropped === undefined) this.#dropped.set(channel, { count: 1, bytes, since: now, until: now })
    else {
      dropped.count++
      dropped.bytes += bytes
      dropped.until = now
    }
  }
}
