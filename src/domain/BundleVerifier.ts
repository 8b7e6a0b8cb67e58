/**
 * Verifies a bundle, line by line, in flat memory: the grammar of Bundle, the checks of Verifier or SubsetVerifier.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Bundle from "./Bundle.ts"
import { SubsetVerifier } from "./SubsetVerifier.ts"
import type * as Verdict from "./Verdict.ts"
import { Verifier } from "./Verifier.ts"
import type { VerifyOptions } from "./VerifyOptions.ts"

type Fold =
  | { readonly kind: "full"; readonly verifier: Verifier }
  | { readonly kind: "subset"; readonly verifier: SubsetVerifier }

const noCounts: Verdict.Counts = {
  entries: 0,
  signed: 0,
  checkpoints: 0,
  epochs: 0,
  disclosed: 0,
  withheld: 0,
  ledger: 0,
  cosignatures: 0,
  timestamps: 0,
  total: 0
}

/** The report on a file that is not readable as this format at all. */
export const unreadable = (why: string): Verdict.Report => ({
  verdict: "MALFORMED",
  firstBad: null,
  why,
  findings: [],
  anchors: [],
  supports: [],
  holdsBefore: 0,
  origin: "",
  host: null,
  counts: noCounts
})

export class BundleVerifier {
  readonly #options: VerifyOptions
  #fold: Fold | undefined
  #unreadable: string | undefined
  #number = 0
  #entries = 0
  #checkpoints = 0
  #expectsRecord = false
  /** Nothing but disclosures stands between the last entry and here. */
  #followsEntry = false
  #ended = false

  constructor(options: VerifyOptions) {
    this.#options = options
  }

  /** Whether no later line can change the verdict. */
  get isDecided(): boolean {
    return this.#unreadable !== undefined || this.#fold?.verifier.isDecided === true
  }

  /** Whether `settle` should be awaited before more lines are fed. */
  get wantsToSettle(): boolean {
    return this.#fold?.verifier.wantsToSettle === true
  }

  /** The verifier of a full bundle, once its header was read; the fast path steers it. */
  get full(): Verifier | undefined {
    return this.#fold?.kind === "full" ? this.#fold.verifier : undefined
  }

  #refuse(why: string): void {
    if (this.#fold === undefined) this.#unreadable ??= why
    else this.#fold.verifier.malformed(why)
  }

  /** What cannot even be split into lines: a line that is too long, or bytes that are not UTF-8. */
  refuse(why: string): void {
    this.#refuse(`line ${this.#number + 1}: ${why}`)
  }

  /** Whether entry lines that end with a comma may be skipped now, if the fast path finds them to be ordinary. */
  get canSkip(): boolean {
    return !this.#ended && this.#expectsRecord && this.full?.canSkip === true
  }

  /** Counts entry lines that the fast path took over from the verifier. */
  countSkipped(entries: number): void {
    this.#number += entries
    this.#entries += entries
    this.#expectsRecord = true
    this.#followsEntry = true
  }

  /** One line without its LF. */
  line(text: string): void {
    this.#number++
    if (this.isDecided) return
    if (this.#ended) return this.#refuse(`line ${this.#number}: text after the tail`)
    const fold = this.#fold
    if (fold === undefined) {
      const header = Bundle.parseHeader(text)
      if (Either.isLeft(header)) return this.#refuse(header.left.message)
      const { kind, origin } = header.right
      this.#fold =
        kind === "full"
          ? { kind, verifier: new Verifier(origin, this.#options) }
          : { kind, verifier: new SubsetVerifier(origin, this.#options) }
      return
    }
    const tail = Bundle.parseTail(text, this.#number)
    if (tail !== undefined) return this.#tail(tail)
    if (this.#number > 2 && !this.#expectsRecord) {
      return this.#refuse(`line ${this.#number}: the line before does not end with a comma`)
    }
    this.#expectsRecord = text.endsWith(",")
    const record = Bundle.parseRecord(this.#expectsRecord ? text.slice(0, -1) : text, this.#number)
    if (Either.isLeft(record)) return this.#refuse(record.left.message)
    this.#record(fold, record.right)
  }

  #record(fold: Fold, record: Bundle.BundleRecord): void {
    const misplaced = (what: string) => this.#refuse(`line ${this.#number}: ${what}`)
    switch (record._tag) {
      case "ledger":
        return fold.verifier.ledger(record.leaf, record.proof)
      case "disclosure":
        return this.#followsEntry
          ? fold.verifier.disclosure(record.disclosure)
          : misplaced("a disclosure that does not follow its entry")
      case "entry": {
        this.#entries++
        this.#followsEntry = true
        if (fold.kind === "subset") return fold.verifier.entry(record.text, record.leaf, record.proof)
        return record.proof === undefined
          ? fold.verifier.entry(record.text, record.leaf)
          : misplaced("an inclusion proof in a full bundle")
      }
      case "checkpoint": {
        this.#checkpoints++
        this.#followsEntry = false
        if (fold.kind === "subset") return fold.verifier.checkpoint(record.note, record, record.consistency)
        return record.consistency === undefined
          ? fold.verifier.checkpoint(record.note, record)
          : misplaced("a consistency proof in a full bundle")
      }
    }
  }

  #tail(tail: Either.Either<Bundle.Tail, Bundle.BundleError>): void {
    this.#ended = true
    if (Either.isLeft(tail)) return this.#refuse(tail.left.message)
    if (this.#expectsRecord) return this.#refuse(`line ${this.#number}: a comma stands before the tail`)
    const { checkpoints, entries } = tail.right
    if (checkpoints !== this.#checkpoints || entries !== this.#entries) {
      const here = `${this.#entries} entries and ${this.#checkpoints} checkpoints`
      this.#refuse(
        `line ${this.#number}: the tail counts ${entries} entries and ${checkpoints} checkpoints; there are ${here}`
      )
    }
  }

  async settle(): Promise<void> {
    await this.#fold?.verifier.settle()
  }

  /** The end of the file. */
  async finish(): Promise<Verdict.Report> {
    if (this.#fold === undefined) return unreadable(this.#unreadable ?? "the file is empty")
    if (!this.#ended && !this.isDecided)
      this.#refuse(`line ${this.#number}: the file ends without its tail: it was cut`)
    return this.#fold.verifier.finish()
  }
}
