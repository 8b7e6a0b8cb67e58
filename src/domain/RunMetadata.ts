/**
 * `metadata.json` of a run directory: what a list shows. Never evidence; the log is.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as ControlEntry from "./ControlEntry.ts"

export const formatName = "agentops-run/1"

/** Largest metadata file, in bytes; the longest member is the command line. */
export const maxBytes = 4 * 1024 * 1024

/** A name that a person gave to a run. `latest` and run ids keep their meaning. */
export const RunName = Schema.String.pipe(
  Schema.pattern(/^(?!latest$|run_)[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
    message: () => "1 to 63 letters, digits, '.', '_' or '-', not 'latest' and not like 'run_…'"
  })
)

/**
 * `running`: the recorder lives, or was killed and nobody has noticed yet. `closed`: log.close is written. `aborted`:
 * the host closed the log of a recorder that was killed. `failed`: there is no log, or it could not be closed.
 */
export const State = Schema.Literal("running", "closed", "aborted", "failed")
export type State = typeof State.Type

export const RunMetadata = Schema.Struct({
  format: Schema.Literal(formatName),
  id: ControlEntry.RunId,
  name: Schema.optional(RunName),
  state: State,
  command: Schema.Array(Schema.String),
  workspace: Schema.String,
  /** Origin of the run's log. */
  origin: Schema.String,
  /** RFC 3339 with milliseconds. */
  started: Schema.String,
  ended: Schema.optional(Schema.String),
  /** Exit status of the command, 0 to 255. */
  exit: Schema.optional(Schema.Int),
  /** Entries of the log when it was closed. */
  entries: Schema.optional(Schema.Int),
  /** Version of the recorder. */
  tool: Schema.String
})
export type RunMetadata = typeof RunMetadata.Type

const decodeJson = Schema.decodeUnknownEither(Schema.parseJson(RunMetadata))

/** Reads a metadata file. Left: what is wrong. */
export const decode = (text: string): Either.Either<RunMetadata, string> =>
  Either.mapLeft(decodeJson(text), (error) => error.message.split("\n").slice(0, 4).join(" "))

/** The file's text. */
export const encode = (metadata: RunMetadata): string => `${JSON.stringify(metadata, undefined, 2)}\n`
