/**
 * The status that the process ends with when nothing failed: a verdict's, or that of a recorded command.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"

export class ExitStatus extends Context.Tag("agentops/ExitStatus")<ExitStatus, Ref.Ref<number>>() {}

/** Ends the process with `status`, 0 to 255, when the command is done. */
export const set = (status: number): Effect.Effect<void, never, ExitStatus> =>
  Effect.flatMap(ExitStatus, (ref) => Ref.set(ref, status))
