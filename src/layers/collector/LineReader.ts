/**
 * Lines into records. What is no event is refused, and never harms the next line.
 *
 * @module
 */
import { isUtf8 } from "node:buffer"
import * as Protocol from "../../domain/Protocol.ts"
import * as ProtocolScan from "../../domain/ProtocolScan.ts"
import type { AuditRecord } from "../../services/AuditStore.ts"
import type { Refusal } from "./Refusals.ts"

/** No event is shorter, in characters: `JSON.parse`, whose refusals are dear, is not asked. */
const leastLine = 64

const lf = 10

/** Who gets what was read. */
export interface Reader {
  readonly onRecord: (record: AuditRecord) => void
  /** @param bytes of the line, with its LF. `explain` is called at once or never */
  readonly onRefused: (bytes: number, explain: () => Refusal) => void
}

const parse = (line: string): unknown => {
  if (line.length < leastLine) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const refuse = (line: Buffer, reader: Reader): void =>
  reader.onRefused(line.length + 1, () => {
    const decoded = Protocol.decode(line)
    return { line, reason: decoded._tag === "Left" ? decoded.left.reason : "not an event" }
  })

const readOne = (line: string, channel: Protocol.Channel, session: string, reader: Reader): void => {
  const value = parse(line)
  if (!Protocol.guard(value, line)) return refuse(Buffer.from(line, "utf8"), reader)
  // A UTF-16 unit takes at most three bytes of UTF-8.
  reader.onRecord(Protocol.toRecord(value, channel, session, line.length * 3))
}

/**
 * Reads whole lines, each with its LF.
 *
 * @param session the collector's own
 */
export const read = (bytes: Buffer, channel: Protocol.Channel, session: string, reader: Reader): void => {
  if (!isUtf8(bytes)) {
    // Somewhere in it: the other lines are good all the same.
    for (let from = 0, end = bytes.indexOf(lf); end >= 0; from = end + 1, end = bytes.indexOf(lf, from)) {
      const line = bytes.subarray(from, end)
      if (isUtf8(line)) readOne(line.toString("utf8"), channel, session, reader)
      else refuse(line, reader)
    }
    return
  }
  const text = bytes.toString("utf8")
  for (let from = 0; from < text.length;) {
    const scanned = ProtocolScan.scan(text, from, channel, session)
    if (scanned !== undefined) {
      reader.onRecord(scanned)
      from += scanned.lineUnits
      continue
    }
    const end = text.indexOf("\n", from)
    if (end < 0) return
    readOne(text.slice(from, end), channel, session, reader)
    from = end + 1
  }
}
