/**
 * A started process as a `Guest`: its signals, its end, and the end of what it left behind.
 *
 * As when PID 1 of a container ends, the end of the main process ends the guest: what is left of its session gets
 * SIGTERM, after `leftoverGrace` SIGKILL, and then the output is read to its last byte. A daemon that left the session
 * may hold the output open for ever; it is given up when nothing came for `silence`, or after `patience` anyway.
 *
 * @module
 */
import { constants } from "node:os"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { StreamName } from "../../domain/ConsoleLines.ts"
import type {
  Drained,
  ExitStatus,
  Guest,
  GuestInput,
  Isolation,
  OutputHandler,
  StreamEnd,
  TerminalSize
} from "../../services/ContainerRuntime.ts"
import type { ByteSource } from "./ByteSource.ts"
import * as Reach from "./Reach.ts"
import * as Sessions from "./Sessions.ts"

const defaultGrace = Duration.seconds(10)
/** For the rest of the session, from SIGTERM to SIGKILL. */
const leftoverGrace = Duration.seconds(2)
/** Until a killed process must be gone; one that waits for a dead disk may not be. */
const killGrace = Duration.seconds(5)
/** After the session is gone: how long a stream may stay open without a byte, and how long at all. Held time is not counted. */
const silence = Duration.seconds(2)
const patience = Duration.seconds(10)
/** At the close of the scope, for what is left of the session and of the output together. */
const closeGrace = Duration.seconds(15)
const poll = Duration.millis(20)
const nudgeEvery = Duration.millis(200)

/** What the kernel sends by itself to everybody in a terminal's foreground group. */
const fromTerminal = new Set<NodeJS.Signals>(["SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGWINCH"])

/** What starting gives. */
export interface Started {
  readonly pid: number
  /** Makes the output streams, given what each must call at its end. */
  readonly sources: (onEnd: () => void) => ReadonlyArray<ByteSource>
  /** Whether the process leads a session of its own; otherwise it shares agentops' terminal and process group. */
  readonly ownSession: boolean
  /** Whether the process is a launcher, with the guest below it. */
  readonly isLauncher: boolean
  readonly input: GuestInput | undefined
  readonly resize: (size: TerminalSize) => void
}

const isSignal = (name: string): name is NodeJS.Signals => Object.hasOwn(constants.signals, name)

/** The name of a signal's number; undefined for 0 and for numbers without a name. */
export const signalName = (number: number): NodeJS.Signals | undefined =>
  Object.keys(constants.signals)
    .filter(isSignal)
    .find((name) => constants.signals[name] === number)

/** Waits at most so long, also where a finalizer may not be interrupted. */
const within = <A>(atMost: Duration.DurationInput, self: Effect.Effect<A>) =>
  Effect.timeoutOption(Effect.interruptible(self), atMost)

const waitUntil = (done: () => boolean, atMost: Duration.Duration) =>
  Effect.iterate(0, {
    while: (waited) => waited < Duration.toMillis(atMost) && !done(),
    body: (waited) => Effect.as(Effect.sleep(poll), waited + Duration.toMillis(poll))
  })

/**
 * Takes over a process that is being started.
 *
 * @param launch starts it; what it is given must be called with the exit status, once
 */
