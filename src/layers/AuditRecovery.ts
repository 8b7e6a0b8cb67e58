/**
 * Ending the log of a run that was killed: `log.abort` and a checkpoint by the host key, in one transaction.
 *
 * The epoch key died with the run, so that the host vouches for what it finds, after the fact; the verdict stays
 * INCOMPLETE. It only vouches for a log of its own whose stored entries still hash to the last signed root: signing
 * anything else would give a forged log a true signature.
 *
 * The caller makes sure that no writer is alive (the run's lock).
 *
 * @module
 */
import Database from "./BetterSqlite.ts"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Checkpoint from "../domain/Checkpoint.ts"
import * as Entry from "../domain/Entry.ts"
import * as MerkleTree from "../domain/MerkleTree.ts"
import * as Sequencer from "../domain/Sequencer.ts"
import * as Sha256 from "../domain/Sha256.ts"
import * as SignedNote from "../domain/SignedNote.ts"
import type { StoredCheckpoint, StoreFailed } from "../services/AuditStore.ts"
import type { Signer, SignerError } from "../services/Signer.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"
import * as RecordIntake from "./RecordIntake.ts"
import * as SqliteFailure from "./SqliteFailure.ts"

/** What became of a log that was to be recovered. */
export type Recovery =
  /** `log.abort` and its checkpoint are stored now. `signed`: entries that the run itself had signed. */
  | { readonly _tag: "Recovered"; readonly checkpoint: StoredCheckpoint; readonly signed: number }
  /** It ends with `log.close` or `log.abort`: nothing was done. */
  | { readonly _tag: "Ended"; readonly by: "log.close" | "log.abort" }
  /** The run was killed before its first entry: nothing was done. */
  | { readonly _tag: "Empty" }
  /** It is not what this host wrote: nothing was done; an audit tells what is wrong with it. */
  | { readonly _tag: "Refused"; readonly reason: string }

interface Found {
  readonly origin: string
  readonly host: string
  readonly position: Sequencer.Position
  readonly tree: MerkleTree.Accumulator
  readonly signed: number
  /** Epoch whose key died with the run. */
  readonly epoch: number
}

const refused = (reason: string): Recovery => ({ _tag: "Refused", reason })

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

/** Reads the whole log, and compares it with the last note on the way. */
const inspect = (db: Database.Database): Found | Recovery => {
  const last = db
    .prepare<[], StoredCheckpoint>("SELECT size, epoch, note FROM checkpoints ORDER BY size DESC LIMIT 1")
    .get()
  const note = last && Either.getOrUndefined(SignedNote.parse(last.note))
  const signed = note && Either.getOrUndefined(Checkpoint.parse(note.text))
  const tree = new MerkleTree.Accumulator()
  let open: Entry.Entry | undefined
  let latest: Entry.Entry | undefined
  let hash = Entry.zeroHash
  let epoch = 0
  const rows = db.prepare<[], { leaf: Buffer }>("SELECT CAST(leaf AS BLOB) AS leaf FROM entries ORDER BY seq")
  for (const { leaf } of rows.iterate()) {
    const entry = Either.getOrUndefined(Entry.decode(leaf.toString("utf8")))
    if (entry === undefined || entry.seq !== tree.size || entry.prev !== hash)
      return refused(`entry ${tree.size} is not as written`)
    const bytes = Sha256.leafHash(leaf)
    hash = Buffer.from(bytes).toString("hex")
    tree.append(bytes)
    if (entry.type === "log.key") epoch++
    open ??= entry
    latest = entry
    if (tree.size === signed?.size && !MerkleTree.sameHash(tree.root(), signed.root)) {
      return refused(`the entries below ${signed.size} are not those that were signed`)
    }
  }
  if (open === undefined || latest === undefined) return { _tag: "Empty" }
  if (last === undefined || signed === undefined) return refused("it has no readable checkpoint")
  if (signed.size > tree.size) return refused(`${signed.size} entries were signed and ${tree.size} are left`)
  if (latest.type === "log.close" || latest.type === "log.abort") return { _tag: "Ended", by: latest.type }
  return {
    origin: textOf(open.data["origin"]),
    host: textOf(open.data["host"]),
    position: { size: tree.size, hash, millis: Date.parse(latest.ts) },
    tree,
    signed: signed.size,
    epoch
  }
}

const sqlite = <A>(path: string, run: () => A): Effect.Effect<A, StoreFailed> =>
  Effect.try({ try: run, catch: (error) => SqliteFailure.from(path, error) })

/** A handle inside a transaction that is rolled back unless it was committed. */
const transaction = (path: string) =>
  Effect.acquireRelease(
    sqlite(path, () => {
      const db = new Database(path, { fileMustExist: true })
      try {
        db.pragma("synchronous=FULL")
        db.prepare("BEGIN IMMEDIATE").run()
        return db
      } catch (error) {
        db.close()
        throw error
      }
    }),
    (db) =>
      Effect.sync(() => {
        try {
          if (db.inTransaction) db.prepare("ROLLBACK").run()
          else db.pragma("wal_checkpoint(TRUNCATE)")
        } catch {
          // No room to put the -wal file away: what was committed is durable in it, and whoever opens it tries again.
        } finally {
          db.close()
        }
      })
  )

/**
 * Appends `log.abort` {cause, signed} and the host's checkpoint over it, unless the log has its end already.
 *
 * @param cause what is known about the end, such as `killed`
 */
export const recover = (
  path: string,
  signer: Signer["Type"],
  cause: string
): Effect.Effect<Recovery, StoreFailed | SignerError> =>
  Effect.scoped(
    Effect.gen(function* () {
      // First as evidence, read-only: a file that is no audit database is not touched.
      yield* Effect.scoped(EvidenceDatabase.scoped(path))
      const clock = yield* Effect.clock
      const db = yield* transaction(path)
      const found = yield* sqlite(path, () => inspect(db))
      if ("_tag" in found) return found
      if (found.host !== signer.host.text || !found.origin.startsWith(`${signer.ledgerOrigin}/`)) {
        return refused("it belongs to another host")
      }
      const { epoch, origin, signed, tree } = found
      const sequencer = new Sequencer.Sequencer(found.position)
      const data = RecordIntake.controlData({ cause, signed })
      const leaf = sequencer.append(data, "recorder", "log.abort", clock.unsafeCurrentTimeMillis())
      const hash = Buffer.from(sequencer.hash, "hex")
      tree.append(hash)
      const text = Checkpoint.encode({ origin, size: tree.size, root: tree.root() })
      const note = SignedNote.assemble(text, [yield* signer.signAsHost(text)])
      const checkpoint = { size: tree.size, epoch, note }
      yield* sqlite(path, () => {
        db.prepare("INSERT INTO entries(seq,leaf,hash) VALUES (?,?,?)").run(tree.size - 1, leaf, hash)
        db.prepare("INSERT INTO checkpoints(size,epoch,note) VALUES (?,?,?)").run(checkpoint.size, epoch, note)
        db.prepare("COMMIT").run()
      })
      return { _tag: "Recovered", checkpoint, signed } satisfies Recovery
    })
  )
