/**
 * The audit store in an audit.db of its own, written and signed by two worker threads.
 *
 * Building the layer makes the database, which must not exist yet, and opens the log in it. `synchronous=FULL`: what was
 * acknowledged survives the loss of power, as far as the disk keeps its word.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomBytes } from "node:crypto"
import { AuditStore, type RecordRejected, type StoreFailed } from "../services/AuditStore.ts"
import { Signer, type SignerError } from "../services/Signer.ts"
import * as AuditDatabase from "./AuditDatabase.ts"
import * as AuditLog from "./AuditLog.ts"
import * as LogOpening from "./LogOpening.ts"
import * as SqliteBackend from "./SqliteBackend.ts"

export interface Options extends Omit<AuditLog.Options, "nonce"> {
  /** The database file; its directory exists, the file does not. */
  readonly path: string
}

/** Needs the host key; the log is open, signed and durable when the layer is built. */
export const layer = (options: Options): Layer.Layer<AuditStore, StoreFailed | RecordRejected | SignerError, Signer> =>
  Layer.scoped(
    AuditStore,
    Effect.gen(function* () {
      const { path, ...rest } = options
      const origin = yield* LogOpening.originOf(yield* Signer, rest.run)
      yield* AuditDatabase.create(path)
      const backend = yield* SqliteBackend.make(path, origin)
      const nonce = randomBytes(16).toString("hex")
      return yield* AuditLog.make({ ...rest, nonce }, origin, backend, backend.onFailure)
    })
  )
