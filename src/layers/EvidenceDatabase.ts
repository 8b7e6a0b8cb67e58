/**
 * Opens an audit.db as evidence: nothing in it is trusted, nothing in it is changed, and no file is left beside it.
 *
 * @module
 */
import Database from "better-sqlite3"
import * as Data from "effect/Data"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Url from "node:url"

/** Tables of an audit database, as docs/format.md section 4 gives them. */
export const tables: ReadonlyArray<string> = [
  `CREATE TABLE entries(seq INTEGER PRIMARY KEY, leaf TEXT NOT NULL, hash BLOB NOT NULL,
    ts TEXT AS (leaf->>'$.ts') VIRTUAL, type TEXT AS (leaf->>'$.type') VIRTUAL,
    source TEXT AS (leaf->>'$.source') VIRTUAL) STRICT`,
  "CREATE TABLE checkpoints(size INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, note TEXT NOT NULL) STRICT",
  "CREATE TABLE cosignatures(size INTEGER, line TEXT, PRIMARY KEY(size,line)) STRICT",
  "CREATE TABLE timestamps(size INTEGER, token BLOB, PRIMARY KEY(size,token)) STRICT",
  "CREATE TABLE disclosures(seq INTEGER, body TEXT, PRIMARY KEY(seq,body)) STRICT",
  "CREATE TABLE blobs(sha256 BLOB PRIMARY KEY, data BLOB) STRICT",
  "CREATE TABLE tiles(level INTEGER, n INTEGER, data BLOB, PRIMARY KEY(level,n)) STRICT",
  "CREATE TABLE evidence(kind TEXT, body TEXT) STRICT"
]

/** The file is not an audit database of this format: what is wrong. */
export class NotAnAuditDatabase extends Data.TaggedError("NotAnAuditDatabase")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** White space outside of what it separates does not count. */
const normal = (sql: string): string =>
  sql
    .replaceAll(/\s+/g, " ")
    .replaceAll(/ ?([(),]) ?/g, "$1")
    .trim()

const tableName = (sql: string): string => /^CREATE TABLE (\w+)/.exec(sql)?.[1] ?? ""

/** A statement of which every row is an array of its columns, typed by the caller, who wrote the query. */
export const rows = <Row extends ReadonlyArray<unknown>>(
  database: Database.Database,
  sql: string
): Database.Statement<Array<unknown>, Row> => database.prepare<Array<unknown>, Row>(sql).raw(true)

const schemaError = (database: Database.Database): string | undefined => {
  const expected = new Map(tables.map((sql) => [tableName(sql), normal(sql)]))
  const objects = rows<[string, string, string | null]>(
    database,
    "SELECT CAST(type AS TEXT), CAST(name AS TEXT), CAST(sql AS TEXT) FROM sqlite_schema"
  )
  for (const [type, name, sql] of objects.iterate()) {
    if (type === "index" && sql === null && name.startsWith("sqlite_autoindex_")) continue
    const wanted = expected.get(name)
    if (type !== "table" || wanted === undefined)
      return `it holds the ${type} ${JSON.stringify(name)}, which is not of this format`
    if (sql === null || normal(sql) !== wanted) return `its table ${name} is defined in another way`
    expected.delete(name)
  }
  const missing = [...expected.keys()][0]
  if (missing !== undefined) return `it has no table ${missing}`
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

/** How a database is read: where it lies, and whether nobody else can be writing. */
export interface Source {
  /** The file or a private copy of it. */
  readonly path: string
  /** No -wal file: SQLite may read it without locks, and makes no file of its own. */
  readonly immutable: boolean
}

/** Opens a connection to `source`, in a read transaction. Every thread has one of its own. */
export const connect = (source: Source): Database.Database => {
  const url = source.immutable ? `${Url.pathToFileURL(source.path).href}?immutable=1` : source.path
  const database = new Database(url, { readonly: true, fileMustExist: true, timeout: 5000 })
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

const isUnopenable = (error: unknown): boolean => /^SQLITE_(?:CANTOPEN|READONLY)/.test(codeOf(error))

/**
 * Opens the database at `path`.
 *
 * @throws NotAnAuditDatabase, or the error of SQLite or of the file system
 */
export const open = (path: string): Evidence => {
  Fs.closeSync(Fs.openSync(path, "r")) // a better message than SQLite's, and no database is ever made
  const source: Source = { path: Path.resolve(path), immutable: !Fs.existsSync(`${path}-wal`) }
  try {
    return checked(source, () => undefined)
  } catch (error) {
    if (!isUnopenable(error)) throw error
    return copied(path)
  }
}

/** Where neither -shm exists nor can be made, nobody writes: a copy says the same. */
const copied = (path: string): Evidence => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-verify-"))
  const remove = () => Fs.rmSync(directory, { recursive: true, force: true })
  try {
    const copy = Path.join(directory, "audit.db")
    Fs.copyFileSync(path, copy)
    if (Fs.existsSync(`${path}-wal`)) Fs.copyFileSync(`${path}-wal`, `${copy}-wal`)
    return checked({ path: copy, immutable: false }, remove)
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
