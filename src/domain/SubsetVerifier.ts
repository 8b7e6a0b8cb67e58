/**
 * The verifier of a subset: chosen entries, each proven to a checkpoint, with the succession of keys that leads from
 * `log.open` to the last one (docs/format.md, section 5). A fold over records in order, in flat memory.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { Anchoring } from "./Anchoring.ts"
import * as Base64 from "./Base64.ts"
import type * as Bundle from "./Bundle.ts"
import * as Checkpoint from "./Checkpoint.ts"
import * as CheckpointKeys from "./CheckpointKeys.ts"
import { Claims } from "./Claims.ts"
import * as Commitment from "./Commitment.ts"
import * as ControlEntry from "./ControlEntry.ts"
import * as Entry from "./Entry.ts"
import { Findings } from "./Findings.ts"
import type * as Jcs from "./Jcs.ts"
import * as LogIdentity from "./LogIdentity.ts"
import * as MerkleTree from "./MerkleTree.ts"
import * as Sha256 from "./Sha256.ts"
import * as SignedNote from "./SignedNote.ts"
import * as TlogPolicy from "./TlogPolicy.ts"
import * as Verdict from "./Verdict.ts"
import type { VerifyOptions } from "./VerifyOptions.ts"
import type * as Vkey from "./Vkey.ts"

const decodeKey = Schema.decodeUnknownEither(ControlEntry.LogKey)

const decodeHashes = (texts: ReadonlyArray<string>): ReadonlyArray<Uint8Array> | undefined => {
  const hashes: Array<Uint8Array> = []
  for (const text of texts) {
    const hash = Base64.decodeExact(text, Sha256.digestBytes)
    if (hash === undefined) return undefined
    hashes.push(hash)
  }
  return hashes
}

export class SubsetVerifier {
  readonly #findings = new Findings()
  readonly #anchoring: Anchoring
  readonly #claims: Claims
  readonly #options: VerifyOptions
  readonly #origin: string
  #identity: LogIdentity.LogIdentity | undefined
  #epochKey: Vkey.Vkey | undefined
  #epochs = 0
  #position = 0
  /** The latest checkpoint, to which the entries below it are proven. */
  #latest: { readonly size: number; readonly root: Uint8Array; readonly note: SignedNote.SignedNote } | undefined
  /** Only the host signed the latest checkpoint: right after `log.abort` and nowhere else. */
  #hostOnly = false
  /** `log.key` at the end of the latest checkpoint. */
  #nextKey: Vkey.Vkey | undefined
  #cosigners: ReadonlyArray<Vkey.Vkey> = []
  #lastSeq = -1
  #lastType = ""
  #open: Array<string> = []
  #entries = 0
  #checkpoints = 0
  #withheld = 0
  #disclosed = 0

  constructor(headerOrigin: string, options: VerifyOptions) {
    this.#origin = headerOrigin
    this.#options = options
    this.#anchoring = new Anchoring(options, this.#findings)
    this.#claims = new Claims(headerOrigin, options, this.#findings)
  }

  get isDecided(): boolean {
    return this.#findings.conclusion !== undefined
  }

  get wantsToSettle(): boolean {
    return this.#anchoring.isFull
  }

  #conclude(verdict: Verdict.Verdict, firstBad: Verdict.SeqRange | null, why: string): void {
    this.#findings.conclude(Verdict.conclude(verdict, firstBad, why), this.#position)
  }

  malformed(why: string): void {
    this.#position++
    this.#conclude("MALFORMED", null, why)
  }

  ledger(leaf: Jcs.Json, proof: string): void {
    this.#position++
    if (this.isDecided) return
    if (this.#checkpoints > 0) return this.malformed("ledger evidence after the first checkpoint")
    const wrong = this.#claims.addLedger(leaf, proof)
    if (wrong !== undefined) this.#conclude("TAMPERED", null, wrong)
  }

  /**
   * A checkpoint; its signatures wait until the entry behind the first one has named the keys.
   *
   * @param consistency proof from the checkpoint above, absent on the first
   */
  checkpoint(text: string, attached: Bundle.Attachments, consistency: ReadonlyArray<string> | undefined): void {
    this.#position++
    if (this.isDecided) return
    const before = this.#latest
    const first = before?.size ?? 0
    const bad = (range: Verdict.SeqRange, why: string) => this.#conclude("TAMPERED", range, why)
    const note = SignedNote.parse(text)
    if (Either.isLeft(note)) return bad([first, first], `the checkpoint behind size ${first} is ${note.left.message}`)
    const parsed = Checkpoint.parse(note.right.text)
    if (Either.isLeft(parsed)) return bad([first, first], `the checkpoint behind size ${first}: ${parsed.left.message}`)
    const { origin, root, size } = parsed.right
    const range: Verdict.SeqRange = [first, Math.max(first, size - 1)]
    if (origin !== this.#origin) return bad(range, `a checkpoint of ${origin}`)
    if (before === undefined) {
      if (size !== 1) return bad([0, 0], "the opening checkpoint is missing")
      if (consistency !== undefined) return this.malformed("the first checkpoint has a consistency proof")
    } else {
      if (this.#identity === undefined) return bad([0, 0], "a second checkpoint before log.open")
      if (size <= first) return bad(range, `a checkpoint of size ${size} stands behind one of size ${first}`)
      const proof = consistency && decodeHashes(consistency)
      if (proof === undefined) return this.malformed(`the checkpoint of size ${size} lacks its consistency proof`)
      if (!MerkleTree.verifyConsistency(first, size, before.root, root, proof)) {
        return bad(range, `the checkpoint of size ${size} does not continue the one of size ${first}`)
      }
      this.#useNextKey()
    }
    const cosigned = this.#anchoring.check(note.right, size, attached, range, this.#position)
    if (Either.isLeft(cosigned)) return bad(range, cosigned.left)
    this.#cosigners = cosigned.right
    this.#latest = { size, root, note: note.right }
    this.#lastSeq = -1
    this.#checkpoints++
    if (this.#identity !== undefined) {
      const wrong = this.#checkSignatures(this.#identity, range)
      if (wrong !== undefined) bad(range, wrong)
    }
  }

  #useNextKey(): void {
    if (this.#nextKey === undefined) return
    this.#epochKey = this.#nextKey
    this.#epochs++
    this.#claims.epochKey(this.#nextKey)
    this.#nextKey = undefined
  }

  #checkSignatures(identity: LogIdentity.LogIdentity, range: Verdict.SeqRange): string | undefined {
    const latest = this.#latest
    const epochKey = this.#epochKey
    if (latest === undefined || epochKey === undefined) return "a checkpoint before log.open"
    const { note, root, size } = latest
    this.#hostOnly = size > 1 && SignedNote.check(note, epochKey) === "absent"
    const wrong = CheckpointKeys.wrongSignature(note, size, [
      { key: epochKey, who: `the key of epoch ${this.#epochs - 1}`, required: !this.#hostOnly },
      { key: identity.host, who: "the host key", required: size === 1 || this.#hostOnly || identity.kind === "ledger" }
    ])
    if (wrong !== undefined) {
      return this.#hostOnly
        ? `the checkpoint of size ${size} is not signed by the key of epoch ${this.#epochs - 1}`
        : wrong
    }
    this.#claims.checkRoot(size, root)
    const fork = this.#claims.confirm()
    if (fork !== undefined) this.#conclude(fork.verdict, fork.verdict === "FORKED" ? null : range, fork.why)
    return undefined
  }

  /** One entry with its inclusion proof in the latest checkpoint. */
  entry(text: string, canonical: Jcs.Json, inclusion: ReadonlyArray<string> | undefined): void {
    this.#position++
    if (this.isDecided) return
    const latest = this.#latest
    if (latest === undefined) return this.malformed("an entry before the first checkpoint")
    const decoded = Entry.decodeCanonical(canonical, Buffer.byteLength(text, "utf8"))
    if (Either.isLeft(decoded)) return this.malformed(`an entry is not of this format: ${decoded.left.message}`)
    const entry = decoded.right
    const { seq } = entry
    const bad = (why: string) => this.#conclude("TAMPERED", [seq, seq], why)
    const proof = inclusion && decodeHashes(inclusion)
    if (proof === undefined) return this.malformed(`entry ${seq} lacks its inclusion proof`)
    const leafHash = Sha256.leafHash(Buffer.from(text, "utf8"))
    if (!MerkleTree.verifyInclusion(leafHash, seq, latest.size, proof, latest.root)) {
      return bad(`it is not in the tree of the checkpoint of size ${latest.size}`)
    }
    if (seq <= this.#lastSeq) return bad(`it stands behind entry ${this.#lastSeq}`)
    if ((entry.type === "log.open") !== (seq === 0)) return bad("log.open is entry 0 and nothing else")
    if (this.#identity === undefined) {
      if (seq !== 0) return this.#conclude("TAMPERED", [0, 0], "log.open is missing")
      const wrong = this.#identify(entry)
      if (wrong !== undefined) return bad(wrong)
    }
    if (entry.type === "log.key" && seq === latest.size - 1) {
      const wrong = this.#successor(entry)
      if (wrong !== undefined) return bad(wrong)
    }
    this.#withheld += this.#open.length
    this.#open = [...Commitment.commitmentsIn(entry.data)]
    this.#lastSeq = seq
    this.#lastType = entry.type
    this.#entries++
  }

  #identify(entry: Entry.Entry): string | undefined {
    const identity = LogIdentity.decode(entry.data, this.#origin)
    if (Either.isLeft(identity)) return identity.left
    this.#identity = identity.right
    this.#epochKey = identity.right.key
    this.#epochs = 1
    return this.#claims.identify(identity.right) ?? this.#checkSignatures(identity.right, [0, 0])
  }

  #successor(entry: Entry.Entry): string | undefined {
    const next = decodeKey(entry.data)
    if (Either.isLeft(next)) return "log.key lacks a member or has one of another form"
    if (next.right.epoch !== this.#epochs) return `log.key opens epoch ${next.right.epoch}, not ${this.#epochs}`
    const key = LogIdentity.epochKey(next.right.key, this.#origin)
    if (Either.isLeft(key)) return key.left
    this.#nextKey = key.right
    return undefined
  }

  disclosure(disclosure: Commitment.Disclosure): void {
    this.#position++
    if (this.isDecided) return
    const at = this.#open.indexOf(Commitment.commit(disclosure))
    const seq = Math.max(0, this.#lastSeq)
    if (at < 0)
      return this.#conclude("TAMPERED", [seq, seq], "a disclosed value is not the one that the entry commits to")
    this.#open.splice(at, 1)
    this.#disclosed++
  }

  async settle(): Promise<void> {
    await this.#anchoring.settle()
  }

  async finish(): Promise<Verdict.Report> {
    await this.#anchoring.settle()
    this.#withheld += this.#open.length
    this.#open = []
    const { firstBad, verdict, why } = this.#findings.conclusion ?? this.#judge()
    const size = this.#latest?.size ?? 0
    return {
      verdict,
      firstBad,
      why,
      findings: [`a subset: ${this.#entries} of ${size} entries are shown`, ...this.#findings.remarks],
      anchors: this.#findings.anchors,
      supports: this.#findings.supports,
      holdsBefore: firstBad === null ? size : Math.min(firstBad[0], size),
      origin: this.#origin,
      host: this.#identity?.host.text ?? null,
      counts: {
        entries: this.#entries,
        signed: size,
        checkpoints: this.#checkpoints,
        epochs: this.#epochs,
        disclosed: this.#disclosed,
        withheld: this.#withheld,
        ledger: this.#claims.ledgerRecords,
        cosignatures: this.#anchoring.cosignatures + this.#claims.cosignatures,
        timestamps: this.#anchoring.timestamps,
        total: size
      }
    }
  }

  #judge(): Verdict.Conclusion {
    const identity = this.#identity
    const latest = this.#latest
    if (identity === undefined || latest === undefined)
      return Verdict.conclude("MALFORMED", null, "there is no log.open")
    const { size } = latest
    const largest = this.#claims.largest
    if (largest !== undefined && largest.size > size) {
      return Verdict.conclude("TRUNCATED", [size, largest.size - 1], `${largest.by} names ${largest.size} entries`)
    }
    const otherRun = this.#claims.otherRun(identity)
    if (otherRun !== undefined) return Verdict.conclude("WRONG RUN", null, otherRun)
    if (!TlogPolicy.hasLog(this.#options.policy, identity.host)) {
      return Verdict.conclude("KEY UNKNOWN", null, `the policy does not name the host key ${identity.host.text}`)
    }
    const cosigned = [...this.#cosigners, ...this.#claims.witnessesAt(size)]
    if (!TlogPolicy.quorumMet(this.#options.policy, (key) => cosigned.some((other) => other.text === key.text))) {
      return Verdict.conclude("UNWITNESSED", null, `the policy's quorum has not cosigned the final size ${size}`)
    }
    const isLastShown = this.#lastSeq === size - 1
    if (this.#hostOnly && !(isLastShown && this.#lastType === "log.abort")) {
      const why = `only the host key signed the checkpoint of size ${size}, and no log.abort is shown`
      return Verdict.conclude("TAMPERED", [size - 1, size - 1], why)
    }
    if (this.#lastType === "log.abort" && isLastShown) {
      return Verdict.conclude("INCOMPLETE", null, "the recorder was killed; the host key closed the log afterwards")
    }
    if (!isLastShown || this.#lastType !== "log.close") {
      return Verdict.conclude("INCOMPLETE", null, "the log's last entry is not shown to be log.close")
    }
    return Verdict.conclude("INTACT", null, "")
  }
}
