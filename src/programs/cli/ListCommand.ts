/**
 * `agent list`
 *
 * @module
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Home from "../Home.ts"
import * as ListRuns from "../ListRuns.ts"
import * as Output from "./Output.ts"

const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON object per run, newest first"))

const columns = ["RUN", "NAME", "STATE", "STARTED", "DURATION", "EXIT", "ENTRIES", "COMMAND"] as const

const duration = (millis: number | undefined): string => {
  if (millis === undefined) return "-"
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 60) return `${(millis / 1000).toFixed(1)}s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes}m${seconds % 60}s` : `${Math.floor(minutes / 60)}h${minutes % 60}m`
}

/** What a shell would need quotes for is shown as JSON; control characters never reach the terminal. */
const shown = (command: ReadonlyArray<string>): string =>
  command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(" ")

const row = (run: ListRuns.ListedRun): ReadonlyArray<string> => [
  run.run,
  run.name ?? "-",
  run.state,
  run.started?.replace("T", " ").slice(0, 19) ?? "-",
  duration(run.ms),
  run.exit === undefined ? "-" : String(run.exit),
  run.entries === undefined ? "-" : String(run.entries),
  shown(run.command).slice(0, 60)
]

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = columns.map((_, at) => Math.max(...rows.map((cells) => cells[at]?.length ?? 0)))
  return rows.map((cells) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd()
  )
}

export const command = Command.make("list", { json }, ({ json }) =>
  Effect.gen(function* () {
    for (const warning of yield* Home.recoverKilled) yield* Output.remark(warning)
    const runs = yield* ListRuns.list
    if (json) {
      for (const run of runs) yield* Output.print(JSON.stringify(run))
      return
    }
    if (runs.length === 0) return yield* Output.remark("no runs yet; record one with: agent run -- COMMAND")
    for (const line of table([columns, ...runs.map(row)])) yield* Output.print(line)
  })
).pipe(Command.withDescription("List the recorded runs, newest first"))
