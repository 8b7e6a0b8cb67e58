/**
 * The verifier of a whole log: a fold over its records in order, in flat memory. Bundles, databases and every other
 * caller go through this one (docs/format.md, section 6; the order of the checks is the order there).
 *
 * Not here: reading files and databases (layers), bundle lines (Bundle), subsets (SubsetVerifier), and the fast path,
 * which may `skip` entries that it proved to be ordinary (FastRange).
 *
 * @module
 */
import * as Either from "effect/Either"
import { Anchoring } from "./Anchoring.ts"
import type * as Bundle from "./Bundle.ts"
import * as Checkpoint from "./Checkpoint.ts"
import * as CheckpointKeys from "./CheckpointKeys.ts"
import { Claims } from "./Claims.ts"
import * as Commitment from "./Commitment.ts"
import * as Entry from "./Entry.ts"
import { Findings } from "./Findings.ts"
import type * as Jcs from "./Jcs.ts"
import * as MerkleTree from "./MerkleTree.ts"
import * as Sha256 from "./Sha256.ts"
import * as SignedNote from "./SignedNote.ts"
import { Succession } from "./Succession.ts"
import * as TlogPolicy from "./TlogPolicy.ts"
import * as Verdict from "./Verdict.ts"
import type { VerifyOptions } from "./VerifyOptions.ts"
import type * as Vkey from "./Vkey.ts"

/** A stretch of entries that were checked elsewhere, each with no part in the steering of verification. */
export interface Stretch {
  readonly count: number
  /** Leaf hash of its last entry, in hex. */
  readonly lastHash: string
  readonly lastTs: string
  /** The whole log's compact range behind the stretch. */
  readonly range: MerkleTree.CompactRange
}

export class Verifier {
  readonly #findings = new Findings()
  readonly #anchoring: Anchoring
  readonly #claims: Claims
  readonly #options: VerifyOptions
  readonly #headerOrigin: string
  readonly #tree = new MerkleTree.Accumulator()
  readonly #succession: Succession
  /** Records met, for the order of conclusions. */
  #position = 0
  #lastHash = Entry.zeroHash
  #lastTs = ""
  /** Commitments of the last entry that have not been disclosed yet. */
  #open: Array<string> = []
  #withheld = 0
  #disclosed = 0
  #checkpoints = 0
  /** Size and root of the last valid checkpoint, and the policy's witnesses that cosigned it. */
  #signed = { size: 0, root: MerkleTree.emptyRoot }
  #cosigners: ReadonlyArray<Vkey.Vkey> = []
  /** A checkpoint of more entries than were read when it came. */
  #ahead: number | undefined
  /** Entry whose `prev` is not the hash of the entry before; the next entry tells which of the two is bad. */
  #brokenAt: number | undefined
  /** Size of a signed checkpoint with another root; the next entry's `prev` tells which entry is bad. */
  #refuted: number | undefined

  constructor(headerOrigin: string, options: VerifyOptions) {
    this.#headerOrigin = headerOrigin
    this.#options = options
    this.#anchoring = new Anchoring(options, this.#findings)
    this.#claims = new Claims(headerOrigin, options, this.#findings)
    this.#succession = new Succession(headerOrigin, this.#claims, this.#findings)
  }

  /** Whether a conclusion was reached that no later record can change. */
  get isDecided(): boolean {
    return this.#findings.conclusion !== undefined
  }

  /** Whether `settle` should be awaited before more records are fed. */
  get wantsToSettle(): boolean {
    return this.#anchoring.isFull
  }

  /** Entries read so far. */
  get size(): number {
    return this.#tree.size
  }

  /** Leaf hash of the last entry in hex, or 64 zeros. */
  get lastHash(): string {
    return this.#lastHash
  }

  get lastTs(): string {
    return this.#lastTs
  }

  get range(): MerkleTree.CompactRange {
    return this.#tree.range
  }

  /** Sizes that outside evidence names; a stretch must not step over one. */
  get claimedSizes(): ReadonlyArray<number> {
    return this.#claims.sizes
  }

