/**
 * What an error of SQLite, or of the file system below it, means to who uses a store.
 *
 * @module
 */
import { StoreFailed, type StoreFailureReason } from "../services/AuditStore.ts"

/** https://sqlite.org/rescode.html, by the primary code that an extended one begins with. */
const reasons: ReadonlyArray<readonly [prefix: string, reason: StoreFailureReason]> = [
  ["SQLITE_FULL", "disk-full"],
  ["SQLITE_READONLY", "read-only"],
  ["SQLITE_BUSY", "locked"],
  ["SQLITE_LOCKED", "locked"],
  ["SQLITE_PROTOCOL", "locked"],
  ["SQLITE_CORRUPT", "corrupt"],
  ["SQLITE_NOTADB", "not-a-database"],
  ["SQLITE_PERM", "permission"],
  ["SQLITE_AUTH", "permission"],
  ["SQLITE_CANTOPEN", "permission"],
  ["SQLITE_IOERR", "io"],
  ["ENOENT", "missing"],
  ["ENOTDIR", "missing"],
  ["EEXIST", "exists"],
  ["ENOSPC", "disk-full"],
  ["EDQUOT", "disk-full"],
  ["EROFS", "read-only"],
  ["EACCES", "permission"],
  ["EPERM", "permission"],
  ["EISDIR", "not-a-database"],
  ["EIO", "io"]
]

const property = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && name in value ? Reflect.get(value, name) : undefined

/** The error itself, or the one that a wrapper such as SqlError carries. */
const original = (error: unknown): unknown =>
  typeof property(error, "code") === "string" ? error : (property(error, "cause") ?? error)

/** Classifies by the error's `code`; an unknown error is `crashed`: a bug of ours. */
export const from = (path: string, error: unknown): StoreFailed => {
  if (error instanceof StoreFailed) return error
  const inner = original(error)
  const code = property(inner, "code")
  const text = property(inner, "message")
  const detail = typeof text === "string" ? text : String(inner)
  const known = typeof code === "string" ? reasons.find(([prefix]) => code.startsWith(prefix)) : undefined
  // better-sqlite3 looks for the directory itself, and has no code for it.
  const reason = known?.[1] ?? (detail.includes("directory does not exist") ? "missing" : "crashed")
  return new StoreFailed({ path, reason, detail })
}
