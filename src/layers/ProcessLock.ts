/**
 * A lock between processes that the kernel gives back when its holder ends, also by `kill -9`: a write transaction on a
 * small SQLite file. SQLite takes it by fcntl locks and keeps them right within one process too.
 *
 * Nothing else may open the lock file: closing any descriptor of it would drop the process's locks (POSIX fcntl).
 *
 * @module
 */
import Database from "./BetterSqlite.ts"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Takes the lock. IMMEDIATE, because of several who try at once exactly one gets it; an EXCLUSIVE one is refused to all of
 * them while each still looks. With the journal in memory: a kill would leave a file behind otherwise.
 */
const lock = (database: Database.Database): void => {
  database.pragma("journal_mode = MEMORY")
  database.exec("BEGIN IMMEDIATE")
}

/** The lock file cannot be used. */
export class LockError extends Data.TaggedError("LockError")<{
  readonly path: string
  /** The driver's or the operating system's code, such as SQLITE_CANTOPEN. */
  readonly code: string
  readonly reason: string
}> {
  override get message() {
    return `lock ${this.path}: ${this.reason}`
  }
}

const lockError = (path: string) => (error: unknown) =>
  new LockError({
    path,
    code: error instanceof Error && "code" in error ? String(error.code) : "",
    reason: error instanceof Error ? error.message : String(error)
  })

const isBusy = (error: unknown): boolean =>
  error instanceof Database.SqliteError && (error.code.startsWith("SQLITE_BUSY") || error.code === "SQLITE_LOCKED")

/**
 * Takes the lock at `path`, which is made when it is missing, until the scope closes. False: somebody holds it. Does not
 * wait.
 */
export const tryHold = (path: string): Effect.Effect<boolean, LockError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.try({
        try: () => {
          const database = new Database(path, { timeout: 0 })
          try {
            lock(database)
            return database
          } catch (error) {
            database.close()
            if (isBusy(error)) return undefined
            throw error
          }
        },
        catch: lockError(path)
      }),
      (database) => Effect.sync(() => database?.close())
    ),
    (database) => database !== undefined
  )

/** Whether somebody holds the lock at `path`. A missing file is held by nobody. */
export const isHeld = (path: string): Effect.Effect<boolean, LockError> =>
  Effect.try({
    try: () => {
      let database: Database.Database
      try {
        database = new Database(path, { timeout: 0, fileMustExist: true })
      } catch (error) {
        if (error instanceof Database.SqliteError && error.code === "SQLITE_CANTOPEN") return false
        throw error
      }
      try {
        lock(database)
        return false
      } catch (error) {
        if (isBusy(error)) return true
        throw error
      } finally {
        database.close()
      }
    },
    catch: lockError(path)
  })
