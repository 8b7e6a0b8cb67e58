/**
 * Reads an audit.db for exports: as evidence (EvidenceDatabase: schema checked, nothing executed, nothing changed), in
 * one read transaction, so that a live writer neither disturbs it nor is held up.
 *
 * @module
 */
import type Database from "./BetterSqlite.ts"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Bundle from "../domain/Bundle.ts"
import * as Entry from "../domain/Entry.ts"
import * as TlogProof from "../domain/TlogProof.ts"
import type { LedgerEvidence } from "../services/Ledger.ts"
import type { LogReadError, ReadCheckpoint, ReadDisclosure } from "../services/LogReader.ts"
import { LogDamaged, LogReader } from "../services/LogReader.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"
import * as SqliteFailure from "./SqliteFailure.ts"

/** Column `evidence.kind` of a tlog-proof from the ledger that has its entry in `extra`. */
const ledgerKind = "ledger"

/** A column's text, or NULL when it is longer than anything that can be exported. */
const bounded = (column: string, maxBytes: number) =>
  `CASE WHEN octet_length(${column})<=${maxBytes} THEN ${column} END`

type LeafRow = readonly [seq: number, leaf: string | null]
type CheckpointRow = readonly [size: number, note: string | null]
type DisclosureRow = readonly [seq: number, body: string | null]

/** The prepared statements. Owned by one reader; every call of SQLite may throw. */
class Statements {
  readonly #path: string
  readonly #leaves: Database.Statement<Array<unknown>, LeafRow>
  readonly #checkpoints: Database.Statement<Array<unknown>, CheckpointRow>
  readonly #lastSize: Database.Statement<Array<unknown>, readonly [number | null]>
  readonly #lastSeq: Database.Statement<Array<unknown>, readonly [number | null]>
  readonly #witnesses: Database.Statement<Array<unknown>, readonly [string]>
  readonly #timestamps: Database.Statement<Array<unknown>, readonly [Buffer]>
  readonly #disclosures: Database.Statement<Array<unknown>, DisclosureRow>
  readonly #evidence: Database.Statement<Array<unknown>, readonly [string | null]>

  constructor(path: string, database: Database.Database) {
    const rows = <Row extends ReadonlyArray<unknown>>(sql: string) => EvidenceDatabase.rows<Row>(database, sql)
    const most = Bundle.maxLineBytes
    this.#path = path
    this.#leaves = rows(
      `SELECT seq, ${bounded("leaf", Entry.maxLeafBytes)} FROM entries WHERE seq>=? AND seq<? ORDER BY seq`
    )
    this.#checkpoints = rows(
      `SELECT size, ${bounded("note", most)} FROM checkpoints WHERE size>? AND size<=? ORDER BY size`
    )
    this.#lastSize = rows("SELECT max(size) FROM checkpoints")
    this.#lastSeq = rows("SELECT max(seq) FROM entries")
    this.#witnesses = rows(`SELECT line FROM cosignatures WHERE size=? AND octet_length(line)<=${most} ORDER BY line`)
    this.#timestamps = rows(`SELECT token FROM timestamps WHERE size=? AND length(token)<=${most} ORDER BY token`)
    this.#disclosures = rows(
      `SELECT seq, ${bounded("body", most)} FROM disclosures WHERE seq>=? AND seq<? ORDER BY seq, body`
    )
    this.#evidence = rows(`SELECT ${bounded("body", most)} FROM evidence WHERE kind='${ledgerKind}' ORDER BY rowid`)
  }

  #damaged(seq: number | undefined, reason: string): LogDamaged {
    return new LogDamaged({ path: this.#path, seq, reason })
  }

  get size(): number {
    return (this.#lastSeq.get()?.[0] ?? -1) + 1
  }

  get origin(): string {
    const [leaf = ""] = this.leaves(0, 1)
    const entry = Entry.decode(leaf)
    const origin = Either.isRight(entry) && entry.right.type === "log.open" ? entry.right.data["origin"] : undefined
    if (typeof origin !== "string" || origin === "") throw this.#damaged(0, "is not the log.open of a log")
    return origin
  }

  leaves(from: number, to: number): ReadonlyArray<string> {
    const leaves: Array<string> = []
    for (const [seq, leaf] of this.#leaves.all(from, to)) {
      const expected = from + leaves.length
      if (seq !== expected) throw this.#damaged(expected, "is missing")
      if (leaf === null) throw this.#damaged(seq, `is longer than ${Entry.maxLeafBytes} bytes`)
      leaves.push(leaf)
    }
    if (leaves.length < to - from) throw this.#damaged(from + leaves.length, "is missing")
    return leaves
  }

  checkpoints(from: number, to: number): ReadonlyArray<ReadCheckpoint> {
    return this.#checkpoints.all(from, to).map(([size, note]) => {
      if (note === null) throw this.#damaged(size - 1, "is followed by a checkpoint that is too long")
      return {
        size,
        note,
        witnesses: this.#witnesses.all(size).map(([line]) => line.replace(/\n$/, "")),
        timestamps: this.#timestamps.all(size).map(([token]) => token.toString("base64"))
      }
    })
  }

  get lastCheckpoint(): Option.Option<ReadCheckpoint> {
    const size = this.#lastSize.get()?.[0] ?? null
    return size === null ? Option.none() : Option.fromNullable(this.checkpoints(size - 1, size)[0])
  }

  disclosures(from: number, to: number): ReadonlyArray<ReadDisclosure> {
    return this.#disclosures.all(from, to).map(([seq, body]) => {
      if (body === null) throw this.#damaged(seq, "has a disclosure that is too long")
      return { seq, body }
    })
  }

  get ledger(): ReadonlyArray<LedgerEvidence> {
    const proofs = this.#evidence.all().map(([body]) => {
      const proof = body === null ? undefined : Either.getOrUndefined(TlogProof.parse(body))
      if (proof?.extra === undefined) throw this.#damaged(undefined, "comes with ledger evidence that is no tlog-proof")
      const { checkpoint, extra, hashes, index } = proof
      return {
        index,
        leaf: Buffer.from(extra).toString("utf8"),
        proof: TlogProof.encode({ index, hashes, checkpoint })
      }
    })
    return proofs.toSorted((a, b) => a.index - b.index).map(({ leaf, proof }) => ({ leaf, proof }))
  }
}

const failure =
  (path: string) =>
  (error: unknown): LogReadError =>
    error instanceof LogDamaged ? error : SqliteFailure.from(path, error)

/** Opens the database at `path` until the scope closes. What is written afterwards is not seen. */
export const open = (path: string): Effect.Effect<LogReader["Type"], LogReadError, Scope.Scope> =>
  Effect.gen(function* () {
    const read = <A>(body: () => A) => Effect.try({ try: body, catch: failure(path) })
    const evidence = yield* EvidenceDatabase.scoped(path)
    const statements = yield* read(() => new Statements(path, evidence.database))
    const size = yield* read(() => statements.size)
    const origin = yield* read(() => statements.origin)
    return {
      path,
      origin,
      size,
      leaves: (from, to) => read(() => statements.leaves(from, to)),
      checkpoints: (from, to) => read(() => statements.checkpoints(from, to)),
      lastCheckpoint: read(() => statements.lastCheckpoint),
      disclosures: (from, to) => read(() => statements.disclosures(from, to)),
      ledger: read(() => statements.ledger)
    }
  })

/** As `open`, for as long as the layer lives. */
export const layer = (path: string): Layer.Layer<LogReader, LogReadError> => Layer.scoped(LogReader, open(path))
