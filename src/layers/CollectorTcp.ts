/**
 * The collector on one TCP address, for guests that cannot have this host's sockets. Every connection begins with a
 * token, and until that matches nothing that it sends is looked at.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { AuditStore } from "../services/AuditStore.ts"
import { Collector, type CollectorFailed } from "../services/Collector.ts"
import type { Bounds } from "./collector/Bounds.ts"
import * as LogSink from "./collector/LogSink.ts"
import * as Service from "./collector/Service.ts"

export interface Options {
  /** The one address to listen on. */
  readonly host: string
  /** 0 for any that is free; `endpoint` says which. */
  readonly port: number
  /** 64 lower-case hex digits. */
  readonly token: Redacted.Redacted
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
      const { bounds, host, port, session, token } = options
      const sink = yield* LogSink.make({ log: yield* AuditStore, jsonl: options.jsonl, bounds })
      const { collector } = yield* Service.make({
        ...sink,
        session,
        bounds,
        places: [{ _tag: "Tcp", host, port, token }]
      })
      return collector
    })
  )
