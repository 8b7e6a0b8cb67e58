/**
 * Multisets of keys against each other: what the record misses of the truth, and what it has besides.
 *
 * The truth was taken twice. What a program does by chance (a thread that came first, a wait that was not needed) differs
 * between the two; of such a key at least the smaller count must be recorded, and at most the larger is expected.
 *
 * @module
 */
import type * as Seen from "./Seen.ts"

export type Counts = ReadonlyMap<string, number>

/** How often each key occurs. */
export const count = (keys: Iterable<string>): Counts => {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

export interface Difference {
  /** Calls of the truth. */
  readonly all: number
  /** Keys that were not recorded often enough, with how often they lack. */
  readonly missed: Counts
  /** Keys that were recorded too often, with how often. */
  readonly extra: Counts
}

/** The number of calls in a multiset. */
export const total = (counts: Counts): number => [...counts.values()].reduce((sum, n) => sum + n, 0)

/** What `recorded` lacks of both truths, and what it has beyond both. */
export const difference = (truths: ReadonlyArray<Counts>, recorded: Counts): Difference => {
  const keys = new Set([...truths.flatMap((truth) => [...truth.keys()]), ...recorded.keys()])
  const missed = new Map<string, number>()
  const extra = new Map<string, number>()
  for (const key of keys) {
    const wanted = truths.map((truth) => truth.get(key) ?? 0)
    const found = recorded.get(key) ?? 0
    if (found < Math.min(...wanted)) missed.set(key, Math.min(...wanted) - found)
    if (found > Math.max(...wanted)) extra.set(key, found - Math.max(...wanted))
  }
  return { all: Math.max(0, ...truths.map(total)), missed, extra }
}

/** The calls of one kind as keys. */
export const keysOf = (seen: ReadonlyArray<Seen.Seen>, kind: Seen.Kind): Counts =>
  count(seen.filter((call) => call.kind === kind).map(({ key }) => key))

/** Execs as keys that have the arguments as well. */
export const argumentsOf = (seen: ReadonlyArray<Seen.Seen>): Counts =>
  count(
    seen.flatMap(({ argv, key, kind }) =>
      kind === "exec" && argv !== undefined ? [JSON.stringify([key, ...argv])] : []
    )
  )
