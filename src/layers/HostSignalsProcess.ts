/**
 * Signals of this process.
 *
 * @module
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as HostSignals from "../services/HostSignals.ts"

/** Listens from here on until the scope closes. */
export const layer: Layer.Layer<HostSignals.HostSignals> = Layer.scoped(
  HostSignals.HostSignals,
  Effect.gen(function* () {
    const claims = new Set<Queue.Enqueue<NodeJS.Signals>>()
    const unclaimed = yield* Deferred.make<never, HostSignals.Interrupted>()
    const listener = (signal: NodeJS.Signals) => {
      if (claims.size === 0) Deferred.unsafeDone(unclaimed, Effect.fail(new HostSignals.Interrupted({ signal })))
      else for (const claim of claims) claim.unsafeOffer(signal)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        for (const signal of HostSignals.ending) process.on(signal, listener)
      }),
      () =>
        Effect.sync(() => {
          for (const signal of HostSignals.ending) process.off(signal, listener)
        })
    )
    return {
      unclaimed: Deferred.await(unclaimed),
      claim: Effect.acquireRelease(
        Effect.tap(Queue.sliding<NodeJS.Signals>(16), (queue) => Effect.sync(() => claims.add(queue))),
        (queue) => Effect.sync(() => claims.delete(queue))
      )
    }
  })
)
