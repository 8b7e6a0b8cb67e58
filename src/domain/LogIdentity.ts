/**
 * Who a log belongs to, as its `log.open` says: names that certify themselves, because the last part of the host's name
 * is the hash of the host's key (docs/format.md, section 1).
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as ControlEntry from "./ControlEntry.ts"
import type * as Jcs from "./Jcs.ts"
import * as Vkey from "./Vkey.ts"

export interface LogIdentity {
  readonly kind: "run" | "ledger"
  /** Run id; the empty string for a ledger. */
  readonly run: string
  readonly origin: string
  /** Long-lived key of the installation, named by the ledger's origin. */
  readonly host: Vkey.Vkey
  /** Key of epoch 0, named by the log's origin. */
  readonly key: Vkey.Vkey
}

const decodeOpen = Schema.decodeUnknownEither(ControlEntry.LogOpen)

/** An epoch key: type 0x01, named by the log's origin. Left: what is wrong. */
export const epochKey = (text: string, origin: string): Either.Either<Vkey.Vkey, string> => {
  const key = Vkey.parse(text)
  if (Either.isLeft(key)) return Either.left(`the epoch key is refused: ${key.left.message}`)
  if (key.right.type !== 1) return Either.left("the epoch key is not a key of type 0x01")
  return key.right.name === origin
    ? Either.right(key.right)
    : Either.left("the epoch key is not named by the log's origin")
}

/** Checks the data of `log.open` against the origin that the header claims. Left: what is wrong. */
export const decode = (data: Jcs.JsonObject, headerOrigin: string): Either.Either<LogIdentity, string> =>
  Either.gen(function* () {
    const open = yield* Either.mapLeft(decodeOpen(data), () => "log.open lacks a member or has one of another form")
    const host = yield* Either.mapLeft(Vkey.parse(open.host), (error) => `the host key is refused: ${error.message}`)
    if (host.type !== 1) return yield* Either.left("the host key is not a key of type 0x01")
    if (host.name.split("/").at(-1) !== Vkey.hostId(host.publicKey)) {
      return yield* Either.left("the host's name does not end with the hash of its key")
    }
    const run = open.run ?? ""
    if ((open.kind === "run") !== (run !== ""))
      return yield* Either.left("log.open of a run, and no other, names a run")
    const origin = open.kind === "run" ? `${host.name}/${run}` : host.name
    if (open.origin !== origin) return yield* Either.left("the origin does not follow from the host's name and the run")
    if (origin !== headerOrigin) return yield* Either.left(`the header claims the origin ${headerOrigin}`)
    const key = yield* epochKey(open.key, origin)
    return { kind: open.kind, run, origin, host, key }
  })
