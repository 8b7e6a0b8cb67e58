/**
 * Opens an audit.db as evidence: nothing in it is trusted, nothing in it is changed, and no file is left beside it.
 *
 * @module
 */
import Database from "./BetterSqlite.ts"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { StoreFailed } from "../services/AuditStore.ts"
import * as AuditSchema from "./AuditSchema.ts"
import * as SqliteFailure from "./SqliteFailure.ts"

/** The file is not an audit database of this format: what is wrong. */
export class NotAnAuditDatabase extends Data.TaggedError("NotAnAuditDatabase")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** A statement of which every row is an array of its columns, typed by the caller, who wrote the query. */
export const rows = <Row extends ReadonlyArray<unknown>>(
  database: Database.Database,
  sql: string
): Database.Statement<Array<unknown>, Row> => database.prepare<Array<unknown>, Row>(sql).raw(true)

/** A text that a column may hold, as bytes; NULL when it is none or too long. */
export const boundedText = (column: string, maxBytes: number) =>
  `CASE WHEN typeof(${column})='text' AND octet_length(${column})<=${maxBytes} THEN CAST(${column} AS BLOB) END`

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** UTF-8, or undefined when it is none. */
export const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** More objects than a schema of this format has. */
const maxObjects = 64

const schemaError = (database: Database.Database): string | undefined => {
  const objects = database.prepare<[], AuditSchema.SchemaRow>(
    `SELECT type, name, tbl_name, sql FROM sqlite_schema LIMIT ${maxObjects}`
  )
  const wrong = AuditSchema.difference(objects.all())
  if (wrong !== undefined) return wrong
  const encoding = rows<[string]>(database, "PRAGMA encoding").get()?.[0]
  return encoding === "UTF-8" ? undefined : `its text is ${encoding}`
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""

/** Whether SQLite says that the file is damaged or no database at all. */
export const isDamage = (error: unknown): boolean =>
  /^SQLITE_(?:CORRUPT|NOTADB|FORMAT|MISMATCH|TOOBIG|SCHEMA)/.test(codeOf(error))

/** Prepares a connection so that nothing in the file is executed or changed. */
const harden = (database: Database.Database): void => {
  database.pragma("trusted_schema = OFF")
  database.pragma("query_only = ON")
  database.pragma("cell_size_check = ON")
  database.pragma("mmap_size = 0")
  database.pragma("cache_size = -8192")
}

/** How a database is opened. */
export interface Source {
  /** The file or a private copy of it. */
  readonly path: string
  readonly readonly: boolean
}

/**
 * Opens a connection to `source`, in a read transaction. Every thread has one of its own.
 *
 * Read-only where a -wal file lies beside the database: a writer may be alive, and one that was killed left entries in
 * it, which stay where they are. Otherwise SQLite makes the files that it needs to read, and only a connection that may
 * write removes them at the end; `query_only` keeps it from more.
 */
export const connect = (source: Source): Database.Database => {
  const database = new Database(source.path, { readonly: source.readonly, fileMustExist: true, timeout: 5000 })
  try {
    harden(database)
    database.exec("BEGIN")
    rows(database, "SELECT count(*) FROM sqlite_schema").get() // takes the snapshot
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** An open database whose schema is the format's. */
export interface Evidence {
  readonly database: Database.Database
  readonly source: Source
  readonly close: () => void
}

/** Files that SQLite keeps beside a database. */
const companions = ["-wal", "-journal"]

/** No -shm file can be made here: not allowed, or (SQLITE_IOERR_SHM…) no room. */
const isUnopenable = (error: unknown): boolean => /^SQLITE_(?:CANTOPEN|READONLY|IOERR_SHM)/.test(codeOf(error))

/**
 * Opens the database at `path`.
 *
 * @throws NotAnAuditDatabase, or the error of SQLite or of the file system
 */
export const open = (path: string): Evidence => {
  // For a better message than SQLite's. The file itself is never opened here: closing it would drop the locks that
  // this process may hold on it (POSIX fcntl).
  if (Fs.statSync(path).isDirectory()) throw Object.assign(new Error("it is a directory"), { code: "EISDIR" })
  Fs.accessSync(path, Fs.constants.R_OK)
  if (Fs.existsSync(`${path}-journal`)) return copied(path) // SQLite would roll it back in place
  try {
    return checked({ path, readonly: Fs.existsSync(`${path}-wal`) }, () => undefined)
  } catch (error) {
    if (!isUnopenable(error)) throw error
    return copied(path)
  }
}

/** Where SQLite can't make the files that it needs, nobody writes: a copy says the same. */
const copied = (path: string): Evidence => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-verify-"))
  const remove = () => Fs.rmSync(directory, { recursive: true, force: true })
  try {
    const copy = Path.join(directory, "audit.db")
    Fs.copyFileSync(path, copy)
    for (const suffix of companions) {
      if (Fs.existsSync(path + suffix)) Fs.copyFileSync(path + suffix, copy + suffix)
    }
    return checked({ path: copy, readonly: false }, remove)
  } catch (error) {
    remove()
    throw error
  }
}

const checked = (source: Source, release: () => void): Evidence => {
  const database = connect(source)
  try {
    const wrong = schemaError(database)
    if (wrong !== undefined) throw new NotAnAuditDatabase({ reason: wrong })
    return {
      database,
      source,
      close: () => {
        database.close()
        release()
      }
    }
  } catch (error) {
    database.close()
    throw error
  }
}

/** As `open`, until the scope closes, with errors for who does not verify but reads. */
export const scoped = (path: string): Effect.Effect<Evidence, StoreFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => open(path),
      catch: (error) =>
        error instanceof NotAnAuditDatabase
          ? new StoreFailed({ path, reason: "other-schema", detail: error.message })
          : SqliteFailure.from(path, error)
    }),
    ({ close }) => Effect.sync(close)
  )
