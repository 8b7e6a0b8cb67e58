/**
 * Where a collector listens: accepts connections, and takes in, before it stops, what the kernel accepted for it.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { CollectorFailed } from "../../services/Collector.ts"
import * as SocketFile from "./SocketFile.ts"
import * as SystemFailure from "./SystemFailure.ts"

/** Connections that the kernel holds until they are accepted; it may take fewer (net.core.somaxconn). */
const backlog = 4096

/** Anybody may connect and write, nobody may read; a directory's mode says who gets as far as the socket. */
const socketMode = 0o222

/** Longest wait for the kernel's queue of connections, in milliseconds. */
const markerMillis = 2000

export interface Handlers {
  readonly onConnection: (socket: Net.Socket) => void
  /** A connection could not be accepted. */
  readonly onError: (error: Error) => void
}

export interface Listener {
  /** As senders name it. */
  readonly endpoint: string
  /**
   * Completes when every connection is accepted that the kernel had accepted before, and nobody can connect any more.
   *
   * @param marker 64 hex digits, at which `onConnection`'s owner closes a connection
   */
  readonly close: (marker: Redacted.Redacted) => Effect.Effect<void>
}

/**
 * The kernel's queue is first in, first out: when the collector's own connection has come through it and is closed, all
 * that stood before it are accepted.
 */
const passQueue = (address: Net.NetConnectOpts, marker: Redacted.Redacted): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const socket = Net.connect(address)
    socket.on("error", () => {}) // "close" follows
    socket.on("close", () => resume(Effect.void))
    socket.write(`${Redacted.value(marker)}\n`)
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeout(markerMillis), Effect.ignore)

const serve = (
  where: string,
  options: Net.ListenOptions,
  handlers: Handlers
): Effect.Effect<Net.Server, CollectorFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Net.Server, CollectorFailed>((resume) => {
      // Half open: closing our side is the engine's, when what came is durable.
      const server = Net.createServer({ allowHalfOpen: true }, handlers.onConnection)
      server.once("error", (error) => resume(SystemFailure.of(where, error)))
      server.listen({ ...options, backlog }, () => {
        server.removeAllListeners("error")
        server.on("error", handlers.onError)
        resume(Effect.succeed(server))
      })
    }),
    (server) => Effect.sync(() => server.close())
  )

const close = (server: Net.Server) =>
  Effect.sync(() => {
    if (server.listening) server.close()
  })

/** Listens on a Unix socket. */
export const unix = (path: string, handlers: Handlers): Effect.Effect<Listener, CollectorFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const bound = yield* SocketFile.acquire(path)
    const server = yield* serve(path, { path: bound }, handlers)
    // Whatever the umask left of the mode.
    yield* Effect.try({ try: () => Fs.chmodSync(bound, socketMode), catch: (error) => SystemFailure.of(path, error) })
    return {
      endpoint: `unix://${bound}`,
      close: (marker) => Effect.zipRight(passQueue({ path: bound }, marker), close(server))
    }
  })

/** Listens on one address. @param port 0 for any that is free */
export const tcp = (
  host: string,
  port: number,
  handlers: Handlers
): Effect.Effect<Listener, CollectorFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const shown = host.includes(":") ? `[${host}]` : host
    const server = yield* serve(`${shown}:${port}`, { host, port }, handlers)
    const address = server.address()
    if (address === null || typeof address === "string") {
      return yield* new CollectorFailed({ path: host, reason: `${host}: it is no address` })
    }
    return {
      endpoint: `tcp://${shown}:${address.port}`,
      close: (marker) => Effect.zipRight(passQueue({ host, port: address.port }, marker), close(server))
    }
  })
