/**
 * What can be wrong with an export that was asked for, and what an export leaves out. A log that cannot be read is
 * `LogReadError`.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Verdict from "../domain/Verdict.ts"

/** The range reaches outside the log. */
export class EntriesOutside extends Data.TaggedError("EntriesOutside")<{
  readonly range: Verdict.SeqRange
  /** Entries of the log. */
  readonly size: number
}> {
  override get message(): string {
    const [from, to] = this.range
    if (from > to) return `${from}..${to} is not a range: write the lower number first`
    return `${Verdict.describeRange(this.range)} outside the log; it holds ${Verdict.describeRange([0, this.size - 1])}`
  }
}

/** Most types that an error lists. */
const maxListed = 20

/** No entry of that type. */
export class NoSuchType extends Data.TaggedError("NoSuchType")<{
  readonly type: string
  /** Types that exist where it was looked for, with the number of their entries. */
  readonly types: ReadonlyArray<readonly [type: string, count: number]>
}> {
  override get message(): string {
    const listed = this.types.slice(0, maxListed).map(([type, count]) => `${type} (${count})`)
    const more = this.types.length > maxListed ? ", and more" : ""
    return `there is no entry of type ${this.type}; there are ${listed.join(", ")}${more}`
  }
}

/** Nothing proves the entries that were asked for: they stand behind the last checkpoint, or there is none. */
export class NotSigned extends Data.TaggedError("NotSigned")<{
  readonly range: Verdict.SeqRange
  /** Size of the last checkpoint; 0 without one. */
  readonly signed: number
}> {
  override get message(): string {
    const covered = this.signed === 0 ? "there is none" : `it covers ${Verdict.describeRange([0, this.signed - 1])}`
    return `${Verdict.describeRange(this.range)} cannot be proven: not below the last checkpoint (${covered})`
  }
}

/** The target cannot be written; nothing was left behind. */
export class OutputFailed extends Data.TaggedError("OutputFailed")<{
  readonly path: string
  /** What is wrong and what to do. */
  readonly reason: string
}> {
  override get message(): string {
    return `cannot write ${this.path}: ${this.reason}`
  }
}

/** What an export does not hold although it was asked for. */
export type ExportWarning =
  | {
      /** Entries that no checkpoint covers yet. A full bundle holds them unsigned, everything else leaves them out. */
      readonly _tag: "UnsignedTail"
      readonly range: Verdict.SeqRange
    }
  | {
      /** Cosignatures and time stamps of a checkpoint that do not fit in its record. */
      readonly _tag: "AttachmentsLeftOut"
      readonly size: number
      readonly count: number
    }

/** A warning in words. */
export const describeWarning = (warning: ExportWarning): string =>
  warning._tag === "UnsignedTail"
    ? `${Verdict.describeRange(warning.range)} carry no signature yet`
    : `${warning.count} cosignatures or time stamps of the checkpoint of size ${warning.size} did not fit`
