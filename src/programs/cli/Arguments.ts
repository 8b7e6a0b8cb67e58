/**
 * What `@effect/cli` cannot know: everything behind the first `--` belongs to the guest, and must never reach the option
 * parser, which would take a misspelt option for the guest's.
 *
 * @module
 */
import type * as Verdict from "../../domain/Verdict.ts"

export interface SplitArguments {
  readonly own: ReadonlyArray<string>
  /** Undefined when there is no `--`. */
  readonly guest: ReadonlyArray<string> | undefined
}

/** Splits at the first `--`, which is dropped. */
export const splitAtDoubleDash = (argv: ReadonlyArray<string>): SplitArguments => {
  const at = argv.indexOf("--")
  return at < 0 ? { own: argv, guest: undefined } : { own: argv.slice(0, at), guest: argv.slice(at + 1) }
}

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Longest time-out: what a Node timer takes, 2^31-1 ms or 24.8 days. */
const maxMillis = 2_147_483_647

/** Milliseconds of `90`, `90s`, `1.5m`, `2h`: a bare number is seconds, as in timeout(1). Undefined: not a duration. */
export const durationMillis = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text)
  if (match === null) return undefined
  const millis = Math.round(Number(match[1]) * (unitMillis[match[2] ?? "s"] ?? 1000))
  return millis >= 1 && millis <= maxMillis ? millis : undefined
}

/** Name and value of `NAME=VALUE`; a bare `NAME` takes the value that agentops itself has. Undefined: neither. */
export const environmentVariable = (
  text: string,
  environment: Readonly<Record<string, string | undefined>>
): readonly [name: string, value: string] | undefined => {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?:=([^]*))?$/.exec(text)
  const name = match?.[1]
  if (name === undefined) return undefined
  const value = match?.[2] ?? environment[name]
  return value === undefined || value.includes("\0") ? undefined : [name, value]
}

/** `A..B`, both included, or a single `A`. Undefined: not a range. */
export const seqRange = (text: string): Verdict.SeqRange | undefined => {
  const match = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text)
  if (match === null) return undefined
  const from = Number(match[1])
  const to = Number(match[2] ?? match[1])
  return from <= to ? [from, to] : undefined
}
