/**
 * Runs a command under `agent run --record MODE` and reads from its log what was recorded.
 *
 * @module
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import Database from "../../src/layers/BetterSqlite.ts"
import type { Recorded } from "./Recorder.ts"

const agentPath = fileURLToPath(new URL("../../bin/agent.cjs", import.meta.url))

/** The built CLI, before the arguments of `agent`. */
export const agent: ReadonlyArray<string> = [process.execPath, agentPath]

/** `agent run` of a command; the home is named in the environment (AGENTOPS_HOME). */
export const command = (mode: string, guest: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...agent,
  "run",
  "--quiet",
  "--record",
  mode,
  "--",
  ...guest
]

interface Entry {
  readonly type: string
  readonly source: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface Collected {
  readonly events: ReadonlyArray<Recorded>
  /** The mode that was in force, as the launcher said. */
  readonly mode: unknown
  /** Entries that say that something was lost or not understood. */
  readonly losses: ReadonlyArray<string>
}

/** The log of the only run of a home. */
const entries = (home: string): ReadonlyArray<Entry> => {
  const runs = Path.join(home, "runs")
  const [id, ...others] = Fs.readdirSync(runs).filter((name) => !name.startsWith("."))
  if (id === undefined || others.length > 0) throw new Error(`${home} has ${others.length} runs besides ${id}`)
  const database = new Database(Path.join(runs, id, "audit.db"), { readonly: true, fileMustExist: true })
  try {
    const leaves = database.prepare<[], string>("SELECT leaf FROM entries ORDER BY seq").pluck().all()
    return leaves.map((leaf): Entry => JSON.parse(leaf))
  } finally {
    database.close()
  }
}

/** What the recording itself makes a guest do: its loader opens the library, and the library connects to the collector. */
const ofTheRecording = ({ data }: Entry): boolean => {
  const path = data["path"]
  return typeof path === "string" && (path.endsWith("/libauditshim.so") || path.endsWith("/audit.sock"))
}

/** Reads the record of the only run of a home. */
export const read = (home: string): Collected => {
  const log = entries(home)
  const supervised = log.find(({ data, type }) => type === "container" && data["action"] === "supervised")
  return {
    events: log.filter((entry) => /^(?:exec|connect|open)$/.test(entry.type) && !ofTheRecording(entry)),
    mode: supervised?.data["mode"],
    losses: log.filter(({ type }) => /drop|malformed/.test(type)).map((entry) => JSON.stringify(entry.data))
  }
}
