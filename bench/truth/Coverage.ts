/**
 * One workload held against the truth in every mode: what is missed, what is extra, and which promise that breaks.
 *
 * @module
 */
import * as Compare from "./Compare.ts"
import * as Guest from "./Guest.ts"
import * as Recorder from "./Recorder.ts"
import type * as Seen from "./Seen.ts"
import type { Workload } from "./Workloads.ts"

/** Differences of a mode, by kind; `dynamic` are the execs that programs with a loader made. */
export interface ModeResult {
  readonly mode: Guest.Mode
  readonly kinds: Readonly<Record<Seen.Kind, Compare.Difference>>
  readonly dynamic: Compare.Difference
  /** Execs whose arguments were recorded otherwise than they were. */
  readonly argv: Compare.Difference
}

export interface Result {
  readonly workload: Workload
  /** Calls of the truth, by kind. */
  readonly calls: Readonly<Record<Seen.Kind, number>>
  readonly modes: ReadonlyArray<ModeResult>
  /** Promises that are broken, one line each. */
  readonly broken: ReadonlyArray<string>
}

/** Which kinds a mode promises never to miss (docs/coverage.md). Of the shim's, only execs by dynamic programs. */
const promised: Readonly<Record<Guest.Mode, ReadonlyArray<Seen.Kind>>> = {
  hybrid: ["exec", "connect", "write"],
  full: ["exec", "connect", "write", "read"],
  shim: []
}

/** Node looks for room near its code, and how often depends on where the kernel put it: other in one start of a hundred. */
const chanceOfAddresses = /^\/proc\/self\/maps$|\/bin\/node$/

/** Leaves out reads whose number is chance. */
const without = (seen: ReadonlyArray<Seen.Seen>, { chance }: Workload): ReadonlyArray<Seen.Seen> =>
  seen.filter(({ key, kind }) => !(kind === "read" && (chanceOfAddresses.test(key) || chance?.test(key) === true)))

/**
 * Execs as the shim reports them: as the program asked, before the call. It must have those that succeeded, and may have
 * those that did not (which it reports again, with the result). The first is the launcher's, in which no shim is.
 */
const asAsked = (
  truth: ReadonlyArray<Seen.Seen>
): { readonly must: ReadonlyArray<Seen.Seen>; readonly may: ReadonlyArray<Seen.Seen> } => {
  const execs = truth.filter(({ kind }) => kind === "exec").slice(1)
  const must = execs.filter(({ failed }) => failed !== true).map((exec) => ({ ...exec, key: exec.asked ?? exec.key }))
  return { must, may: execs }
}

const compareExecs = (
  mode: Guest.Mode,
  truths: ReadonlyArray<ReadonlyArray<Seen.Seen>>,
  record: ReadonlyArray<Seen.Seen>
): { readonly all: Compare.Difference; readonly dynamic: Compare.Difference } => {
  const found = Compare.keysOf(mode === "shim" ? record.filter(({ failed }) => failed !== true) : record, "exec")
  if (mode !== "shim") {
    const all = Compare.difference(
      truths.map((truth) => Compare.keysOf(truth, "exec")),
      found
    )
    return { all, dynamic: all }
  }
  const parts = truths.map(asAsked)
  const against = (of: (part: (typeof parts)[number]) => ReadonlyArray<Seen.Seen>) =>
    Compare.difference(
      parts.flatMap((part) => [Compare.keysOf(of(part), "exec"), Compare.keysOf(part.may, "exec")]),
      found
    )
  return {
    all: against(({ must }) => must),
    dynamic: against(({ must }) => must.filter(({ caller }) => caller === "dynamic"))
  }
}

const compare = (
  workload: Workload,
  mode: Guest.Mode,
  truths: ReadonlyArray<ReadonlyArray<Seen.Seen>>,
  record: ReadonlyArray<Seen.Seen>
): ModeResult => {
  const [wanted, found] = [truths.map((truth) => without(truth, workload)), without(record, workload)]
  const of = (kind: Seen.Kind) =>
    Compare.difference(
      wanted.map((truth) => Compare.keysOf(truth, kind)),
      Compare.keysOf(found, kind)
    )
  const { all, dynamic } = compareExecs(mode, wanted, found)
  return {
    mode,
    kinds: { exec: all, connect: of("connect"), write: of("write"), read: of("read") },
    dynamic,
    argv: Compare.difference(wanted.map(Compare.argumentsOf), Compare.argumentsOf(found))
  }
}

const some = (counts: Compare.Counts): string =>
  [...counts]
    .slice(0, 5)
    .map(([key, n]) => `${n} x ${key}`)
    .join(", ") + (counts.size > 5 ? ", ..." : "")

/** What of the promises a mode breaks, as lines. */
const brokenBy = ({ raw }: Workload, { argv, dynamic, kinds, mode }: ModeResult): ReadonlyArray<string> => {
  const lines = promised[mode].flatMap((kind) => {
    const { extra, missed } = kinds[kind]
    return [
      ...(missed.size > 0 ? [`${mode} missed ${Compare.total(missed)} ${kind}: ${some(missed)}`] : []),
      ...(extra.size > 0 ? [`${mode} recorded ${Compare.total(extra)} ${kind} that nobody made: ${some(extra)}`] : [])
    ]
  })
  if (mode !== "shim" && argv.missed.size > 0) lines.push(`${mode} has other arguments: ${some(argv.missed)}`)
  if (mode === "shim" && raw !== true && dynamic.missed.size > 0) {
    lines.push(`shim missed ${Compare.total(dynamic.missed)} exec of dynamic programs: ${some(dynamic.missed)}`)
  }
  return lines
}

const otherwise = (what: string, outcome: Guest.Outcome, bare: Guest.Outcome): ReadonlyArray<string> => {
  if (outcome.status !== bare.status)
    return [`${what}: status ${outcome.status}, bare ${bare.status}: ${outcome.stderr}`]
  return outcome.stdout === bare.stdout ? [] : [`${what}: other output than bare:\n${outcome.stdout}`]
}

/** Runs a workload bare, twice under strace, and once in each mode. */
export const measure = async (
  place: Guest.Place,
  workload: Workload,
  modes: ReadonlyArray<Guest.Mode>
): Promise<Result> => {
  const { name } = workload
  const bare = await Guest.bare(place, name)
  const broken = bare.status === 0 ? [] : [`bare: status ${bare.status}: ${bare.stdout}${bare.stderr}`]
  const truths: Array<ReadonlyArray<Seen.Seen>> = []
  for (let n = 0; n < 2; n++) {
    const { outcome, seen } = await Guest.traced(place, name)
    broken.push(...otherwise("strace", outcome, bare))
    truths.push(seen)
  }
  const results: Array<ModeResult> = []
  for (const mode of modes) {
    const { outcome, record } = await Guest.recorded(place, name, mode)
    const result = compare(
      workload,
      mode,
      truths,
      record.events.flatMap((event) => Recorder.toSeen(event) ?? [])
    )
    results.push(result)
    broken.push(...otherwise(mode, outcome, bare), ...brokenBy(workload, result))
    if (record.mode !== mode) broken.push(`${mode}: what was in force is ${String(record.mode)}`)
    for (const loss of record.losses) broken.push(`${mode} lost something: ${loss}`)
  }
  const calls = (kind: Seen.Kind) => Math.max(...truths.map((truth) => Compare.total(Compare.keysOf(truth, kind))))
  return {
    workload,
    calls: { exec: calls("exec"), connect: calls("connect"), write: calls("write"), read: calls("read") },
    modes: results,
    broken
  }
}
