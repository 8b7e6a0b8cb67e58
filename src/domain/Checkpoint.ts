/**
 * The text of a C2SP tlog-checkpoint: origin, tree size and root hash, one line each.
 *
 * agent-audit/1 forbids extension lines (format section 3): the next epoch key is a leaf instead.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Base64 from "./Base64.ts"

export interface Checkpoint {
  /** Identity of the log, not empty. */
  readonly origin: string
  /** Number of leaves, 0 to 2^53 − 1. */
  readonly size: number
  /** RFC 6962 root, 32 bytes. */
  readonly root: Uint8Array
}

/** The text is not a checkpoint; `reason` completes "not a checkpoint: ". */
export class CheckpointError extends Data.TaggedError("CheckpointError")<{ readonly reason: string }> {
  override get message(): string {
    return `not a checkpoint: ${this.reason}`
  }
}

// Control characters (anything below the space) and lone surrogates.
const forbiddenInOrigin = /[^ -\u{10ffff}]|\p{Surrogate}/u

/** Reads exactly three lines, each with its LF: the text of a signed note, without the empty line. */
export const parse = (text: string): Either.Either<Checkpoint, CheckpointError> => {
  const refuse = (reason: string) => Either.left(new CheckpointError({ reason }))
  const [origin, sizeText, rootText, end, ...more] = text.split("\n", 5)
  if (origin === undefined || sizeText === undefined || rootText === undefined || end === undefined) {
    return refuse("it has fewer than three lines")
  }
  if (end !== "" || more.length > 0) return refuse("it has extension lines, which agent-audit/1 forbids")
  if (origin === "" || forbiddenInOrigin.test(origin)) return refuse("its origin is empty or has a control character")
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(sizeText)) return refuse("its size is not a plain decimal number")
  const size = Number(sizeText)
  if (!Number.isSafeInteger(size)) return refuse("its size is above 2^53 - 1")
  const root = Base64.decodeExact(rootText, 32)
  if (root === undefined) return refuse("its root is not 32 bytes of canonical base64")
  return Either.right({ origin, size, root })
}

/** The text that is signed, with its last LF. */
export const encode = (checkpoint: Checkpoint): string =>
  `${checkpoint.origin}\n${checkpoint.size}\n${Base64.encode(checkpoint.root)}\n`
