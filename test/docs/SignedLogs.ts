/**
 * Logs that are signed with the vectors' keys and break the rules in places: what line edits of honest bundles never
 * reach, because their signatures would not fit any more.
 */
import * as FastCheck from "effect/FastCheck"
import type { KeyObject } from "node:crypto"
import * as Bundle from "../../src/domain/Bundle.ts"
import * as Checkpoint from "../../src/domain/Checkpoint.ts"
import * as Commitment from "../../src/domain/Commitment.ts"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import * as Entry from "../../src/domain/Entry.ts"
import * as Jcs from "../../src/domain/Jcs.ts"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import { vectors } from "../fixtures/Vectors.ts"

interface Key {
  readonly vkey: Vkey.Vkey
  readonly privateKey: KeyObject
}

const keyOf = (name: string, seed: Uint8Array): Key => {
  const { privateKey, publicKey } = Ed25519.fromSeed(seed)
  return { privateKey, vkey: Vkey.make(name, 1, publicKey) }
}

const host = keyOf(vectors.keys.host.name, Buffer.from(vectors.keys.host.seed, "hex"))
const origin = `${host.vkey.name}/run_made`
/** Keys of the epochs, few enough that each is used again and again. */
const epochs = Array.from({ length: 4 }, (_, epoch) => keyOf(origin, Buffer.alloc(32, epoch + 1)))

/** A record, honest where nothing is said. */
type Step =
  | {
      readonly _tag: "entry"
      readonly kind: "console" | "tick" | "key" | "close" | "abort" | "open" | "forged" | "committed"
      readonly seq?: number | undefined
      readonly prev?: "zero" | "other" | undefined
      readonly earlier?: boolean | undefined
      /** Added to what `checkpoints`, or the epoch's number, should be. */
      readonly off?: number | undefined
    }
  | {
      readonly _tag: "checkpoint"
      readonly by: "due" | "host" | "both" | "first" | "nobody" | "broken"
      readonly size?: number | undefined
      readonly root?: boolean | undefined
      readonly origin?: boolean | undefined
    }
  | { readonly _tag: "disclosure"; readonly value: string }

const rarely = <A>(value: FastCheck.Arbitrary<A>): FastCheck.Arbitrary<A | undefined> =>
  FastCheck.oneof({ arbitrary: FastCheck.constant(undefined), weight: 60 }, { arbitrary: value, weight: 1 })

type By = Extract<Step, { _tag: "checkpoint" }>["by"]
type Kind = Extract<Step, { _tag: "entry" }>["kind"]

const entryOf = (kind: FastCheck.Arbitrary<Kind>): FastCheck.Arbitrary<Step> =>
  FastCheck.record({
    _tag: FastCheck.constant("entry" as const),
    kind,
    seq: rarely(FastCheck.integer({ min: -1, max: 1 })),
    prev: rarely(FastCheck.constantFrom("zero" as const, "other" as const)),
    earlier: rarely(FastCheck.constant(true)),
    off: rarely(FastCheck.integer({ min: -1, max: 1 }))
  })

const entryStep = entryOf(
  FastCheck.oneof(
    { arbitrary: FastCheck.constant("console" as const), weight: 30 },
    { arbitrary: FastCheck.constantFrom<Kind>("tick", "committed", "close", "abort"), weight: 12 },
    { arbitrary: FastCheck.constantFrom<Kind>("open", "forged"), weight: 1 }
  )
)
const keyStep = entryOf(FastCheck.constant("key"))
const committedStep = entryOf(FastCheck.constant("committed"))

const checkpointStep: FastCheck.Arbitrary<Step> = FastCheck.record({
  _tag: FastCheck.constant("checkpoint" as const),
  by: FastCheck.oneof(
    { arbitrary: FastCheck.constant("due" as const), weight: 60 },
    { arbitrary: FastCheck.constantFrom<By>("host", "both", "first", "nobody", "broken"), weight: 3 }
  ),
  size: rarely(FastCheck.integer({ min: -3, max: 3 })),
  root: rarely(FastCheck.constant(true)),
  origin: rarely(FastCheck.constant(true))
})

const disclosureStep: FastCheck.Arbitrary<Step> = FastCheck.record({
  _tag: FastCheck.constant("disclosure" as const),
  value: FastCheck.constantFrom("secret", "secret", "secret", "other")
})

/** Sequences in which, mostly, a checkpoint follows a `log.key`, `log.close` or `log.abort`. */
export const steps: FastCheck.Arbitrary<ReadonlyArray<Step>> = FastCheck.array(
  FastCheck.oneof(
    { arbitrary: FastCheck.tuple(entryStep), weight: 20 },
    { arbitrary: FastCheck.tuple(entryStep, checkpointStep), weight: 20 },
    { arbitrary: FastCheck.tuple(keyStep, checkpointStep), weight: 10 },
    { arbitrary: FastCheck.tuple(committedStep, disclosureStep), weight: 3 },
    { arbitrary: FastCheck.tuple(checkpointStep), weight: 1 },
    { arbitrary: FastCheck.tuple(keyStep), weight: 1 }
  ),
  { maxLength: 8 }
).map((parts) => parts.flat())

