/**
 * The file of the ledger: connections, and what went wrong with them in the words of the port.
 *
 * Nothing but SQLite may open the file: closing any other descriptor of it drops the locks that this process holds on it
 * (POSIX fcntl).
 *
 * @module
 */
import Database from "./BetterSqlite.ts"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { LedgerFailed, type LedgerFailureReason } from "../services/Ledger.ts"
import type { StoreFailureReason } from "../services/AuditStore.ts"
import * as AuditSchema from "./AuditSchema.ts"
import * as LedgerKey from "./LedgerKey.ts"
import * as SqliteFailure from "./SqliteFailure.ts"

/** Where a ledger is. */
export interface Location {
  /** ledger.db */
  readonly path: string
  /** Holds the epoch key's files; mode 0700. */
  readonly keysDirectory: string
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : ""

/** Another connection is in the way, which passes. SQLITE_PROTOCOL: a race for the -shm file that SQLite gave up. */
export const isBusy = (cause: unknown): boolean => /^SQLITE_(?:BUSY|LOCKED|PROTOCOL)/.test(codeOf(cause))

const reasons: Partial<Record<StoreFailureReason, LedgerFailureReason>> = {
  "disk-full": "disk-full",
  "read-only": "read-only",
  permission: "permission",
  "not-a-database": "not-a-database",
  "other-schema": "other-schema",
  corrupt: "corrupt"
}

/** What a failed call means to the user. */
export const failureOf = (path: string, cause: unknown): LedgerFailed => {
  if (cause instanceof LedgerFailed) return cause
  const { detail, reason } = SqliteFailure.from(path, cause)
  // Growing the -shm file is what fails first on a full disk.
  const isFull = codeOf(cause) === "SQLITE_IOERR_SHMSIZE"
  return new LedgerFailed({ path, reason: isFull ? "disk-full" : (reasons[reason] ?? "io"), detail })
}

/** The ledger contradicts itself, or what was signed of it. */
export const corrupt = (path: string, detail: string): LedgerFailed =>
  new LedgerFailed({ path, reason: "corrupt", detail })

/** Whether the tables are there; false for a database without any. */
export const hasSchema = (database: Database.Database, path: string): boolean => {
  const found = database.prepare<[], AuditSchema.SchemaRow>("SELECT type, name, tbl_name, sql FROM sqlite_schema").all()
  if (found.length === 0) return false
  const detail = AuditSchema.difference(found)
  if (detail !== undefined) throw new LedgerFailed({ path, reason: "other-schema", detail })
  return true
}

/** Makes the tables, inside a transaction. */
export const makeSchema = (database: Database.Database): void => {
  for (const statement of AuditSchema.statements) database.prepare(statement).run()
}

/** The file of a ledger that there was once is never replaced by an empty one. */
export const refuseIfLost = ({ keysDirectory, path }: Location): void => {
  if (LedgerKey.exists(keysDirectory)) {
    const detail = `there is no ledger here, but ${keysDirectory}/${LedgerKey.fileName} shows that there was one`
    throw new LedgerFailed({ path, reason: "missing", detail })
  }
}

/** A connection that appends; the file is made when there is none. Never waits: SQLITE_BUSY is the caller's to handle. */
export const openForWriting = (location: Location): Database.Database => {
  const { keysDirectory, path } = location
  // Asked first: another process makes the tables before it makes the key.
  const hadKey = LedgerKey.exists(keysDirectory)
  const isNew = !Fs.existsSync(path)
  if (hadKey && isNew) refuseIfLost(location)
  Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o700 })
  const database = new Database(path, { timeout: 0 })
  try {
    if (isNew) Fs.chmodSync(path, 0o600)
    database.pragma("trusted_schema = OFF")
    database.pragma("cell_size_check = ON")
    database.pragma("encoding = 'UTF-8'")
    // Before the journal mode: a database of something else is not changed.
    if (!hasSchema(database, path) && hadKey) refuseIfLost(location)
    const mode = database.pragma("journal_mode = WAL", { simple: true })
    if (mode !== "wal") {
      throw new LedgerFailed({ path, reason: "io", detail: `the journal mode is ${String(mode)}, not WAL` })
    }
    database.pragma("synchronous = FULL")
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** SQLite opens a new WAL database with its default; a write may change the setting again (so it is asked after it). */
export const assertDurable = (database: Database.Database, path: string): void => {
  const level = database.pragma("synchronous", { simple: true })
  if (level !== 2) throw new LedgerFailed({ path, reason: "io", detail: `synchronous is ${String(level)}, not FULL` })
}

/** Largest ledger that is read into memory, in bytes. */
const maxImageBytes = 1024 * 1024 * 1024

/** A ledger whose directory cannot be written, in memory: nobody can be writing it, and it has no -wal file. */
const readImage = (path: string): Database.Database => {
  if (Fs.statSync(path).size > maxImageBytes) {
    throw new LedgerFailed({
      path,
      reason: "read-only",
      detail: "it is too large to be read where it cannot be locked"
    })
  }
  const image = Fs.readFileSync(path)
  // Read and write version: 2 is WAL, which needs files; 1 is a rollback journal (SQLite file format, section 1.3.3).
  image.fill(1, 18, 20)
  return new Database(image, { timeout: 0 })
}

/** A connection that only reads, inside a transaction that sees one state; undefined when there is no ledger. */
export const openForReading = (path: string): Database.Database | undefined => {
  if (!Fs.existsSync(path)) return undefined
  const prepare = (database: Database.Database) => {
    try {
      database.pragma("trusted_schema = OFF")
      database.pragma("query_only = ON")
      database.pragma("cell_size_check = ON")
      database.exec("BEGIN")
      if (hasSchema(database, path)) return database
      database.close()
      return undefined
    } catch (cause) {
      database.close()
      throw cause
    }
  }
  try {
    // Where nobody has it open, a connection that may write removes the -wal and -shm files that reading makes.
    const readonly = Fs.existsSync(`${path}-wal`)
    return prepare(new Database(path, { readonly, fileMustExist: true, timeout: 0 }))
  } catch (cause) {
    const cannotLock = /^SQLITE_(?:CANTOPEN|READONLY|IOERR_SHM)/.test(codeOf(cause))
    const unfinished = Fs.statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
    if (!cannotLock || unfinished > 0) throw cause
    return prepare(readImage(path))
  }
}
