/**
 * What a verification concludes: one verdict, decided on the first finding that counts, with everything else that was
 * found beside it (docs/format.md, section 6).
 *
 * @module
 */

/** Verdicts and the exit status of `agent audit` for each. */
export const exitStatus = {
  INTACT: 0,
  TAMPERED: 1,
  MALFORMED: 3,
  TRUNCATED: 4,
  INCOMPLETE: 5,
  "UNSIGNED TAIL": 6,
  "KEY UNKNOWN": 7,
  FORKED: 8,
  "WRONG RUN": 9,
  UNWITNESSED: 10
} as const

export type Verdict = keyof typeof exitStatus

/** First and last sequence number of a range of entries, both included. */
export type SeqRange = readonly [first: number, last: number]

/** How much was checked. */
export interface Counts {
  /** Entries read. */
  readonly entries: number
  /** Entries covered by the last valid checkpoint. */
  readonly signed: number
  readonly checkpoints: number
  /** Epoch keys that signed, in succession. */
  readonly epochs: number
  /** Committed values whose salt and value are at hand. */
  readonly disclosed: number
  /** Committed values that are withheld. */
  readonly withheld: number
  /** Ledger records with an inclusion proof. */
  readonly ledger: number
  /** Valid cosignatures of witnesses that the policy names. */
  readonly cosignatures: number
  /** Valid RFC 3161 tokens of an authority that the caller trusts. */
  readonly timestamps: number
  /** Subset: entries of the whole log, of which `entries` are shown. Full: the same as `entries`. */
  readonly total: number
}

export interface Report {
  readonly verdict: Verdict
  /** The first bad entry or range, where the verdict names one. */
  readonly firstBad: SeqRange | null
  /** Why, in one sentence without a full stop; empty for INTACT. */
  readonly why: string
  /** Everything worth knowing that did not decide the verdict, in the order in which it was met. */
  readonly findings: ReadonlyArray<string>
  readonly counts: Counts
  /** Evidence from elsewhere that agrees with the log; empty means `anchored: none`. */
  readonly anchors: ReadonlyArray<string>
  /** Evidence of the same host that agrees with the log. */
  readonly supports: ReadonlyArray<string>
  /** Entries before this one hold, whatever the verdict: their hashes are covered by a valid checkpoint. */
  readonly holdsBefore: number
  /** Run origin, or the origin that the header claims when no log.open was read. */
  readonly origin: string
  /** Host vkey that the log names, for a reader who wants to trust it. */
  readonly host: string | null
}

/** A conclusion: the verdict, where, and why. */
export interface Conclusion {
  readonly verdict: Verdict
  readonly firstBad: SeqRange | null
  readonly why: string
}

export const conclude = (verdict: Verdict, firstBad: SeqRange | null, why: string): Conclusion => ({
  verdict,
  firstBad,
  why
})

/** What the log is anchored in, as findings. */
const anchoredFindings = ({ anchors, supports }: Report): ReadonlyArray<string> => [
  ...(anchors.length === 0 ? ["anchored: none"] : anchors.map((anchor) => `anchored: ${anchor}`)),
  ...supports
]

/** One line of JSON text per report: exactly these members, in this order. */
export const toJson = (report: Report): string =>
  JSON.stringify({
    verdict: report.verdict,
    first_bad: report.firstBad,
    why: report.why,
    findings: [...anchoredFindings(report), ...report.findings],
    counts: report.counts
  })

/** `entry 5` or `entries 5..8`. */
export const describeRange = ([first, last]: SeqRange): string =>
  first === last ? `entry ${first}` : `entries ${first}..${last}`
