/**
 * The tables of audit.db, word for word (docs/format.md, section 4): a verifier compares `sqlite_schema` with this list.
 *
 * The schema is part of the format. So there is nothing to migrate and no table that could count migrations: a database
 * with other tables is of another version, or changed, and is refused.
 *
 * @module
 */
const tables = {
  entries: `CREATE TABLE entries(seq INTEGER PRIMARY KEY, leaf TEXT NOT NULL, hash BLOB NOT NULL,
  ts TEXT AS (leaf->>'$.ts') VIRTUAL, type TEXT AS (leaf->>'$.type') VIRTUAL, source TEXT AS (leaf->>'$.source') VIRTUAL) STRICT`,
  checkpoints: `CREATE TABLE checkpoints(size INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, note TEXT NOT NULL) STRICT`,
  cosignatures: `CREATE TABLE cosignatures(size INTEGER, line TEXT, PRIMARY KEY(size,line)) STRICT`,
  timestamps: `CREATE TABLE timestamps(size INTEGER, token BLOB, PRIMARY KEY(size,token)) STRICT`,
  disclosures: `CREATE TABLE disclosures(seq INTEGER, body TEXT, PRIMARY KEY(seq,body)) STRICT`,
  blobs: `CREATE TABLE blobs(sha256 BLOB PRIMARY KEY, data BLOB) STRICT`,
  tiles: `CREATE TABLE tiles(level INTEGER, n INTEGER, data BLOB, PRIMARY KEY(level,n)) STRICT`,
  evidence: `CREATE TABLE evidence(kind TEXT, body TEXT) STRICT`
}

/** Statements that make an empty database a log's. */
export const statements: ReadonlyArray<string> = Object.values(tables)

/** A row of `SELECT type, name, tbl_name, sql FROM sqlite_schema`. */
export interface SchemaRow {
  readonly type: unknown
  readonly name: unknown
  readonly tbl_name: unknown
  readonly sql: unknown
}

/** Tables with a primary key that is no rowid have an index that SQLite makes and names itself. */
const indexed: ReadonlyArray<string> = ["cosignatures", "timestamps", "disclosures", "blobs", "tiles"]

const keyOf = (row: SchemaRow): string => JSON.stringify([row.type, row.name, row.tbl_name, row.sql])

const expected: ReadonlyArray<string> = [
  ...Object.entries(tables).map(([name, sql]) => keyOf({ type: "table", name, tbl_name: name, sql })),
  ...indexed.map((name) => keyOf({ type: "index", name: `sqlite_autoindex_${name}_1`, tbl_name: name, sql: null }))
].toSorted()

/** The first difference between the schema of a database and this one, or undefined when they are equal. */
export const difference = (rows: ReadonlyArray<SchemaRow>): string | undefined => {
  const found = new Set(rows.map(keyOf))
  const extra = rows.find((row) => !expected.includes(keyOf(row)))
  if (extra) return `its ${String(extra.type)} ${String(extra.name)} is not the format's`
  const missing = expected.find((key) => !found.has(key))
  if (missing === undefined) return undefined
  const [type, name]: ReadonlyArray<unknown> = JSON.parse(missing)
  return `its ${String(type)} ${String(name)} is missing`
}
