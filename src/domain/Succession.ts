/**
 * What control entries say of a log: whose it is, which key signs at which size, and how it ends (docs/format.md, sections
 * 2 and 3). Owned by one verifier.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as CheckpointKeys from "./CheckpointKeys.ts"
import type { Claims } from "./Claims.ts"
import * as ControlEntry from "./ControlEntry.ts"
import type * as Entry from "./Entry.ts"
import type { Findings } from "./Findings.ts"
import type * as Jcs from "./Jcs.ts"
import * as LogIdentity from "./LogIdentity.ts"
import type * as Vkey from "./Vkey.ts"

const decodeKey = Schema.decodeUnknownEither(ControlEntry.LogKey)
const decodeClose = Schema.decodeUnknownEither(ControlEntry.LogClose)
const decodeAbort = Schema.decodeUnknownEither(ControlEntry.LogAbort)
const decodeDrop = Schema.decodeUnknownEither(ControlEntry.LogDrop)
const decodeClock = Schema.decodeUnknownEither(ControlEntry.LogClock)

/** What a control entry asks of the verifier; left: what is wrong with it. */
type Taken = Either.Either<{ readonly storedCheckpoints?: number | undefined }, string>

const nothing: Taken = Either.right({})

const form = <A>(type: string, decoded: Either.Either<A, unknown>): Either.Either<A, string> =>
  Either.mapLeft(decoded, () => `${type} lacks a member or has one of another form`)

export class Succession {
  readonly #origin: string
  readonly #claims: Claims
  readonly #findings: Findings
  #identity: LogIdentity.LogIdentity | undefined
  #key: Vkey.Vkey | undefined
  #epochs = 0
  #epochStart = 0
  #next: { readonly at: number; readonly key: Vkey.Vkey } | undefined
  #isClosed = false
  #abortedAt: number | undefined

  constructor(origin: string, claims: Claims, findings: Findings) {
    this.#origin = origin
    this.#claims = claims
    this.#findings = findings
  }

  /** What `log.open` said. */
  get identity(): LogIdentity.LogIdentity | undefined {
    return this.#identity
  }

  /** Epochs that began. */
  get epochs(): number {
    return this.#epochs
  }

  /** Size at which the present epoch began. */
  get epochStart(): number {
    return this.#epochStart
  }

  /** `log.key` whose epoch's last checkpoint has not come yet. */
  get unclosedKeyAt(): number | undefined {
    return this.#next?.at
  }

  /** Whether `log.close` was read. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether `log.abort` was read. */
  get isAborted(): boolean {
    return this.#abortedAt !== undefined
  }

  /** Takes one `log.*` or `run.*` entry. */
  take(entry: Entry.Entry): Taken {
    switch (entry.type) {
      case "log.open":
        return this.#open(entry.data)
      case "log.key":
        return this.#rotate(entry)
      case "log.close":
        return Either.map(form(entry.type, decodeClose(entry.data)), ({ checkpoints }) => {
          this.#isClosed = true
          return { storedCheckpoints: checkpoints }
        })
      case "log.abort":
        return Either.map(form(entry.type, decodeAbort(entry.data)), ({ cause, signed }) => {
          this.#abortedAt ??= entry.seq
          this.#findings.remark(`entries from ${signed} on are attested by the host key only: ${cause}`)
          return {}
        })
      case "log.drop":
        return Either.map(form(entry.type, decodeDrop(entry.data)), ({ count, source }) => {
          this.#findings.remark(`entry ${entry.seq}: ${count} records of ${source} were dropped`)
          return {}
        })
      case "log.clock":
        return Either.map(form(entry.type, decodeClock(entry.data)), ({ step_ms }) => {
          this.#findings.remark(`CLOCK: the wall clock stepped by ${step_ms} ms before entry ${entry.seq}`)
          return {}
        })
      default:
        return nothing
    }
  }

  #open(data: Jcs.JsonObject): Taken {
    const identity = LogIdentity.decode(data, this.#origin)
    if (Either.isLeft(identity)) return Either.left(identity.left)
    this.#identity = identity.right
    this.#key = identity.right.key
    this.#epochs = 1
    const wrong = this.#claims.identify(identity.right)
    return wrong === undefined ? nothing : Either.left(wrong)
  }

  #rotate(entry: Entry.Entry): Taken {
    if (this.isAborted) return Either.left("log.key after log.abort")
    const next = form(entry.type, decodeKey(entry.data))
    if (Either.isLeft(next)) return Either.left(next.left)
    const { checkpoints, epoch, key: text } = next.right
    if (epoch !== this.#epochs) return Either.left(`log.key opens epoch ${epoch}, not ${this.#epochs}`)
    const key = LogIdentity.epochKey(text, this.#origin)
    if (Either.isLeft(key)) return Either.left(key.left)
    this.#next = { at: entry.seq, key: key.right }
    return Either.right({ storedCheckpoints: checkpoints })
  }

  /** Keys whose lines a checkpoint of `size` needs; undefined before `log.open`. */
  needsAt(size: number): ReadonlyArray<CheckpointKeys.KeyNeed> | undefined {
    const identity = this.#identity
    if (identity === undefined || this.#key === undefined) return undefined
    const isRecovery = this.#abortedAt !== undefined && size > this.#abortedAt
    const hostMust = size === 1 || isRecovery || identity.kind === "ledger"
    return [
      { key: this.#key, who: `the key of epoch ${this.#epochs - 1}`, required: !isRecovery },
      { key: identity.host, who: "the host key", required: hostMust }
    ]
  }

  /** A valid checkpoint of `size` stands at the end: after a `log.key` the next epoch begins. */
  signedAt(size: number): void {
    if (this.#next === undefined) return
    this.#key = this.#next.key
    this.#epochs++
    this.#epochStart = size
    this.#claims.epochKey(this.#next.key)
    this.#next = undefined
  }
}
