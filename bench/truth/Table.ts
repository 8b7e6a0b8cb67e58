/**
 * The table of docs/coverage.md. A cell has four numbers: execs, connects, opens for writing, opens for reading.
 *
 * @module
 */
import * as Compare from "./Compare.ts"
import type * as Coverage from "./Coverage.ts"
import * as Guest from "./Guest.ts"
import * as Seen from "./Seen.ts"
import type * as Undisturbed from "./Undisturbed.ts"

const cell = (numbers: Readonly<Record<Seen.Kind, number>>): string =>
  Seen.kinds.map((kind) => numbers[kind]).join(" / ")

const line = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

export const columns = ["workload", "calls", ...Guest.modes.map((mode) => `${mode} missed`), "extra"]

export const head: ReadonlyArray<string> = [line(columns), line(columns.map(() => "---"))]

const missedBy = ({ kinds }: Coverage.ModeResult): Readonly<Record<Seen.Kind, number>> => ({
  exec: Compare.total(kinds.exec.missed),
  connect: Compare.total(kinds.connect.missed),
  write: Compare.total(kinds.write.missed),
  read: Compare.total(kinds.read.missed)
})

const extraOf = ({ kinds }: Coverage.ModeResult): number =>
  Seen.kinds.reduce((sum, kind) => sum + Compare.total(kinds[kind].extra), 0)

export const row = ({ calls, modes, workload }: Coverage.Result): string =>
  line([workload.name, cell(calls), ...modes.map((mode) => cell(missedBy(mode))), modes.map(extraOf).join(" / ")])

const sum = (cells: ReadonlyArray<Readonly<Record<Seen.Kind, number>>>): Readonly<Record<Seen.Kind, number>> => {
  const of = (kind: Seen.Kind) => cells.reduce((total, numbers) => total + numbers[kind], 0)
  return { exec: of("exec"), connect: of("connect"), write: of("write"), read: of("read") }
}

/** The sums. */
export const foot = (results: ReadonlyArray<Coverage.Result>): string => {
  const modes = results[0]?.modes.map(({ mode }) => mode) ?? []
  const of = (index: number) => results.flatMap((result) => result.modes[index] ?? [])
  return line([
    "all",
    cell(sum(results.map(({ calls }) => calls))),
    ...modes.map((_, index) => cell(sum(of(index).map(missedBy)))),
    modes.map((_, index) => of(index).reduce((total, mode) => total + extraOf(mode), 0)).join(" / ")
  ])
}

/** Every key that is missed or extra, one a line. */
export const reasons = (results: ReadonlyArray<Coverage.Result>): ReadonlyArray<string> =>
  results.flatMap(({ modes, workload }) =>
    modes.flatMap(({ kinds, mode }) =>
      Seen.kinds.flatMap((kind) => [
        ...[...kinds[kind].missed].map(([key, n]) => `${workload.name} ${mode} missed ${n} ${kind} ${key}`),
        ...[...kinds[kind].extra].map(([key, n]) => `${workload.name} ${mode} extra ${n} ${kind} ${key}`)
      ])
    )
  )

export const projectColumns = ["program", "what", "bare", ...Guest.modes]

export const undisturbedHead: ReadonlyArray<string> = [line(projectColumns), line(projectColumns.map(() => "---"))]

export const undisturbedRow = ({ project, runs }: Undisturbed.Result): string =>
  line([
    project.name,
    project.about,
    ...runs.map(({ mode, same, seconds }) => {
      const time = `${seconds.toFixed(1)} s`
      return mode === "bare" ? time : `${same ? "same" : "DIFFERENT"}, ${time}`
    })
  ])