const salt = "AAECAwQFBgcICQoLDA0ODw"

/** Writes a full bundle. */
class Maker {
  readonly #lines: Array<string> = []
  readonly #tree = new MerkleTree.Accumulator()
  #prev = Entry.zeroHash
  #millis = Date.UTC(2026, 0, 2)
  #epoch = 0
  #next = 0
  #aborted = false
  #entries = 0
  #checkpoints = 0

  take(step: Step): void {
    switch (step._tag) {
      case "entry":
        return this.#entry(step)
      case "checkpoint":
        return this.#checkpoint(step)
      case "disclosure":
        this.#lines.push(Bundle.disclosureLine(Jcs.encode([salt, step.value])))
    }
  }

  #data(kind: Kind, off: number): readonly [string, Jcs.JsonObject] {
    const checkpoints = Math.max(0, this.#checkpoints + off)
    switch (kind) {
      case "open": {
        const names = { format: "agent-audit/1", kind: "run", run: "run_made", nonce: "0".repeat(32) }
        return ["log.open", { ...names, origin, host: host.vkey.text, key: epochs[0]!.vkey.text }]
      }
      case "key": {
        this.#next = Math.min(epochs.length - 1, this.#epoch + 1)
        return ["log.key", { checkpoints, epoch: Math.max(0, this.#next + off), key: epochs[this.#next]!.vkey.text }]
      }
      case "close":
        return ["log.close", { checkpoints, exit: 0, reason: "exit" }]
      case "abort":
        this.#aborted = true
        return ["log.abort", { cause: "killed", signed: 1 }]
      case "tick":
        return ["log.tick", {}]
      case "committed":
        return ["credential", { value: { $h: Commitment.commit([salt, "secret"]) } }]
      default:
        return [kind === "forged" ? "log.tick" : "console", { line: `line ${this.#entries}`, stream: "stdout" }]
    }
  }

  #entry({ earlier, kind, off, prev, seq }: Extract<Step, { _tag: "entry" }>): void {
    const [type, data] = this.#data(kind, off ?? 0)
    this.#millis += 250
    const ts = new Date(this.#millis - (earlier === true ? 60_000 : 0)).toISOString()
    const before = prev === "zero" ? Entry.zeroHash : prev === "other" ? "a".repeat(64) : this.#prev
    const source = kind === "forged" || type === "console" ? "agent" : "recorder"
    const place = Math.max(0, this.#tree.size + (seq ?? 0))
    const leaf = Entry.leafText(Jcs.encode(data), before, place, source, ts, type)
    this.#prev = Sha256.leafHashHex(leaf)
    this.#tree.append(Buffer.from(this.#prev, "hex"))
    this.#lines.push(Bundle.entryLine(leaf))
    this.#entries++
  }

  #checkpoint(step: Extract<Step, { _tag: "checkpoint" }>): void {
    const size = Math.max(1, this.#tree.size + (step.size ?? 0))
    const root = step.root === true ? Buffer.alloc(32, 7) : this.#tree.root()
    const text = Checkpoint.encode({ origin: step.origin === true ? `${origin}x` : origin, size, root })
    const epoch = epochs[this.#epoch]!
    const due = size === 1 ? [epoch, host] : this.#aborted ? [host] : [epoch]
    const keys = { due, host: [host], both: [epoch, host], first: [epochs[0]!], nobody: [epochs[3]!], broken: due }
    const signed = step.by === "broken" ? text.replace("run_made", "run_Made") : text
    const lines = keys[step.by].map(({ privateKey, vkey }) => SignedNote.sign(signed, vkey, privateKey))
    this.#lines.push(Bundle.checkpointLine(SignedNote.assemble(text, lines), { timestamps: [], witnesses: [] }))
    this.#checkpoints++
    this.#epoch = this.#next
  }

  get text(): string {
    const tail = Bundle.tailLine({ checkpoints: this.#checkpoints, entries: this.#entries })
    return `${Bundle.headerLine({ kind: "full", origin })}\n${this.#lines.join(",\n")}\n${tail}\n`
  }
}

/** A bundle of these steps behind an honest opening. */
export const make = (some: ReadonlyArray<Step>): string => {
  const maker = new Maker()
  maker.take({ _tag: "entry", kind: "open" })
  maker.take({ _tag: "checkpoint", by: "due" })
  for (const step of some) maker.take(step)
  return maker.text
}
