/**
 * What happens to a record before it has a place: it is checked against the format, its data gets its canonical text,
 * and records that were handed in together become one message.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Entry from "../domain/Entry.ts"
import * as RecordData from "../domain/RecordData.ts"
import { type AuditRecord, RecordRejected } from "../services/AuditStore.ts"

/** Records that the mailbox holds at most. */
export const maxQueuedRecords = 16_384
/** UTF-16 units of text that the mailbox holds at most. */
export const maxQueuedUnits = 32 * 1024 * 1024

/** A checked record. `seq` and `hash` are set by the writer. */
export interface Prepared {
  readonly data: string
  readonly source: string
  readonly type: string
  /** Somebody waits until it is durable. */
  readonly awaited: boolean
  seq: number
  hash: string
}

/** Records that stay together. */
export interface Records {
  readonly _tag: "Records"
  readonly records: ReadonlyArray<Prepared>
  /** In units of text; see `weigh`. */
  readonly weight: number
  /** When they were handed in, Unix milliseconds. */
  readonly wallMillis: number
}

/** Entries that only the store itself writes. */
const storeTypes = new Set(["log.open", "log.key", "log.tick", "log.clock", "log.close", "log.abort"])

/** Names that were found valid. Bounded: senders may invent types. */
const knownTypes = new Set<string>()
const knownSources = new Set<string>()
const maxKnown = 1024

const remember = (known: Set<string>, name: string): void => {
  if (known.size < maxKnown) known.add(name)
}

const checkNames = (type: string, source: string): void => {
  if (!knownTypes.has(type)) {
    if (!Entry.isType(type)) throw new RecordRejected({ member: "type", reason: "not [a-z][a-z0-9_.-]{0,63}" })
    if (storeTypes.has(type)) throw new RecordRejected({ member: "type", reason: `${type} is written by the store` })
    if (!Entry.isControlType(type)) remember(knownTypes, type)
    else if (source !== "recorder") {
      throw new RecordRejected({ member: "source", reason: `${type} comes from the recorder, not from ${source}` })
    }
  }
  if (!knownSources.has(source)) {
    if (!Entry.isSource(source)) throw new RecordRejected({ member: "source", reason: "not [a-z][a-z0-9_-]{0,31}" })
    remember(knownSources, source)
  }
}

/** UTF-8 bytes of a leaf without its data, source and type, with the longest `seq`. */
const frameBytes = Entry.leafText("", Entry.zeroHash, Number.MAX_SAFE_INTEGER, "", "0".repeat(24), "").length

/** For `catch` clauses around what throws `RecordRejected` only; anything else is a bug and goes on. */
export const rejection = (cause: unknown): RecordRejected => {
  if (cause instanceof RecordRejected) return cause
  throw cause
}

/** The canonical data of an entry of the store's own. */
export const controlData = (data: unknown): string => {
  const encoded = RecordData.encode(data)
  if (Either.isLeft(encoded)) throw new RecordRejected({ member: encoded.left.member, reason: encoded.left.reason })
  return encoded.right
}

const prepareOne = (record: AuditRecord, awaited: boolean): Prepared => {
  const { source, type } = record
  checkNames(type, source)
  const data = record.canonical ?? controlData(record.data)
  const rest = frameBytes + source.length + type.length
  // A UTF-16 unit takes at most three bytes of UTF-8.
  if (data.length * 3 + rest > Entry.maxLeafBytes) {
    const bytes = Buffer.byteLength(data, "utf8") + rest
    if (bytes > Entry.maxLeafBytes) {
      const reason = `the entry would have ${bytes} bytes, and ${Entry.maxLeafBytes} is the limit`
      throw new RecordRejected({ member: "data", reason })
    }
  }
  return { data, source, type, awaited, seq: -1, hash: "" }
}

/** Every record counts as at least its share of the mailbox, so that one weight bounds records and text alike. */
const leastWeight = maxQueuedUnits / maxQueuedRecords

/** @throws RecordRejected when a record breaks the format; none is taken then */
export const prepare = (records: ReadonlyArray<AuditRecord>, wallMillis: number, awaited: boolean): Records => {
  let weight = 0
  const prepared: Array<Prepared> = []
  for (let at = 0; at < records.length; at++) {
    const one = prepareOne(records[at]!, awaited) // at is below length
    prepared.push(one)
    weight += Math.max(leastWeight, one.data.length)
  }
  return { _tag: "Records", records: prepared, weight, wallMillis }
}
