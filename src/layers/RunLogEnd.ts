/**
 * What the end of a run's log says, for who only has to put the run away: no verification.
 *
 * @module
 */
import Database from "./BetterSqlite.ts"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as Checkpoint from "../domain/Checkpoint.ts"
import * as Entry from "../domain/Entry.ts"
import * as SignedNote from "../domain/SignedNote.ts"
import { StoreFailed } from "../services/AuditStore.ts"
import * as AuditSchema from "./AuditSchema.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"
import * as SqliteFailure from "./SqliteFailure.ts"

export interface RunLogEnd {
  /** The last checkpoint. */
  readonly checkpoint: Checkpoint.Checkpoint
  /** Time of the last entry that the recorder wrote while the run went on. */
  readonly ts: string
}

const texts = (database: Database.Database, sql: string): ReadonlyArray<string> =>
  database
    .prepare<[]>(sql)
    .pluck()
    .all()
    .filter((value) => typeof value === "string")

/**
 * Whether there is no log: the recorder was killed before its first transaction.
 *
 * @param options.readonly leaves the file as it is. Otherwise what a kill left in a journal is rolled back first; without
 *   that a file that was just being made cannot be read. For who holds the run's lock
 */
export const isBlank = (
  path: string,
  { readonly }: { readonly readonly: boolean }
): Effect.Effect<boolean, StoreFailed> =>
  Effect.try({
    try: () => {
      const size = Fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
      if (size === 0) return true
      if (readonly && Fs.existsSync(`${path}-journal`)) return false
      // Where nobody has it open, a connection that may write removes the -wal and -shm files that reading makes.
      const database = new Database(path, { readonly: readonly && Fs.existsSync(`${path}-wal`), fileMustExist: true })
      try {
        const schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        const found = database.prepare<[], AuditSchema.SchemaRow>(schema).all()
        if (found.length === 0) return true
        if (AuditSchema.difference(found) !== undefined) return false
        const anyRow = "SELECT 1 FROM entries UNION ALL SELECT 1 FROM checkpoints LIMIT 1"
        return database.prepare(anyRow).get() === undefined
      } finally {
        database.close()
      }
    },
    catch: (cause) => SqliteFailure.from(path, cause)
  })

/** Fails with `corrupt` when the last rows cannot be read as this format. */
export const read = (path: string): Effect.Effect<RunLogEnd, StoreFailed> =>
  Effect.scoped(
    Effect.flatMap(EvidenceDatabase.scoped(path), ({ database }) =>
      Effect.try({
        try: () => {
          const [noteText = ""] = texts(database, "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
          const note = Either.getOrThrow(SignedNote.parse(noteText))
          const checkpoint = Either.getOrThrow(Checkpoint.parse(note.text))
          const last = texts(database, "SELECT leaf FROM entries ORDER BY seq DESC LIMIT 2").map((leaf) =>
            Either.getOrThrow(Entry.decode(leaf))
          )
          const ended = last.find((entry) => entry.type !== "log.abort")
          return { checkpoint, ts: ended?.ts ?? "" }
        },
        catch: (cause) => {
          const failure = SqliteFailure.from(path, cause)
          return failure.reason === "crashed"
            ? new StoreFailed({ path, reason: "corrupt", detail: failure.detail })
            : failure
        }
      })
    )
  )
