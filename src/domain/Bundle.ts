/**
 * agent-audit-bundle/1: one JSON object, one record per line, canonical when its LFs are removed
 * (docs/format.md, section 5). This module knows the lines, not what they prove.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Commitment from "./Commitment.ts"
import * as Jcs from "./Jcs.ts"

export const formatName = "agent-audit-bundle/1"

/** Longest line with its LF, in bytes. */
export const maxLineBytes = 1024 * 1024

/** Most tokens and most witness lines of one checkpoint record. */
export const maxAttachments = 64

export type Kind = "full" | "subset"

export interface Header {
  readonly kind: Kind
  readonly origin: string
}

/** What a record adds to its note: RFC 3161 responses in base64, and witness lines without LF. */
export interface Attachments {
  readonly timestamps: ReadonlyArray<string>
  readonly witnesses: ReadonlyArray<string>
}

export type BundleRecord =
  | {
      readonly _tag: "ledger"
      readonly leaf: Jcs.Json
      readonly proof: string
      readonly timestamps: ReadonlyArray<string>
    }
  | {
      readonly _tag: "entry"
      readonly leaf: Jcs.Json
      readonly text: string
      readonly proof: ReadonlyArray<string> | undefined
    }
  | { readonly _tag: "disclosure"; readonly disclosure: Commitment.Disclosure }
  | ({
      readonly _tag: "checkpoint"
      readonly note: string
      readonly consistency: ReadonlyArray<string> | undefined
    } & Attachments)

/** The line after the last record. */
export interface Tail {
  readonly checkpoints: number
  readonly entries: number
}

/** The file is not a bundle of this format. */
export class BundleError extends Data.TaggedError("BundleError")<{
  /** 1-based line number. */
  readonly line: number
  readonly reason: string
}> {
  override get message() {
    return `line ${this.line}: ${this.reason}`
  }
}

/** The first line, without LF. */
export const headerLine = (header: Header): string =>
  `${Jcs.encode({ format: formatName, kind: header.kind, origin: header.origin }).slice(0, -1)},"records":[`

/** The last line, without LF. */
export const tailLine = (tail: Tail): string =>
  `],"tail":${Jcs.encode({ checkpoints: tail.checkpoints, entries: tail.entries })}}`

/** An entry's line without comma and LF. `leaf` is the stored text, never written anew. */
export const entryLine = (leaf: string, proof?: ReadonlyArray<string>): string =>
  proof === undefined ? `{"e":${leaf}}` : `{"e":${leaf},"p":${Jcs.encode(proof)}}`

/** A checkpoint's line without comma and LF. */
export const checkpointLine = (note: string, attached: Attachments, consistency?: ReadonlyArray<string>): string =>
  Jcs.encode({
    c: note,
    ...(consistency === undefined ? {} : { k: consistency }),
    ...(attached.timestamps.length === 0 ? {} : { t: attached.timestamps }),
    ...(attached.witnesses.length === 0 ? {} : { w: attached.witnesses })
  })

/** A disclosure's line without comma and LF. `body` is the canonical text of `[salt, value]`. */
export const disclosureLine = (body: string): string => `{"d":${body}}`

/** A ledger record's line without comma and LF. */
export const ledgerLine = (leaf: string, proof: string): string => `{"ledger":${leaf},"proof":${Jcs.encode(proof)}}`

const Texts = Schema.Array(Schema.String).pipe(Schema.maxItems(maxAttachments))
const Hashes = Schema.Array(Schema.String).pipe(Schema.maxItems(128))
const HeaderSchema = Schema.Struct({
  format: Schema.Literal(formatName),
  kind: Schema.Literal("full", "subset"),
  origin: Schema.NonEmptyString,
  records: Schema.Tuple()
})
const Count = Schema.Int.pipe(Schema.nonNegative())
const TailSchema = Schema.Struct({ checkpoints: Count, entries: Count })
const EntrySchema = Schema.Struct({ e: Schema.Unknown, p: Schema.optional(Hashes) })
const CheckpointSchema = Schema.Struct({
  c: Schema.String,
  k: Schema.optional(Hashes),
  t: Schema.optional(Texts),
  w: Schema.optional(Texts)
})
const LedgerSchema = Schema.Struct({ ledger: Schema.Unknown, proof: Schema.String, t: Schema.optional(Texts) })

