/**
 * Evidence from outside the log: checkpoints that the reader kept (`--known`), and entries of the installation's ledger
 * that name roots of this run. Each is a claim "at this size the root was that"; the log is held against all of them.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Base64 from "./Base64.ts"
import * as Checkpoint from "./Checkpoint.ts"
import * as ControlEntry from "./ControlEntry.ts"
import * as Cosignature from "./Cosignature.ts"
import * as Entry from "./Entry.ts"
import * as Jcs from "./Jcs.ts"
import * as MerkleTree from "./MerkleTree.ts"
import * as Sha256 from "./Sha256.ts"
import * as SignedNote from "./SignedNote.ts"
import type * as TlogPolicy from "./TlogPolicy.ts"
import * as TlogProof from "./TlogProof.ts"
import type * as Vkey from "./Vkey.ts"

/** Most ledger records and known notes that are held against one log. A day of `run.point` is 1 440. */
export const maxClaims = 65_536

/** A checkpoint that the reader kept. */
export interface KnownNote {
  readonly note: SignedNote.SignedNote
  readonly checkpoint: Checkpoint.Checkpoint
}

/** Reads a kept checkpoint. Left: what is wrong. */
export const parseKnown = (text: string | Uint8Array): Either.Either<KnownNote, string> =>
  Either.gen(function* () {
    const note = yield* Either.mapLeft(SignedNote.parse(text), (error) => error.message)
    const checkpoint = yield* Either.mapLeft(Checkpoint.parse(note.text), (error) => error.message)
    return { note, checkpoint }
  })

/** "At `size` the root was `root`." */
export interface Claim {
  readonly size: number
  readonly root: Uint8Array
  /** What says so, for people. */
  readonly by: string
  /** Witnesses of the policy that cosigned the note which carries the claim. */
  readonly witnesses: ReadonlyArray<Vkey.Vkey>
  /** The kept note itself, whose signatures are checked against each key as the log names it. */
  readonly known: SignedNote.SignedNote | undefined
  /** run.open only: the vkey of epoch 0. */
  readonly key: string | undefined
}

/** One record `{"ledger":…,"proof":…}`: the claim, and the note whose host signature waits for `log.open`. */
export interface LedgerRecord {
  readonly seq: number
  readonly claim: Claim
  readonly note: SignedNote.SignedNote
  readonly cosignatures: number
}

const decodeRunOpen = Schema.decodeUnknownEither(ControlEntry.RunOpen)
const decodeRunRoot = Schema.decodeUnknownEither(ControlEntry.RunPoint)

const claimOf = (
  entry: Entry.Entry
): Either.Either<{ origin: string; size: number; root: string; key: string | undefined }, string> => {
  const bad = () => `the ledger's ${entry.type} entry lacks a member or has one of another form`
  if (entry.type === "run.open") {
    return Either.map(Either.mapLeft(decodeRunOpen(entry.data), bad), (open) => ({ ...open, size: 1 }))
  }
  if (entry.type === "run.point" || entry.type === "run.close" || entry.type === "run.purge") {
    return Either.map(Either.mapLeft(decodeRunRoot(entry.data), bad), (point) => ({ ...point, key: undefined }))
  }
  return Either.left(`the ledger's entry ${entry.seq} is a ${entry.type}, which names no root`)
}

/** Witnesses of `policy` that cosigned, or the name of one whose line is bad. */
export const cosigners = (
  note: SignedNote.Signed,
  policy: TlogPolicy.TlogPolicy
): Either.Either<ReadonlyArray<Vkey.Vkey>, string> => {
  const valid: Array<Vkey.Vkey> = []
  for (const { vkey } of policy.witnesses) {
    const result = Cosignature.check(note, vkey)
    if (result._tag === "invalid") return Either.left(vkey.name)
    if (result._tag === "valid") valid.push(vkey)
  }
  return Either.right(valid)
}

/**
 * Checks one ledger record: the leaf, its inclusion in the ledger's note, witness lines of the policy. The host's
 * signature is left to the caller, who learns the host's key from `log.open`. Left: what is wrong.
 *
 * @param leaf the ledger's entry, parsed from canonical text
 * @param origin origin of the run that the evidence must be about
 */
export const checkLedgerRecord = (
  leaf: Jcs.Json,
  proofText: string,
  origin: string,
  policy: TlogPolicy.TlogPolicy
): Either.Either<LedgerRecord, string> =>
  Either.gen(function* () {
    const text = Buffer.from(Jcs.encode(leaf), "utf8")
    const entry = yield* Either.mapLeft(
      Entry.decodeCanonical(leaf, text.length),
      (error) => `ledger leaf: ${error.message}`
    )
    const named = yield* claimOf(entry)
    if (named.origin !== origin) return yield* Either.left(`the ledger's entry ${entry.seq} is about ${named.origin}`)
    const proof = yield* Either.mapLeft(TlogProof.parse(proofText), (error) => `ledger proof: ${error.message}`)
    const note = yield* Either.mapLeft(SignedNote.parse(proof.checkpoint), (error) => `ledger proof: ${error.message}`)
    const checkpoint = yield* Either.mapLeft(Checkpoint.parse(note.text), (error) => `ledger proof: ${error.message}`)
    if (checkpoint.origin !== origin.slice(0, Math.max(0, origin.lastIndexOf("/")))) {
      return yield* Either.left(`the ledger's checkpoint is of ${checkpoint.origin}`)
    }
    const included =
      proof.index === entry.seq &&
      MerkleTree.verifyInclusion(Sha256.leafHash(text), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    if (!included) return yield* Either.left(`the ledger's entry ${entry.seq} is not in the tree of its checkpoint`)
    const witnesses = yield* Either.mapLeft(
      cosigners(note, policy),
      (name) => `the cosignature of ${name} on the ledger's checkpoint does not verify`
    )
    const root = Base64.decodeExact(named.root, Sha256.digestBytes)
    if (root === undefined)
      return yield* Either.left(`the ledger's entry ${entry.seq} holds a root that is not 32 bytes`)
    const by = `the ledger's ${entry.type} (entry ${entry.seq})`
    const claim: Claim = { size: named.size, root, by, witnesses, known: undefined, key: named.key }
    return { seq: entry.seq, claim, note, cosignatures: witnesses.length }
  })
