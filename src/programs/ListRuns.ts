/**
 * The runs of an installation as their metadata tells them. Says nothing about their logs: `agent audit` does.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as RunStorage from "../services/RunStorage.ts"

export interface ListedRun {
  readonly run: string
  readonly name: string | undefined
  /** `unknown`: the metadata is missing or unreadable. */
  readonly state: "running" | "closed" | "aborted" | "failed" | "unknown"
  readonly command: ReadonlyArray<string>
  readonly started: string | undefined
  readonly ended: string | undefined
  /** Length of the run; until now for one that goes on. */
  readonly ms: number | undefined
  readonly exit: number | undefined
  readonly entries: number | undefined
  readonly workspace: string | undefined
}

const millisBetween = (started: string | undefined, ended: string | undefined, now: number): number | undefined => {
  if (started === undefined) return undefined
  const millis = (ended === undefined ? now : Date.parse(ended)) - Date.parse(started)
  return Number.isFinite(millis) ? millis : undefined
}

/** All runs, newest first. */
export const list = Effect.gen(function* () {
  const storage = yield* RunStorage.RunStorage
  const now = yield* Clock.currentTimeMillis
  return (yield* storage.list).map(({ about, id }): ListedRun => {
    const isOver = about?.state !== "running"
    return {
      run: id,
      name: about?.name,
      state: about?.state ?? "unknown",
      command: about?.command ?? [],
      started: about?.started,
      ended: about?.ended,
      ms: isOver && about?.ended === undefined ? undefined : millisBetween(about?.started, about?.ended, now),
      exit: about?.exit,
      entries: about?.entries,
      workspace: about?.workspace
    }
  })
})
