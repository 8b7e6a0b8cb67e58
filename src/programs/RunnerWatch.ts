/**
 * What the launcher said about the guest, read from the records on their way into the store: which mode is in force, and
 * how the guest's main process ended. An exit status of 137 alone does not tell a guest that was killed from one that
 * exits like that, and a launcher that ends without a word has recorded nothing of the guest's end.
 *
 * Only records of source `runner` count: the collector gives that to the one connection that presented the secret.
 *
 * @module
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { AuditRecord, AuditStore } from "../services/AuditStore.ts"
import type { RecordMode } from "../services/ShimInjector.ts"

/** The entry `container` with action `supervised`. */
export interface Supervised {
  /** Of the guest's main process. */
  readonly pid: number
  readonly mode: RecordMode
  readonly reasons: ReadonlyArray<string>
}

export interface RunnerWatch {
  /** The store that passes records on to the one that is watched. */
  readonly store: AuditStore["Type"]
  /** Completes when the guest is about to begin. */
  readonly supervised: Effect.Effect<Supervised>
  /** Whether the guest has begun, or is about to. */
  readonly hasBegun: Effect.Effect<boolean>
  /** How the main process ended, as far as it was told. */
  readonly end: Effect.Effect<{ readonly signal: number | undefined } | undefined>
}

const modes: ReadonlySet<unknown> = new Set<RecordMode>(["hybrid", "full", "shim", "none"])

const isMode = (value: unknown): value is RecordMode => modes.has(value)

const supervisedOf = ({ data, type }: AuditRecord): Supervised | undefined => {
  const { action, mode, pid, reasons } = data
  if (type !== "container" || action !== "supervised" || typeof pid !== "number" || !isMode(mode)) return undefined
  const said = Array.isArray(reasons) ? reasons.filter((reason) => typeof reason === "string") : []
  return { pid, mode, reasons: said }
}

/** Watches what is handed to `store`. Costs one comparison a record that is not the launcher's. */
export const make = (store: AuditStore["Type"]): Effect.Effect<RunnerWatch> =>
  Effect.gen(function* () {
    const supervised = yield* Deferred.make<Supervised>()
    let main: number | undefined
    let end: { readonly signal: number | undefined } | undefined

    const look = (record: AuditRecord) => {
      if (record.source !== "runner") return
      if (main === undefined) {
        const found = supervisedOf(record)
        if (found === undefined) return
        main = found.pid
        Deferred.unsafeDone(supervised, Effect.succeed(found))
      } else if (record.type === "exit" && record.data["pid"] === main) {
        const { signal } = record.data
        end = { signal: typeof signal === "number" ? signal : undefined }
      }
    }
    // Before the store has them: who waits until one record is durable may be overtaken by who hands in the next.
    const lookFirst = <A, E>(records: ReadonlyArray<AuditRecord>, then: Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        records.forEach(look)
        return then
      })
    const watched: AuditStore["Type"] = {
      ...store,
      append: (record) => lookFirst([record], store.append(record)),
      appendAll: (records) => lookFirst(records, store.appendAll(records)),
      commit: (record) => lookFirst([record], store.commit(record)),
      seal: (record) => lookFirst([record], store.seal(record)),
      offer: (records) => {
        const taken = store.offer(records)
        if (taken) records.forEach(look)
        return taken
      }
    }
    return {
      store: watched,
      supervised: Deferred.await(supervised),
      hasBegun: Effect.sync(() => main !== undefined),
      end: Effect.sync(() => end)
    }
  })
