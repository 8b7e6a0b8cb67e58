/**
 * What every contender of `bench/collector.ts` gets: opens and execs, all of the same length. They have the members in the
 * order in which our own senders write them, or in another one, which any sender may choose.
 *
 * @module
 */
import * as Fs from "node:fs"
import * as Protocol from "../src/domain/Protocol.ts"

/** Of a line, with its LF. */
export const lineBytes = 252

export type Order = "ours" | "other"

const lineOf = (at: number, order: Order): string => {
  const pid = 1000 + (at % 64)
  const payload = (path: string) => {
    const members = at % 4 === 3 ? { pid, ppid: 999, path, argv: ["cc", "-c"] } : { pid, path, flags: 524_288 }
    return order === "ours" ? { ...members, result: 0 } : { result: 0, ...members }
  }
  const event = (path: string) => ({
    timestamp: new Date(1_764_590_400_000 + at).toISOString(),
    source: "Shim",
    event_type: at % 4 === 3 ? "Exec" : "Open",
    metadata: { session_id: "run_0123456789ab" },
    payload: payload(path)
  })
  const path = `/workspace/module-${at}/`
  const missing = lineBytes - 1 - JSON.stringify(event(path)).length
  return JSON.stringify(event(path.padEnd(path.length + missing, "include/")))
}

/** Writes `count` lines to a file, each of them valid. */
export const write = (file: string, count: number, order: Order): void => {
  const descriptor = Fs.openSync(file, "w")
  for (let at = 0; at < count; at += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, count - at) }, (_, offset) => lineOf(at + offset, order))
    const odd = lines.find((line) => line.length !== lineBytes - 1 || Protocol.decode(line)._tag === "Left")
    if (odd !== undefined) throw new Error(`not a line of ${lineBytes} bytes that decodes: ${odd}`)
    Fs.writeSync(descriptor, `${lines.join("\n")}\n`)
  }
  Fs.closeSync(descriptor)
}
