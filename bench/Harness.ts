/**
 * Runs what is compared in turns: one process, one machine, each round every contender once and in alternating order. A
 * noisy neighbour then hits both sides alike, and the ratio of a round stays true where milliseconds do not.
 *
 * To add a benchmark: write `bench/NAME.ts` that exports `run: Harness.Benchmark["run"]`, list it in `bench/run.ts`, and start it
 * with `npm run bench -- NAME`. In `run`, set up, call `rounds` with the work of each contender, and return one `Row` for
 * each figure, usually by `compare`. What a benchmark needs from the machine and does not find (a tool, a native module)
 * it reports as a row with `note`, never by leaving the row out. Clean up what was made, also after a failure.
 *
 * @module
 */

/** Milliseconds, or any other quantity of one kind, of one contender in each round. */
export type Samples = ReadonlyArray<number>

/** One printed line. */
export interface Row {
  readonly name: string
  /** Our cost or rate as a multiple of the reference, one value a round. Empty when nothing could be measured. */
  readonly ratios: Samples
  /** What the median of `ratios` is held against. Absent for a figure that is only reported. */
  readonly goal?: { readonly atMost: number } | { readonly atLeast: number }
  /** Decimals and unit of what is not a ratio, such as " MB" or "/s". A ratio prints as "x". */
  readonly unit?: string
  /** Absolute values behind the ratio, or why there are none. */
  readonly note?: string
}

/** What the module of a benchmark exports. */
export interface Benchmark {
  readonly run: () => Promise<ReadonlyArray<Row>>
}

/** The middle value, or the mean of the two middle values; NaN of nothing. */
export const median = (samples: Samples): number => {
  const sorted = [...samples].toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Wall-clock milliseconds that `work` takes. */
export const time = async (work: () => unknown): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/**
 * Runs every contender once a round, in an order that turns round with every round, and collects what each returns. The
 * answer gives the samples of a name. `warmUp` further rounds come first and are not counted.
 */
export const rounds = async <Name extends string>(
  count: number,
  contenders: Readonly<Record<Name, () => number | Promise<number>>>,
  warmUp = 1
): Promise<(name: Name) => Samples> => {
  const entries = Object.entries<() => number | Promise<number>>(contenders)
  const samples = new Map(entries.map(([name]) => [name, new Array<number>()]))
  for (let round = -warmUp; round < count; round++) {
    for (const [name, work] of round % 2 === 0 ? entries : entries.toReversed()) {
      const sample = await work()
      if (round >= 0) samples.get(name)?.push(sample)
    }
  }
  return (name) => samples.get(name) ?? []
}

/** Round by round, `ours` divided by `reference`. */
export const ratios = (ours: Samples, reference: Samples): Samples =>
  ours.map((sample, round) => sample / (reference[round] ?? Number.NaN))

/** A row of `ours` against `reference`, noting both medians with `unit` (" ms" unless told). */
export const compare = (name: string, ours: Samples, reference: Samples, goal?: Row["goal"], unit = " ms"): Row => ({
  name,
  ratios: ratios(ours, reference),
  ...(goal === undefined ? {} : { goal }),
  note: `${figure(median(ours))}${unit} against ${figure(median(reference))}${unit}`
})

/** Three significant digits, and whole numbers from a thousand up with thin groups. */
export const figure = (value: number): string => {
  if (!Number.isFinite(value)) return "?"
  if (Math.abs(value) < 1000) return String(Number(value.toPrecision(3)))
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ")
}

/** Whether the median meets the goal; undefined where there is no goal. */
export const meets = (row: Row): boolean | undefined => {
  if (row.goal === undefined) return undefined
  const value = median(row.ratios)
  return "atMost" in row.goal ? value <= row.goal.atMost : value >= row.goal.atLeast
}

/** The line that is printed for a row: median, range, goal and whether it is met. */
export const format = (row: Row): string => {
  const unit = row.unit ?? "x"
  const note = row.note === undefined ? "" : `  (${row.note})`
  if (row.ratios.length === 0) return `${row.name.padEnd(56)} not measured${note}`
  const value = `${figure(median(row.ratios))}${unit}`
  const range = `${figure(Math.min(...row.ratios))}..${figure(Math.max(...row.ratios))}`
  const met = meets(row) ? "met" : "MISSED"
  const bound = row.goal && ("atMost" in row.goal ? `at most ${row.goal.atMost}` : `at least ${row.goal.atLeast}`)
  const goal = bound === undefined ? "no goal" : `goal ${bound}${unit === "x" ? "" : unit}: ${met}`
  return `${row.name.padEnd(56)} ${value.padStart(9)}  ${range.padEnd(18)} ${goal}${note}`
}
