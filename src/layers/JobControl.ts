/**
 * Stops and continues this process as its shell asks (SIGTSTP, SIGCONT), with something to do before and after.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Until the scope closes: at SIGTSTP (Ctrl-Z, `kill -TSTP`) does `beforeStop` and then stops; at SIGCONT, also after a
 * stop that could not be seen coming (SIGSTOP), does `afterContinue`. Both are synchronous and must not throw.
 */
export const listen = (hooks: {
  readonly beforeStop: () => void
  readonly afterContinue: () => void
}): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const onStop = () => {
          hooks.beforeStop()
          process.kill(process.pid, "SIGSTOP")
        }
        process.on("SIGTSTP", onStop)
        process.on("SIGCONT", hooks.afterContinue)
        return onStop
      }),
      (onStop) =>
        Effect.sync(() => {
          process.off("SIGTSTP", onStop)
          process.off("SIGCONT", hooks.afterContinue)
        })
    )
  )
