/**
 * Reading an audit.db as evidence: nothing of the database is believed but the bytes of its rows.
 *
 * The handle is read-only, its schema is compared word for word (a view or a trigger could lie), `trusted_schema` is off
 * and `query_only` on. Rows come in the order in which a bundle has them, one at a time, so that memory stays flat. The
 * -wal file belongs to the database: a copy of audit.db alone has lost its tail.
 *
 * @module
 */
import Database from "./BetterSqlite.ts"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import { StoreFailed } from "../services/AuditStore.ts"
import * as AuditSchema from "./AuditSchema.ts"
import * as SqliteFailure from "./SqliteFailure.ts"

export interface EntryRow {
  readonly _tag: "entry"
  readonly seq: number
  /** The stored bytes, not yet known to be UTF-8. */
  readonly leaf: Uint8Array
  /** A cache, never evidence. */
  readonly hash: Uint8Array
}

export interface DisclosureRow {
  readonly _tag: "disclosure"
  readonly seq: number
  readonly body: string
}

export interface CheckpointRow {
  readonly _tag: "checkpoint"
  readonly size: number
  readonly epoch: number
  /** The note as it was first stored. */
  readonly note: string
  /** Cosignature lines, sorted. */
  readonly lines: ReadonlyArray<string>
  /** RFC 3161 responses (DER), sorted. */
  readonly tokens: ReadonlyArray<Uint8Array>
}

/** An entry comes before its disclosures, and both before the checkpoint of size `seq` + 1. */
export type Row = EntryRow | DisclosureRow | CheckpointRow

export interface VerifyHandle {
  readonly path: string
  /** Entries, disclosures and checkpoints in order; @throws StoreFailed. One iteration at a time. */
  readonly rows: () => Iterable<Row>
  /** Rows of table `evidence`: tlog-proofs from the ledger, in the order of their insertion. */
  readonly evidence: () => ReadonlyArray<{ readonly kind: string; readonly body: string }>
  /** Entries and checkpoints, for progress and for planning; not evidence. */
  readonly counts: () => { readonly entries: number; readonly checkpoints: number }
  /** The open handle, for faster paths over the same rows. */
  readonly database: Database.Database
}

interface Peekable<A> {
  peek: A | undefined
  readonly next: () => A | undefined
  readonly close: () => void
}

const peekable = <A>(iterator: IterableIterator<A>): Peekable<A> => {
  const step = () => {
    const result = iterator.next()
    return result.done === true ? undefined : result.value
  }
  const self: Peekable<A> = {
    peek: step(),
    next: () => {
      const value = self.peek
      self.peek = step()
      return value
    },
    close: () => iterator.return?.()
  }
  return self
}

