/**
 * How commands fail: one line on stderr and an exit status, mapped here and nowhere else.
 *
 * 0 ok, 1 failed, 2 usage (also a run, file or range that does not exist), 130 interrupted. `agent run` reports 125, 126
 * and 127 as shells and container engines do; `agent audit` the status of its verdict (docs/format.md, section 6).
 *
 * @module
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"

export const usageStatus = 2
export const interruptedStatus = 130
export const cannotRecordStatus = 125

/** What was asked for makes no sense; the message says what to do. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** An expected failure with the status that the command documents for it. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly exitStatus: number
  readonly reason: string
}> {
  override get message() {
    return this.reason
  }
}

/** Failures that name something which does not exist, or is not what it was taken for. */
const usageTags: ReadonlySet<string> = new Set([
  "UsageError",
  "RunNotFound",
  "RunAmbiguous",
  "RunNameTaken",
  "VerifyIoError",
  "EntriesOutside",
  "NoSuchType"
])

const sgr = new RegExp(String.raw`\u001b\[[0-9;]*m`, "g")

/** One line: what `@effect/cli` says in paragraphs and colours. */
const flatten = (text: string): string => text.replace(sgr, "").replaceAll(/\s+/g, " ").trim()

export interface Outcome {
  readonly status: number
  /** For stderr; undefined when nothing is left to say. */
  readonly text: string | undefined
}

/** What Node says when a native module was compiled for another version of it. */
const otherNode = /compiled against a different Node\.js version/

/** The commonest broken installation deserves better words than those of whoever stumbled over it. */
const inWords = (message: string): string =>
  otherNode.test(message)
    ? `its native modules were built for another version of Node than this one (${process.version}); rebuild them: npm rebuild`
    : message

const statusOf = (failure: unknown): number => {
  if (typeof failure !== "object" || failure === null) return 1
  if ("exitStatus" in failure && typeof failure.exitStatus === "number") return failure.exitStatus
  return "_tag" in failure && typeof failure._tag === "string" && usageTags.has(failure._tag) ? usageStatus : 1
}

/** Status and text of a failed command. A defect keeps its trace: it is a bug that somebody should report. */
export const outcomeOf = (cause: Cause.Cause<unknown>): Outcome => {
  if (Cause.isInterruptedOnly(cause)) return { status: interruptedStatus, text: undefined }
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (failure === undefined)
    return { status: 1, text: `agent: internal error, please report it\n${Cause.pretty(cause)}` }
  if (ValidationError.isValidationError(failure)) {
    const reason = flatten(HelpDoc.toAnsiText(failure.error))
    return { status: usageStatus, text: `agent: ${reason}; see: agent --help` }
  }
  const message = failure instanceof Error ? failure.message : JSON.stringify(failure)
  return { status: statusOf(failure), text: `agent: ${flatten(inWords(message))}` }
}

/** `agent run`: whatever kept agentops itself from starting or recording the command has status 125. */
export const asRunFailure = (error: { readonly message: string }): Effect.Effect<never, CommandFailed> =>
  new CommandFailed({
    exitStatus: statusOf(error) === 1 ? cannotRecordStatus : statusOf(error),
    reason: error.message
  })
