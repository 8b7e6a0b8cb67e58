/**
 * How a guest ended, from the status of its process and from what its launcher told the collector.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import type * as Jcs from "../domain/Jcs.ts"
import * as LocalGuest from "../layers/local/LocalGuest.ts"
import type { ExitStatus } from "../services/ContainerRuntime.ts"
import type { GuestRecorder } from "./GuestRecorder.ts"
import type { Reason } from "./RunOutcome.ts"

export interface GuestEnd {
  readonly reason: Reason
  readonly signal: NodeJS.Signals | null
  /** What could not be recorded. */
  readonly failure: { readonly message: string } | undefined
  /** Members of the entry about it. */
  readonly data: Jcs.JsonObject
}

/** Longest that the collector may take to read and store what is in its sockets. */
const maxDrain = "30 seconds"

const drainTimedOut = { message: `the collector did not store what it had received within ${maxDrain}` }
const notBegun = { message: "the supervisor did not start the command, and said why" }
const untold = {
  message: "the supervisor ended before it told how the command ended; what the command did last may not be recorded"
}

/**
 * Takes what the collector still has to read, and then has the last word on how the guest ended.
 *
 * @param exit of the process that the runtime started: the launcher, where there is one
 */
export const of = ({ listening }: GuestRecorder, exit: ExitStatus, reason: Reason): Effect.Effect<GuestEnd> => {
  if (listening === undefined) return Effect.succeed({ reason, signal: exit.signal, failure: undefined, data: {} })
  const { collector, watch } = listening
  return Effect.gen(function* () {
    const drained = yield* collector.drain.pipe(
      Effect.interruptible,
      Effect.disconnect,
      Effect.timeoutFail({ duration: maxDrain, onTimeout: () => drainTimedOut }),
      Effect.either
    )
    const counts = yield* collector.counts
    const told = yield* watch.end
    const data: Jcs.JsonObject = { collected: { ...counts } }
    const own = reason === "exit" || reason === "signal"
    if (told === undefined) {
      const hasBegun = yield* watch.hasBegun
      const failure = drained._tag === "Left" ? drained.left : hasBegun ? untold : notBegun
      const why: Reason = hasBegun ? "audit-failure" : "not-started"
      return { reason: own ? why : reason, signal: exit.signal, failure, data }
    }
    const signal = (told.signal === undefined ? undefined : LocalGuest.signalName(told.signal)) ?? null
    const ending = told.signal === undefined ? "exit" : "signal"
    return { reason: own ? ending : reason, signal, failure: drained._tag === "Left" ? drained.left : undefined, data }
  })
}
