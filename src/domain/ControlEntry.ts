/**
 * The `data` of control entries, which steer verification: `log.*` of a run's log and `run.*` of the ledger
 * (docs/format.md, section 2). Members that are not listed are allowed and ignored.
 *
 * @module
 */
import * as Schema from "effect/Schema"

/** The format that this code reads and writes. */
export const formatName = "agent-audit/1"

const Hex32 = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{32}$/))
const Hex64 = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))
const Size = Schema.Int.pipe(Schema.nonNegative())

/** `[a-z0-9_-]{1,64}` */
export const RunId = Schema.String.pipe(Schema.pattern(/^[a-z0-9_-]{1,64}$/))

/** 32 bytes in standard base64 with padding. */
export const RootText = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9+/]{43}=$/))

export const LogOpen = Schema.Struct({
  format: Schema.Literal(formatName),
  kind: Schema.Literal("run", "ledger"),
  /** The empty string, or absent, in a ledger. */
  run: Schema.optional(Schema.Union(RunId, Schema.Literal(""))),
  origin: Schema.NonEmptyString,
  host: Schema.NonEmptyString,
  key: Schema.NonEmptyString,
  nonce: Hex32
})
export type LogOpen = typeof LogOpen.Type

/** `checkpoints` is this recorder's own member: checkpoints stored before the entry. It shows that none was removed. */
export const LogKey = Schema.Struct({
  epoch: Schema.Int.pipe(Schema.positive()),
  key: Schema.NonEmptyString,
  checkpoints: Schema.optional(Size)
})

export const LogClose = Schema.Struct({
  reason: Schema.String,
  exit: Schema.optional(Schema.NullOr(Schema.Int)),
  entries: Schema.optional(Size),
  checkpoints: Schema.optional(Size)
})

export const LogAbort = Schema.Struct({ signed: Size, cause: Schema.String })

export const LogDrop = Schema.Struct({
  source: Schema.String,
  count: Size,
  bytes: Schema.optional(Size),
  since: Schema.optional(Schema.String),
  until: Schema.optional(Schema.String)
})

export const LogClock = Schema.Struct({ wall: Schema.optional(Schema.String), step_ms: Schema.Int })

export const LogAnchor = Schema.Struct({
  kind: Schema.Literal("witness", "tsa", "ledger"),
  name: Schema.String,
  size: Size,
  time: Schema.String,
  token: Hex64
})

export const RunOpen = Schema.Struct({ origin: Schema.NonEmptyString, key: Schema.NonEmptyString, root: RootText })
export const RunPoint = Schema.Struct({ origin: Schema.NonEmptyString, size: Size, root: RootText })
export const RunClose = Schema.Struct({
  origin: Schema.NonEmptyString,
  size: Size,
  root: RootText,
  state: Schema.String
})
export const RunPurge = Schema.Struct({ origin: Schema.NonEmptyString, size: Size, root: RootText, by: Schema.String })
