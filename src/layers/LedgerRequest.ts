/**
 * What may be appended to the ledger: the members of each entry, and what the ledger must not already say.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Base64 from "../domain/Base64.ts"
import * as ControlEntry from "../domain/ControlEntry.ts"
import * as LogIdentity from "../domain/LogIdentity.ts"
import * as Sha256 from "../domain/Sha256.ts"
import { LedgerRefused, type LedgerReceipt, type RunEnd, type RunRoot } from "../services/Ledger.ts"
import type { Addition } from "./LedgerAppend.ts"
import type { LedgerRows, Signed } from "./LedgerRows.ts"

export type Request =
  | { readonly type: "run.open"; readonly origin: string; readonly key: string; readonly root: string }
  | ({ readonly type: "run.point" } & RunRoot)
  | ({ readonly type: "run.close"; readonly state: RunEnd } & RunRoot)
  | ({ readonly type: "run.purge"; readonly by: string } & RunRoot)

/** A request that is well formed. */
export interface Accepted {
  readonly addition: Addition
  /** Asked inside the transaction: nothing to add, because it is there or may not be. */
  readonly answer: (rows: LedgerRows, signed: Signed) => LedgerReceipt | LedgerRefused | undefined
}

const isRunId = Schema.is(ControlEntry.RunId)

const wrongMember = (request: Request, ledgerOrigin: string): string | undefined => {
  const { origin, root } = request
  if (!origin.startsWith(`${ledgerOrigin}/`) || !isRunId(origin.slice(ledgerOrigin.length + 1))) {
    return `it is not a run of ${ledgerOrigin}`
  }
  if (Base64.decodeExact(root, Sha256.digestBytes) === undefined) return "its root is not 32 bytes of base64"
  if (request.type === "run.open") {
    const key = LogIdentity.epochKey(request.key, origin)
    return Either.isLeft(key) ? key.left : undefined
  }
  return Number.isSafeInteger(request.size) && request.size > 0 ? undefined : "its size is not a positive integer"
}

const additionOf = (request: Request): Addition => {
  const { origin, root, type } = request
  if (type === "run.open") return { type, data: { key: request.key, origin, root }, rotates: false }
  const { size } = request
  if (type === "run.close") return { type, data: { origin, root, size, state: request.state }, rotates: true }
  if (type === "run.purge") return { type, data: { by: request.by, origin, root, size }, rotates: false }
  return { type, data: { origin, root, size }, rotates: false }
}

/** A run is closed once; nothing but its purge follows. */
const answerTo =
  (request: Request): Accepted["answer"] =>
  (rows, signed) => {
    if (request.type !== "run.close") return undefined
    for (const { statement } of rows.about(request.origin, signed.size)) {
      const { root, seq, size, state, type } = statement
      if (type !== "run.close") return undefined
      return size === request.size && root === request.root && state === request.state
        ? { seq, size: signed.size, note: signed.note.note }
        : new LedgerRefused({ origin: request.origin, reason: `entry ${seq} closed it at size ${size} as ${state}` })
    }
    return undefined
  }

/** Fails for a request that breaks the format or names another installation's run. */
export const check = (request: Request, ledgerOrigin: string): Effect.Effect<Accepted, LedgerRefused> => {
  const reason = wrongMember(request, ledgerOrigin)
  return reason === undefined
    ? Effect.succeed({ addition: additionOf(request), answer: answerTo(request) })
    : new LedgerRefused({ origin: request.origin, reason })
}
