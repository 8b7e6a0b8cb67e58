/**
 * Holds a log against outside evidence while it is read: what the ledger and kept checkpoints claim of its roots.
 * Owned by one verifier.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Evidence from "./Evidence.ts"
import type { Findings } from "./Findings.ts"
import type * as Jcs from "./Jcs.ts"
import type * as LogIdentity from "./LogIdentity.ts"
import * as MerkleTree from "./MerkleTree.ts"
import * as SignedNote from "./SignedNote.ts"
import type { VerifyOptions } from "./VerifyOptions.ts"
import type * as Vkey from "./Vkey.ts"

/** A claim whose root is not the log's. */
interface Refuted {
  readonly size: number
  readonly claim: Evidence.Claim
}

export class Claims {
  readonly #bySize = new Map<number, Array<Evidence.Claim>>()
  readonly #origin: string
  readonly #options: VerifyOptions
  readonly #findings: Findings
  /** Distinct ledger notes that wait for the host key, by text. */
  readonly #ledgerNotes = new Map<string, SignedNote.SignedNote>()
  /** Kept notes that one of the log's own keys signed. */
  readonly #vouched = new Set<SignedNote.SignedNote>()
  readonly #elsewhere: Array<string> = []
  #lastLedgerSeq = -1
  #runOpenKey: string | undefined
  #refuted: Refuted | undefined
  ledgerRecords = 0
  cosignatures = 0

  constructor(origin: string, options: VerifyOptions, findings: Findings) {
    this.#origin = origin
    this.#options = options
    this.#findings = findings
    for (const { checkpoint, note } of options.known.slice(0, Evidence.maxClaims)) {
      if (checkpoint.origin === origin) {
        const by = `the kept checkpoint of size ${checkpoint.size}`
        this.#add({ size: checkpoint.size, root: checkpoint.root, by, witnesses: [], known: note, key: undefined })
      } else if (origin.startsWith(`${checkpoint.origin}/`)) {
        findings.remark(`the kept checkpoint of the ledger ${checkpoint.origin} says nothing about a single run`)
      } else this.#elsewhere.push(checkpoint.origin)
    }
  }

  #add(claim: Evidence.Claim): void {
    const others = this.#bySize.get(claim.size)
    if (others === undefined) this.#bySize.set(claim.size, [claim])
    else others.push(claim)
  }

  /** Adds one ledger record; returns what is wrong with it. */
  addLedger(leaf: Jcs.Json, proof: string): string | undefined {
    if (this.ledgerRecords >= Evidence.maxClaims) return `more than ${Evidence.maxClaims} ledger records`
    const record = Evidence.checkLedgerRecord(leaf, proof, this.#origin, this.#options.policy)
    if (Either.isLeft(record)) return record.left
    const { claim, cosignatures, note, seq } = record.right
    if (seq <= this.#lastLedgerSeq) return "ledger records are not in the ledger's order"
    this.#lastLedgerSeq = seq
    this.ledgerRecords++
    this.cosignatures += cosignatures
    this.#ledgerNotes.set(note.note, note)
    this.#runOpenKey ??= claim.key
    this.#add(claim)
    return undefined
  }

  /** `log.open` named the log's keys: every ledger note must carry the host's line. Returns what is wrong. */
  identify(identity: LogIdentity.LogIdentity): string | undefined {
    for (const note of this.#ledgerNotes.values()) {
      if (SignedNote.check(note, identity.host) !== "valid")
        return "the ledger's checkpoint is not signed by this host key"
    }
    this.#ledgerNotes.clear()
    if (this.#runOpenKey !== undefined && this.#runOpenKey !== identity.key.text) {
      return "the ledger's run.open names another key of epoch 0"
    }
    this.epochKey(identity.host)
    this.epochKey(identity.key)
    return undefined
  }

  /** One more key of the log, against which kept notes are checked. */
  epochKey(key: Vkey.Vkey): void {
    for (const { note } of this.#options.known) {
      const result = SignedNote.check(note, key)
      if (result === "valid") this.#vouched.add(note)
      else if (result === "invalid") {
        this.#findings.remark(
          "a kept checkpoint carries a bad signature: it was compared all the same, but proves no fork"
        )
      }
    }
  }

  get sizes(): ReadonlyArray<number> {
    return [...this.#bySize.keys()]
  }

  get largest(): Evidence.Claim | undefined {
    let largest: Evidence.Claim | undefined
    for (const [claim] of this.#bySize.values()) {
      if (claim !== undefined && claim.size > (largest?.size ?? 0)) largest = claim
    }
    return largest
  }

  /** Compares the root with what is claimed at the tree's present size. */
  check(tree: MerkleTree.Accumulator): void {
    if (this.#bySize.has(tree.size)) this.checkRoot(tree.size, tree.root())
  }

  /** Compares `root` with what is claimed at `size`. */
  checkRoot(size: number, root: Uint8Array): void {
    for (const claim of this.#bySize.get(size) ?? []) {
      if (MerkleTree.sameHash(root, claim.root)) this.#agree(claim)
      else this.#refuted ??= { size, claim }
    }
  }

  /** A ledger without cosignatures is signed by the same host key as the log: it says more, but not from elsewhere. */
  #agree({ by, known, size, witnesses }: Evidence.Claim): void {
    if (known === undefined && witnesses.length === 0) return this.#findings.support(`${by} agrees at size ${size}`)
    const cosigned = witnesses.map(({ name }) => name).join(", ")
    this.#findings.anchor(`${by} agrees at size ${size}${cosigned === "" ? "" : `, cosigned by ${cosigned}`}`)
  }

  /** The root at a refuted claim's size is signed by the log as well: a fork if its own keys signed the claim too. */
  confirm(): { readonly verdict: "FORKED" | "TAMPERED"; readonly size: number; readonly why: string } | undefined {
    if (this.#refuted === undefined) return undefined
    const { claim, size } = this.#refuted
    const isOwn = claim.known === undefined || this.#vouched.has(claim.known)
    return isOwn
      ? { verdict: "FORKED", size, why: `${claim.by} and the log's own checkpoint have different roots: keep both` }
      : { verdict: "TAMPERED", size, why: `${claim.by} has another root` }
  }

  /** A refuted claim that no later checkpoint of the log confirmed. */
  unconfirmed(): { readonly size: number; readonly why: string } | undefined {
    return this.#refuted && { size: this.#refuted.size, why: `${this.#refuted.claim.by} has another root` }
  }

  /** Why the log is not of the run that was asked for. */
  otherRun(identity: LogIdentity.LogIdentity): string | undefined {
    const asked = this.#options.run
    if (asked !== undefined && asked !== identity.run) return `this is the log of ${identity.run}, not of ${asked}`
    const elsewhere = this.#elsewhere[0]
    return elsewhere === undefined ? undefined : `the kept checkpoint is of ${elsewhere}, not of ${identity.origin}`
  }

  /** Witnesses of the policy that cosigned a ledger note which names the root at `size`. */
  witnessesAt(size: number): ReadonlyArray<Vkey.Vkey> {
    return (this.#bySize.get(size) ?? []).flatMap((claim) => claim.witnesses)
  }
}