const rowsOf = function* (db: Database.Database): Generator<Row> {
  const iterate = <A extends object>(sql: string) => {
    const statement = db.prepare<[], A>(sql)
    return peekable(statement.iterate())
  }
  // A cast to BLOB gives the stored bytes: as text, bytes that are not UTF-8 would be replaced before they are hashed.
  const entries = iterate<{ seq: number; leaf: Buffer; hash: Buffer }>(
    "SELECT seq, CAST(leaf AS BLOB) AS leaf, hash FROM entries ORDER BY seq"
  )
  const disclosures = iterate<{ seq: number; body: string }>("SELECT seq, body FROM disclosures ORDER BY seq, body")
  const checkpoints = iterate<{ size: number; epoch: number; note: string }>(
    "SELECT size, epoch, note FROM checkpoints ORDER BY size"
  )
  const cosignatures = iterate<{ size: number; line: string }>(
    "SELECT size, line FROM cosignatures ORDER BY size, line"
  )
  const timestamps = iterate<{ size: number; token: Buffer }>("SELECT size, token FROM timestamps ORDER BY size, token")
  const cursors = [entries, disclosures, checkpoints, cosignatures, timestamps]
  try {
    for (;;) {
      // A disclosure stands with its entry; a checkpoint of size n after entry n - 1. Rows whose partner is missing keep
      // their place in this order.
      const entryAt = entries.peek?.seq ?? Number.POSITIVE_INFINITY
      const disclosureAt = disclosures.peek?.seq ?? Number.POSITIVE_INFINITY
      const checkpointAt = (checkpoints.peek?.size ?? Number.POSITIVE_INFINITY) - 1
      const at = Math.min(entryAt, disclosureAt, checkpointAt)
      if (at === Number.POSITIVE_INFINITY) return
      if (entryAt === at) yield { _tag: "entry", ...entries.next()! } // it has a seq, so it is there
      else if (disclosureAt === at) yield { _tag: "disclosure", ...disclosures.next()! } // as above
      else {
        const checkpoint = checkpoints.next()! // as above
        const lines: Array<string> = []
        while (cosignatures.peek && cosignatures.peek.size <= checkpoint.size) {
          const { line, size } = cosignatures.next()! // it was peeked at
          if (size === checkpoint.size) lines.push(line)
        }
        const tokens: Array<Uint8Array> = []
        while (timestamps.peek && timestamps.peek.size <= checkpoint.size) {
          const { size, token } = timestamps.next()! // it was peeked at
          if (size === checkpoint.size) tokens.push(token)
        }
        yield { _tag: "checkpoint", ...checkpoint, lines, tokens }
      }
    }
  } finally {
    for (const cursor of cursors) cursor.close()
  }
}

const header = "SQLite format 3\u0000"

const open = (path: string): Database.Database => {
  const descriptor = Fs.openSync(path, Fs.constants.O_RDONLY)
  try {
    const start = Buffer.alloc(header.length)
    const isDatabase = Fs.readSync(descriptor, start) === header.length && start.toString("latin1") === header
    if (!isDatabase) throw new StoreFailed({ path, reason: "not-a-database", detail: "it is no SQLite file" })
  } finally {
    Fs.closeSync(descriptor)
  }
  const db = new Database(path, { readonly: true, fileMustExist: true })
  try {
    db.pragma("trusted_schema=OFF")
    db.pragma("query_only=ON")
    if (db.pragma("encoding", { simple: true }) !== "UTF-8") {
      throw new StoreFailed({ path, reason: "other-schema", detail: "its encoding is not UTF-8" })
    }
    const rows = db.prepare<[], AuditSchema.SchemaRow>("SELECT type, name, tbl_name, sql FROM sqlite_schema").all()
    const difference = AuditSchema.difference(rows)
    if (difference !== undefined) throw new StoreFailed({ path, reason: "other-schema", detail: difference })
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Errors of SQLite as `StoreFailed`, also in the middle of an iteration. */
const typed = <A>(path: string, read: () => A): A => {
  try {
    return read()
  } catch (error) {
    throw SqliteFailure.from(path, error)
  }
}

const typedRows = function* (path: string, db: Database.Database): Generator<Row> {
  const rows = typed(path, () => rowsOf(db))
  try {
    for (let next = typed(path, () => rows.next()); next.done !== true; next = typed(path, () => rows.next())) {
      yield next.value
    }
  } finally {
    rows.return(undefined)
  }
}

/** Opens a database for verification; it closes with the scope. */
export const openForVerify = (path: string): Effect.Effect<VerifyHandle, StoreFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({ try: () => open(path), catch: (error) => SqliteFailure.from(path, error) }),
    (db) => Effect.sync(() => db.close())
  ).pipe(
    Effect.map((database) => {
      const count = (sql: string) => Number(typed(path, () => database.prepare(sql).pluck().get()))
      return {
        path,
        database,
        rows: () => typedRows(path, database),
        evidence: () =>
          typed(path, () =>
            database.prepare<[], { kind: string; body: string }>("SELECT kind, body FROM evidence ORDER BY rowid").all()
          ),
        counts: () => ({
          entries: count("SELECT count(*) FROM entries"),
          checkpoints: count("SELECT count(*) FROM checkpoints")
        })
      }
    })
  )
