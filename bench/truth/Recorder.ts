/**
 * What a mode recorded of a run, as `Seen` calls: the events that arrived, however they came to this program.
 *
 * @module
 */
import * as Seen from "./Seen.ts"

/** An exec, connect or open as recorded: the members of its payload (docs/protocol.md). */
export interface Recorded {
  readonly type: string
  readonly source: string
  readonly data: Readonly<Record<string, unknown>>
}

const text = (value: unknown): string => {
  if (typeof value === "string") return value
  if (typeof value === "object" && value !== null && "$b64" in value && typeof value.$b64 === "string") {
    return Buffer.from(value.$b64, "base64").toString("utf8")
  }
  return ""
}

const connection = (data: Recorded["data"]): string => {
  const { address, family, number, path, port } = data
  if (family === "unix") return `unix:${text(path)}`
  if (family === "other") return `other:${String(number)}`
  return `${String(family)}:${String(address)}:${String(port)}`
}

/** The call of an event; undefined for events of other kinds. */
export const toSeen = ({ data, type }: Recorded): Seen.Seen | undefined => {
  const result = data["result"]
  const failed = typeof result === "number" ? { failed: result !== 0 } : {}
  const known = { caller: "dynamic", ...failed } as const
  if (type === "connect") return { ...known, kind: "connect", key: Seen.normalise(connection(data)) }
  const path = text(data["path"])
  if (type === "exec") {
    const argv = data["argv"]
    const all = Array.isArray(argv) && data["truncated"] !== true
    return {
      ...known,
      kind: "exec",
      key: Seen.normalise(path),
      ...(all ? { argv: argv.map((argument) => Seen.normalise(text(argument))) } : {})
    }
  }
  if (type !== "open") return undefined
  const key = Seen.normalise(Seen.openPath(path, data["dirfd"] !== undefined))
  return { ...known, kind: Seen.purpose(Number(data["flags"])), key }
}