  /** Keys whose signatures count at the present size. */
  get currentKeys(): ReadonlyArray<Vkey.Vkey> {
    return (this.#succession.needsAt(this.size) ?? []).map(({ key }) => key)
  }

  /** Whether the entries that come next may be skipped. */
  get canSkip(): boolean {
    const { identity, isClosed, unclosedKeyAt } = this.#succession
    const waits = unclosedKeyAt ?? this.#ahead ?? this.#brokenAt ?? this.#refuted
    return !this.isDecided && identity !== undefined && !isClosed && waits === undefined
  }

  #conclude(verdict: Verdict.Verdict, firstBad: Verdict.SeqRange | null, why: string): void {
    this.#findings.conclude(Verdict.conclude(verdict, firstBad, why), this.#position)
  }

  /** What could not be read as this format. */
  malformed(why: string): void {
    this.#resolve()
    this.#position++
    this.#conclude("MALFORMED", null, why)
  }

  /** Ledger evidence; before every entry. */
  ledger(leaf: Jcs.Json, proof: string): void {
    this.#position++
    if (this.isDecided) return
    if (this.#tree.size > 0 || this.#checkpoints > 0) return this.malformed("ledger evidence after the first entry")
    const wrong = this.#claims.addLedger(leaf, proof)
    if (wrong !== undefined) this.#conclude("TAMPERED", null, wrong)
  }

  /**
   * One entry.
   *
   * @param text the stored leaf
   * @param canonical the parsed leaf, when the caller already found the text to be canonical
   */
  entry(text: string, canonical?: Jcs.Json): void {
    this.#position++
    if (this.isDecided) return
    const decoded =
      canonical === undefined ? Entry.decode(text) : Entry.decodeCanonical(canonical, Buffer.byteLength(text, "utf8"))
    if (this.#brokenAt !== undefined || this.#refuted !== undefined) {
      return this.#resolve(Either.isRight(decoded) ? decoded.right.prev : undefined)
    }
    const seq = this.#tree.size
    const bad = (why: string) => this.#conclude("TAMPERED", [seq, seq], why)
    if (Either.isLeft(decoded)) return bad(decoded.left.message)
    const entry = decoded.right
    const { isClosed, unclosedKeyAt } = this.#succession
    if (isClosed) return bad("an entry after log.close")
    if (unclosedKeyAt !== undefined) {
      const why = "log.key without the closing checkpoint of the epoch before"
      return this.#conclude("TAMPERED", [unclosedKeyAt, unclosedKeyAt], why)
    }
    if (this.#ahead !== undefined) return bad(`a checkpoint of size ${this.#ahead} stands before this entry`)
    if (entry.seq !== seq) return bad(`its seq is ${entry.seq}`)
    if (entry.prev !== this.#lastHash) {
      if (seq === 0) return bad("the first entry's prev is not 64 zeros")
      if (this.#signed.size === seq) return bad("its prev is not the hash of the entry before, which is signed")
      this.#brokenAt = seq
    } else if (entry.ts < this.#lastTs) return bad("its ts is lower than that of the entry before")
    else if ((entry.type === "log.open") !== (seq === 0)) {
      return bad(seq === 0 ? "the log does not begin with log.open" : "a second log.open")
    } else if (Entry.isControlType(entry.type)) {
      const taken = this.#succession.take(entry)
      if (Either.isLeft(taken)) return bad(taken.left)
      this.#countCheckpoints(taken.right.storedCheckpoints, seq)
    }
    this.#withheld += this.#open.length
    this.#open = [...Commitment.commitmentsIn(entry.data)]
    this.#lastTs = entry.ts
    this.#lastHash = Sha256.leafHashHex(text)
    this.#tree.append(Buffer.from(this.#lastHash, "hex"))
    this.#claims.check(this.#tree)
  }

  /** An entry whose stored value cannot even be read as text. */
  refuseEntry(why: string): void {
    this.#position++
    if (this.isDecided) return
    if (this.#brokenAt !== undefined || this.#refuted !== undefined) return this.#resolve()
    this.#conclude("TAMPERED", [this.size, this.size], why)
  }

  /** Takes entries over that were found to be ordinary, chained to `lastHash` and not earlier than `lastTs`. */
  skip(stretch: Stretch): void {
    this.#position += stretch.count
    this.#withheld += this.#open.length
    this.#open = []
    this.#lastTs = stretch.lastTs
    this.#lastHash = stretch.lastHash
    this.#tree.reset(stretch.range)
    this.#claims.check(this.#tree)
  }

  /** Our recorder says how many checkpoints it had stored, so that a deleted one is missed. */
  #countCheckpoints(stored: number | undefined, seq: number): void {
    if (stored === undefined || stored === this.#checkpoints) return
    const { epochStart } = this.#succession
    const why = `${stored} checkpoints were stored before entry ${seq} and ${this.#checkpoints} are here`
    this.#conclude("TAMPERED", [epochStart, Math.max(epochStart, seq - 1)], why)
  }

  /** A salt and value for the entry just before. */
  disclosure(disclosure: Commitment.Disclosure): void {
    this.#position++
    if (this.isDecided || this.#brokenAt !== undefined) return
    const at = this.#open.indexOf(Commitment.commit(disclosure))
    const seq = Math.max(0, this.#tree.size - 1)
    if (at < 0)
      return this.#conclude("TAMPERED", [seq, seq], "a disclosed value is not the one that the entry commits to")
    this.#open.splice(at, 1)
    this.#disclosed++
  }

  /** A checkpoint, as first signed, with what was attached to it since. */
  checkpoint(text: string, attached: Bundle.Attachments): void {
    this.#position++
    if (this.isDecided || this.#brokenAt !== undefined || this.#refuted !== undefined) return
    const first = this.#signed.size
    const upTo = (size: number): Verdict.SeqRange => [first, Math.max(first, size - 1)]
    const bad = (range: Verdict.SeqRange, why: string) => this.#conclude("TAMPERED", range, why)
    const note = SignedNote.parse(text)
    if (Either.isLeft(note))
      return bad(upTo(this.size), `the checkpoint behind entry ${this.size - 1} is ${note.left.message}`)
    const parsed = Checkpoint.parse(note.right.text)
    if (Either.isLeft(parsed))
      return bad(upTo(this.size), `the checkpoint behind entry ${this.size - 1}: ${parsed.left.message}`)
    const { origin, root, size } = parsed.right
    const needs = this.#succession.needsAt(size)
    if (needs === undefined) return bad([0, 0], "a checkpoint before log.open")
    if (origin !== this.#headerOrigin) return bad(upTo(this.size), `a checkpoint of ${origin}`)
    if (first === 0 && size !== 1 && size <= this.size) return bad([0, 0], "the opening checkpoint is missing")
    const wrongSignature = CheckpointKeys.wrongSignature(note.right, size, needs)
    if (size > this.size) {
      if (wrongSignature === undefined) this.#ahead = Math.max(this.#ahead ?? 0, size)
      else if (this.#ahead === undefined) bad(upTo(this.size), wrongSignature)
      else this.#findings.remark(`a checkpoint of size ${size} could not be checked: ${wrongSignature}`)
      return
    }
    if (wrongSignature !== undefined) return bad(upTo(this.size), wrongSignature)
    if (size <= first) {
      const isFork = size === first && !MerkleTree.sameHash(root, this.#signed.root)
      return isFork
        ? this.#conclude("FORKED", null, `two signed checkpoints of size ${size} have different roots: keep both`)
        : bad([size - 1, size - 1], `a checkpoint of size ${size} stands behind one of size ${first}`)
    }
    if (size < this.size) return bad(upTo(size), `a checkpoint of size ${size} stands behind entry ${this.size - 1}`)
    if (!MerkleTree.sameHash(root, this.#tree.root())) {
      this.#refuted = size
      return
    }
    const cosigned = this.#anchoring.check(note.right, size, attached, upTo(size), this.#position)
    if (Either.isLeft(cosigned)) return bad(upTo(size), cosigned.left)
    this.#cosigners = cosigned.right
    this.#signed = { size, root }
    this.#checkpoints++
    this.#succession.signedAt(size)
    const fork = this.#claims.confirm()
    if (fork !== undefined) this.#conclude(fork.verdict, fork.verdict === "FORKED" ? null : upTo(fork.size), fork.why)
  }

  /** Decides which entry is to blame for a broken chain or a refuted root, given the next entry's `prev` if any. */
  #resolve(nextPrev?: string): void {
    const last = this.#tree.size - 1
    if (this.#brokenAt !== undefined) {
      const isItself = nextPrev !== undefined && nextPrev !== this.#lastHash
      const bad = isItself ? this.#brokenAt : this.#brokenAt - 1
      const why = isItself ? "it does not fit between its neighbours' hashes" : "the next entry's prev is not its hash"
      this.#conclude("TAMPERED", [bad, bad], why)
    } else if (this.#refuted !== undefined) {
      const isLast = nextPrev !== undefined && nextPrev !== this.#lastHash
      const range: Verdict.SeqRange = isLast ? [last, last] : [this.#signed.size, this.#refuted - 1]
      const why = `the signed checkpoint of size ${this.#refuted} has another root`
      this.#conclude("TAMPERED", range, isLast ? why : `${why}; the chain was linked anew`)
    }
  }

  /** Checks what had to be put off. Await it whenever `wantsToSettle`. */
  async settle(): Promise<void> {
    await this.#anchoring.settle()
  }

  /** The end of the log. Nothing may be fed afterwards. */
  async finish(): Promise<Verdict.Report> {
    if (!this.isDecided) this.#resolve()
    await this.#anchoring.settle()
    this.#withheld += this.#open.length
    this.#open = []
    return this.#report(this.#findings.conclusion ?? this.#judge())
  }

  /** The verdict on a log without contradictions: docs/format.md, section 6, from TRUNCATED on. */
  #judge(): Verdict.Conclusion {
    const size = this.size
    const { identity, isAborted, isClosed } = this.#succession
    if (identity === undefined) return Verdict.conclude("MALFORMED", null, "there is no entry")
    const refuted = this.#claims.unconfirmed()
    if (refuted !== undefined) {
      return Verdict.conclude(
        "TAMPERED",
        [this.#signed.size, Math.max(this.#signed.size, refuted.size - 1)],
        refuted.why
      )
    }
    const largest = this.#claims.largest
    if (largest !== undefined && largest.size > size) {
      return Verdict.conclude("TRUNCATED", [size, largest.size - 1], `${largest.by} names ${largest.size} entries`)
    }
    const otherRun = this.#claims.otherRun(identity)
    if (otherRun !== undefined) return Verdict.conclude("WRONG RUN", null, otherRun)
    if (this.#ahead !== undefined) {
      return Verdict.conclude("TRUNCATED", [size, this.#ahead - 1], `a signed checkpoint covers ${this.#ahead} entries`)
    }
    if (!TlogPolicy.hasLog(this.#options.policy, identity.host)) {
      return Verdict.conclude("KEY UNKNOWN", null, `the policy does not name the host key ${identity.host.text}`)
    }
    const witnessed = [...this.#cosigners, ...this.#claims.witnessesAt(size)]
    const isFinal = this.#signed.size === size
    const cosigned = isFinal ? witnessed : this.#claims.witnessesAt(size)
    if (!TlogPolicy.quorumMet(this.#options.policy, (key) => cosigned.some((other) => other.text === key.text))) {
      return Verdict.conclude("UNWITNESSED", null, `the policy's quorum has not cosigned the final size ${size}`)
    }
    if (!isFinal) {
      const range: Verdict.SeqRange = [this.#signed.size, size - 1]
      return Verdict.conclude("UNSIGNED TAIL", range, `${Verdict.describeRange(range)} carry no signature`)
    }
    if (isAborted) {
      return Verdict.conclude("INCOMPLETE", null, "the recorder was killed; the host key closed the log afterwards")
    }
    if (!isClosed) {
      return Verdict.conclude("INCOMPLETE", null, "no log.close: the run goes on, was killed, or its tail was removed")
    }
    return Verdict.conclude("INTACT", null, "")
  }

  #report(conclusion: Verdict.Conclusion): Verdict.Report {
    const { firstBad, verdict, why } = conclusion
    return {
      verdict,
      firstBad,
      why,
      findings: this.#findings.remarks,
      anchors: this.#findings.anchors,
      supports: this.#findings.supports,
      holdsBefore: firstBad === null ? this.#signed.size : Math.min(firstBad[0], this.#signed.size),
      origin: this.#headerOrigin,
      host: this.#succession.identity?.host.text ?? null,
      counts: {
        entries: this.size,
        signed: this.#signed.size,
        checkpoints: this.#checkpoints,
        epochs: this.#succession.epochs,
        disclosed: this.#disclosed,
        withheld: this.#withheld,
        ledger: this.#claims.ledgerRecords,
        cosignatures: this.#anchoring.cosignatures + this.#claims.cosignatures,
        timestamps: this.#anchoring.timestamps,
        total: this.size
      }
    }
  }
}