const strict = { onExcessProperty: "error" } as const
const decodeHeader = Schema.decodeUnknownEither(HeaderSchema, strict)
const decodeTail = Schema.decodeUnknownEither(TailSchema, strict)
const decodeEntry = Schema.decodeUnknownEither(EntrySchema, strict)
const decodeCheckpoint = Schema.decodeUnknownEither(CheckpointSchema, strict)
const decodeLedger = Schema.decodeUnknownEither(LedgerSchema, strict)

const canonical = (text: string): Either.Either<Jcs.Json, string> => {
  try {
    return Either.right(Jcs.parseCanonical(text))
  } catch (error) {
    if (error instanceof Jcs.JcsError) return Either.left(error.message)
    throw error
  }
}

/** Reads the first line, given without LF. */
export const parseHeader = (line: string): Either.Either<Header, BundleError> => {
  const refuse = (reason: string) => Either.left(new BundleError({ line: 1, reason }))
  if (!line.endsWith('"records":[')) return refuse(`not the header of an ${formatName} file`)
  const value = canonical(`${line}]}`)
  if (Either.isLeft(value)) return refuse(value.left)
  const header = decodeHeader(value.right)
  if (Either.isLeft(header)) return refuse(`not the header of an ${formatName} file`)
  return Either.right({ kind: header.right.kind, origin: header.right.origin })
}

/** Reads the last line, given without LF; undefined when the line is a record. */
export const parseTail = (line: string, number: number): Either.Either<Tail, BundleError> | undefined => {
  if (!line.startsWith("]")) return undefined
  const refuse = (reason: string) => Either.left(new BundleError({ line: number, reason }))
  if (!line.startsWith('],"tail":') || !line.endsWith("}")) return refuse("not the tail of a bundle")
  const value = canonical(line.slice('],"tail":'.length, -1))
  if (Either.isLeft(value)) return refuse(value.left)
  const tail = decodeTail(value.right)
  return Either.isLeft(tail) ? refuse("not the tail of a bundle") : Either.right(tail.right)
}

/** Reads one record, given without comma and LF. */
export const parseRecord = (line: string, number: number): Either.Either<BundleRecord, BundleError> => {
  const refuse = (reason: string) => Either.left(new BundleError({ line: number, reason }))
  const parsed = canonical(line)
  if (Either.isLeft(parsed)) return refuse(parsed.left)
  const value = parsed.right
  if (!Jcs.isObject(value)) return refuse("a record is not an object")
  if (Object.hasOwn(value, "e")) {
    const record = decodeEntry(value)
    if (Either.isLeft(record)) return refuse("not an entry record {e, p?}")
    const { p } = record.right
    const text = p === undefined ? line.slice(5, -1) : line.slice(5, -(',"p":'.length + 1 + Jcs.encode(p).length))
    return Either.right({ _tag: "entry", leaf: value["e"]!, text, proof: p })
  }
  if (Object.hasOwn(value, "c")) {
    const record = decodeCheckpoint(value)
    if (Either.isLeft(record)) return refuse("not a checkpoint record {c, k?, t?, w?}")
    const { c, k, t, w } = record.right
    if (t?.length === 0 || w?.length === 0) return refuse("a checkpoint record with an empty list")
    return Either.right({ _tag: "checkpoint", note: c, consistency: k, timestamps: t ?? [], witnesses: w ?? [] })
  }
  if (Object.hasOwn(value, "d")) {
    const disclosure = Commitment.decode(value["d"])
    if (disclosure === undefined || Object.keys(value).length !== 1)
      return refuse("not a disclosure record {d:[salt,value]}")
    return Either.right({ _tag: "disclosure", disclosure })
  }
  const record = decodeLedger(value)
  if (Either.isLeft(record)) return refuse("not a record of this format")
  const { proof, t } = record.right
  return Either.right({ _tag: "ledger", leaf: value["ledger"]!, proof, timestamps: t ?? [] }) // the schema requires it
}
