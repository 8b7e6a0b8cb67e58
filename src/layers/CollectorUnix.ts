/**
 * The collector on a Unix socket, for guests that share this kernel.
 *
 * The socket has mode 0222: anybody who can reach it may connect and write, and nobody can read. A path that the kernel
 * does not take becomes a symbolic link, and `endpoint` names the socket itself.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditStore } from "../services/AuditStore.ts"
import { Collector, type CollectorFailed } from "../services/Collector.ts"
import type { Bounds } from "./collector/Bounds.ts"
import * as LogSink from "./collector/LogSink.ts"
import * as Service from "./collector/Service.ts"

export interface Options {
  /** Where the socket is made; its directory exists. */
  readonly path: string
  /** The session that events are expected to name. */
  readonly session: string
  /** A session file that gets the same records. */
  readonly jsonl?: string | undefined
  readonly bounds?: Partial<Bounds> | undefined
}

/** Listens when the layer is built; its release drains. */
export const layer = (options: Options): Layer.Layer<Collector, CollectorFailed, AuditStore> =>
  Layer.scoped(
    Collector,
    Effect.gen(function* () {
      const { bounds, path, session } = options
      const sink = yield* LogSink.make({ log: yield* AuditStore, jsonl: options.jsonl, bounds })
      const { collector } = yield* Service.make({ ...sink, session, bounds, places: [{ _tag: "Unix", path }] })
      return collector
    })
  )
