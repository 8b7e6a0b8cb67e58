/**
 * audit.db through @effect/sql-sqlite-node: making one, and the queries of who reads while it grows or afterwards.
 *
 * The hot writer has a handle of its own (`workers/AuditWriter.ts`), because the client does not hand its handle out;
 * verification has another (`EvidenceDatabase.ts`), because it streams what the client would hold in memory.
 *
 * @module
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { StoredCheckpoint, StoreFailed } from "../services/AuditStore.ts"
import * as AuditSchema from "./AuditSchema.ts"
import * as SqliteFailure from "./SqliteFailure.ts"
import "./BetterSqlite.ts" // the client opens databases with the same package

export { recover, type Recovery } from "./AuditRecovery.ts"

/** Rows that a query holds at once. */
const pageRows = 256

/** A client for one database file. `SqliteClient.make` dies when the file cannot be opened: here that is typed. */
const client = (
  config: SqliteClient.SqliteClientConfig
): Effect.Effect<SqliteClient.SqliteClient, StoreFailed, Scope.Scope> =>
  SqliteClient.make(config).pipe(
    Effect.provide(Reactivity.layer),
    Effect.catchAllDefect((defect) => Effect.fail(SqliteFailure.from(config.filename, defect)))
  )

const syncDirectory = (path: string): void => {
  const descriptor = Fs.openSync(Path.dirname(path), Fs.constants.O_RDONLY)
  try {
    Fs.fsyncSync(descriptor)
  } finally {
    Fs.closeSync(descriptor)
  }
}

/**
 * Makes a new database with the format's tables, mode 0600. An existing file is never touched: a log is not continued,
 * because the keys of its epochs are gone.
 */
export const create = (path: string): Effect.Effect<void, StoreFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.try(() => Fs.closeSync(Fs.openSync(path, "wx", 0o600)))
      const sql = yield* client({ filename: path })
      yield* sql.unsafe("PRAGMA encoding='UTF-8'")
      yield* sql.unsafe("PRAGMA synchronous=FULL")
      yield* sql.withTransaction(Effect.forEach(AuditSchema.statements, (statement) => sql.unsafe(statement)))
      yield* Effect.try(() => syncDirectory(path))
    })
  ).pipe(Effect.mapError((error) => SqliteFailure.from(path, error)))

/** Reads only, beside a writer or after it. */
export const reader = (path: string): Effect.Effect<SqliteClient.SqliteClient, StoreFailed, Scope.Scope> =>
  Effect.suspend(() =>
    Fs.existsSync(path)
      ? client({ filename: path, readonly: true, disableWAL: true })
      : Effect.fail(SqliteFailure.from(path, Object.assign(new Error("no such file"), { code: "ENOENT" })))
  )

/** All rows of a query whose last column to be bound is the place to go on from. */
const pages = <Row extends object>(
  path: string,
  start: number,
  query: (sql: SqliteClient.SqliteClient, from: number) => Effect.Effect<ReadonlyArray<Row>, unknown>,
  after: (row: Row) => number
): Stream.Stream<Row, StoreFailed> =>
  Stream.unwrapScoped(
    Effect.map(reader(path), (sql) =>
      Stream.paginateChunkEffect(start, (from) =>
        query(sql, from).pipe(
          Effect.mapError((error) => SqliteFailure.from(path, error)),
          Effect.map((rows) => {
            const last = rows.at(-1)
            const next = last === undefined || rows.length < pageRows ? Option.none() : Option.some(after(last))
            return [Chunk.unsafeFromArray(rows), next] as const
          })
        )
      )
    )
  )

/** Leaf texts `from` (inclusive) to `to` (exclusive), in order; each page sees what is durable when it is read. */
export const entries = (
  path: string,
  { from = 0, to = Number.MAX_SAFE_INTEGER }: { readonly from?: number; readonly to?: number } = {}
): Stream.Stream<string, StoreFailed> =>
  pages(
    path,
    from,
    (sql, next) =>
      sql<{ readonly seq: number; readonly leaf: string }>`
        SELECT seq, leaf FROM entries WHERE seq >= ${next} AND seq < ${to} ORDER BY seq LIMIT ${pageRows}`,
    (row) => row.seq + 1
  ).pipe(Stream.map((row) => row.leaf))

/** Stored checkpoints by growing size. */
export const checkpoints = (path: string): Stream.Stream<StoredCheckpoint, StoreFailed> =>
  pages(
    path,
    0,
    (sql, next) =>
      sql<StoredCheckpoint>`
        SELECT size, epoch, note FROM checkpoints WHERE size >= ${next} ORDER BY size LIMIT ${pageRows}`,
    (row) => row.size + 1
  )
