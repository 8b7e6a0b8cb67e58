/**
 * The collector over any listeners and any sink: what `CollectorUnix` and `CollectorTcp` have in common.
 *
 * @module
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { type Collector, CollectorFailed } from "../../services/Collector.ts"
import * as Bounds from "./Bounds.ts"
import { Engine } from "./Engine.ts"
import { Gate, isToken } from "./Gate.ts"
import * as Listener from "./Listener.ts"
import type { RecordSink } from "./RecordSink.ts"

/** Where to listen. */
export type Place =
  | { readonly _tag: "Unix"; readonly path: string }
  /** @property token 64 hex digits that a connection must begin with */
  | { readonly _tag: "Tcp"; readonly host: string; readonly port: number; readonly token: Redacted.Redacted }

export interface Options {
  /** The session that events are expected to name; one of another session is recorded with that name. */
  readonly session: string
  /** At least one; all of them are one collector. The first one's endpoint is the collector's. */
  readonly places: readonly [Place, ...ReadonlyArray<Place>]
  readonly sink: RecordSink
  /** Completes when the session file, if there is one, is opened anew. */
  readonly rotate: Effect.Effect<void, CollectorFailed>
  readonly bounds?: Partial<Bounds.Bounds> | undefined
}

/** What a collector with several places has besides its port. */
export interface Made {
  readonly collector: Collector["Type"]
  /** Of all places, in their order. */
  readonly endpoints: ReadonlyArray<string>
}

const secret = () => Redacted.make(randomBytes(32).toString("hex"))

/** Listens until the scope closes, or until it is drained, or until the sink fails. */
export const make = (options: Options): Effect.Effect<Made, CollectorFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { places, session, sink } = options
    const tokens = places.flatMap((place) => (place._tag === "Tcp" ? [place.token] : []))
    const [audit] = tokens
    if (
      tokens.some(
        (token) => !isToken(Redacted.value(token)) || Redacted.value(token) !== Redacted.value(audit ?? token)
      )
    ) {
      const reason = "its token is not one token of 64 lower-case hex digits; make one: openssl rand -hex 32"
      return yield* new CollectorFailed({ path: "token", reason })
    }
    const bounds = { ...Bounds.defaults, ...options.bounds }
    const runnerSecret = secret()
    const marker = secret()
    const clock = yield* Effect.clock
    const gate = new Gate({ runner: runnerSecret, audit, marker })
    const engine = new Engine({ session, gate, sink, bounds, now: () => clock.unsafeCurrentTimeMillis() })

    const failure = yield* Deferred.make<never, CollectorFailed>()
    yield* sink.failed.pipe(
      Effect.catchAllCause((cause) => {
        const bug = () => new CollectorFailed({ path: "sink", reason: Cause.pretty(cause) })
        const error = Option.getOrElse(Cause.failureOption(cause), bug)
        return Effect.zipRight(
          Effect.sync(() => engine.stop()),
          Deferred.fail(failure, error)
        )
      }),
      Effect.forkScoped
    )
    // Before the listeners: closed after them, however it ends.
    yield* Effect.addFinalizer(() => Effect.sync(() => engine.stop()))
    const listeners = yield* Effect.forEach(places, (place) => {
      const handlers: Listener.Handlers = {
        onConnection: (socket) => engine.accept(socket, place._tag === "Tcp"),
        onError: (error) => engine.refuse(`a connection that could not be accepted: ${error.message}`)
      }
      return place._tag === "Unix"
        ? Listener.unix(place.path, handlers)
        : Listener.tcp(place.host, place.port, handlers)
    })
    const endpoints = listeners.map(({ endpoint }) => endpoint)

    const finished = yield* Deferred.make<void>()
    // Begun once, and it goes on when who asked for it is gone: its owner is the finalizer, which waits for its end.
    const begin = yield* Effect.forEach(listeners, ({ close }) => close(marker), { concurrency: "unbounded" }).pipe(
      Effect.zipRight(Effect.async<void>((resume) => engine.drain(bounds.drainMillis, () => resume(Effect.void)))),
      Effect.zipRight(Deferred.succeed(finished, undefined)),
      Effect.forkDaemon,
      Effect.once
    )
    const drain = Effect.gen(function* () {
      yield* begin
      yield* Deferred.await(finished)
      const failed = yield* Deferred.poll(failure)
      if (Option.isSome(failed)) return yield* failed.value
      return engine.counts
    })
    yield* Effect.addFinalizer(() => Effect.ignore(drain))
    const collector: Collector["Type"] = {
      endpoint: endpoints[0] ?? "",
      runnerSecret,
      counts: Effect.sync(() => engine.counts),
      rotate: options.rotate,
      drain,
      failed: Deferred.await(failure)
    }
    return { collector, endpoints }
  })