export const make = <E>(
  launch: (onExit: (status: ExitStatus) => void) => Effect.Effect<Started, E>,
  about: { readonly path: string; readonly isolation: Isolation }
): Effect.Effect<Guest, E, Scope.Scope> =>
  Effect.gen(function* () {
    const exited = yield* Deferred.make<ExitStatus>()
    const allEnded = yield* Deferred.make<void>()
    let ended = false
    const onExit = (status: ExitStatus) => {
      ended = true
      Deferred.unsafeDone(exited, Effect.succeed(status))
    }

    const started = yield* launch(onExit)
    const { input, isLauncher, ownSession, pid, resize } = started
    const sources = started.sources(() => {
      if (open().length === 0) Deferred.unsafeDone(allEnded, Effect.void)
    })
    const tty = sources.some(({ name }) => name === "tty")
    const open = () => sources.filter(({ end }) => end === undefined)
    const named = (name: StreamName) => sources.find((source) => source.name === name)

    const reach = Reach.make(started, () => ended)
    const noneLeft = () => reach.left().length === 0

    /** Asks to end. A terminal that goes away hangs up too: interactive shells ignore SIGTERM (systemd: SendSIGHUP). */
    const askToEnd = (send: (name: NodeJS.Signals) => void, signal: NodeJS.Signals) => {
      send(signal)
      if (tty && signal === "SIGTERM") send("SIGHUP")
      send("SIGCONT")
    }

    const endLeftovers = Effect.gen(function* () {
      if (noneLeft()) return
      askToEnd((name) => {
        for (const member of reach.left()) Sessions.send(member.pid, name)
      }, "SIGTERM")
      yield* waitUntil(noneLeft, leftoverGrace)
      // Again and again: a process may fork while the others are killed.
      yield* waitUntil(() => {
        for (const member of reach.left()) Sessions.send(member.pid, "SIGKILL")
        return noneLeft()
      }, killGrace)
    })

    const abandonSilent = Effect.gen(function* () {
      const step = Duration.toMillis(poll)
      const quiet = new Map<ByteSource, { bytes: number; silent: number; total: number }>()
      while (open().length > 0) {
        yield* Effect.sleep(poll)
        for (const source of open()) {
          const { bytes } = source
          const before = quiet.get(source) ?? { bytes, silent: 0, total: 0 }
          if (!source.flowing) continue
          const silent = bytes === before.bytes ? before.silent + step : 0
          const total = before.total + step
          quiet.set(source, { bytes, silent, total })
          if (silent >= Duration.toMillis(silence) || total >= Duration.toMillis(patience)) source.stop("abandoned")
        }
      }
    })

    const settle = Effect.gen(function* () {
      yield* Deferred.await(exited)
      yield* endLeftovers
      yield* Effect.sync(() => {
        for (const source of sources) source.finish()
      })
      yield* Effect.raceFirst(Deferred.await(allEnded), abandonSilent)
      yield* Deferred.await(allEnded)
    })

    /** A shell that had the hang-up just before it began to read a key notices it when its read is interrupted. */
    const nudge = tty
      ? Effect.forever(
          Effect.zipRight(
            Effect.sleep(nudgeEvery),
            Effect.sync(() => reach.signal("SIGWINCH"))
          )
        )
      : Effect.never

    const killAgain = waitUntil(() => {
      if (!ended) reach.kill()
      return ended
    }, killGrace)

    /** A launcher is the last to go: it still tells how the guest ended. */
    const kill = Effect.zipRight(
      killAgain,
      Effect.suspend(() => {
        if (!isLauncher || ended) return Effect.void
        Sessions.send(pid, "SIGKILL")
        return killAgain
      })
    )

    const stop: Guest["stop"] = (options) =>
      Effect.gen(function* () {
        if (!ended) {
          yield* Effect.sync(() => askToEnd(reach.signal, options?.signal ?? "SIGTERM"))
          yield* within(options?.grace ?? defaultGrace, Effect.raceFirst(Deferred.await(exited), nudge))
          if (!ended) yield* kill
          if (!ended) {
            yield* Effect.logWarning(`process ${pid} was killed and has not ended`)
            onExit({ code: null, signal: "SIGKILL" })
          }
        }
        return yield* Deferred.await(exited)
      })

    // When agentops ends without closing its scopes, an unfinished guest does not go on unrecorded.
    const onProcessExit = () => {
      reach.kill()
      if (isLauncher && !ended) Sessions.send(pid, "SIGKILL")
    }
    process.once("exit", onProcessExit)

    // A daemon, so that it outlives the fiber that started the guest: its owner is the finalizer, which waits for it.
    yield* Effect.acquireRelease(Effect.forkDaemon(Effect.interruptible(settle)), (settling) =>
      Effect.gen(function* () {
        yield* stop()
        yield* within(closeGrace, Fiber.join(settling))
        yield* Fiber.interrupt(settling)
        for (const source of open()) source.stop("abandoned")
        process.removeListener("exit", onProcessExit)
      })
    )

    const ends = (): Drained => {
      const drained: { [stream in StreamName]?: StreamEnd } = {}
      for (const { end, name } of sources) if (end !== undefined) drained[name] = end
      return drained
    }

    const guest: Guest = {
      pid,
      path: about.path,
      isolation: about.isolation,
      output: {
        streams: sources.map(({ name }) => name),
        attach: (handler: OutputHandler) => {
          for (const source of sources) source.attach(handler)
        },
        resume: (name) => named(name)?.resume(),
        close: (name) => named(name)?.stop("destination-closed"),
        drained: Effect.zipRight(Effect.zip(Deferred.await(exited), Deferred.await(allEnded)), Effect.sync(ends))
      },
      input,
      exit: Deferred.await(exited),
      signal: (name) => Effect.sync(() => reach.signal(name)),
      forward: (name) => Effect.sync(() => (ownSession || !fromTerminal.has(name) ? reach.signal(name) : undefined)),
      stop,
      resize: (size) => Effect.sync(() => resize(size))
    }
    return guest
  }).pipe(Effect.uninterruptible)
