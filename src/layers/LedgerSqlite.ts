/**
 * The ledger in `ledger.db`, a database of the same schema as audit.db (docs/format.md, section 4).
 *
 * Concurrency: an append is one BEGIN IMMEDIATE transaction that reads the end, checks it, appends, signs, stores the
 * checkpoint and commits, so that processes and fibers come one after the other, and no size is ever signed twice. The
 * lock is polled for without holding up the event loop. The transaction itself runs on it, for a few milliseconds a run
 * and a minute.
 *
 * Durability: COMMIT (WAL, synchronous=FULL, asserted after the first write) → the epoch key is put in its place →
 * answer. A kill anywhere leaves a ledger that the next append continues (see LedgerKey).
 *
 * A ledger whose key files are both gone cannot go on: nobody can close its epoch, and a host that went on by itself
 * would hide the theft of the key. The error says how to begin another one, which is the user's decision and shows.
 *
 * @module
 */
import type Database from "./BetterSqlite.ts"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as SignedNote from "../domain/SignedNote.ts"
import {
  Ledger,
  LedgerBusy,
  type LedgerError,
  LedgerReader,
  type LedgerReading,
  type LedgerReceipt,
  LedgerRefused
} from "../services/Ledger.ts"
import { Signer, type SignerError } from "../services/Signer.ts"
import * as LedgerAppend from "./LedgerAppend.ts"
import * as LedgerDatabase from "./LedgerDatabase.ts"
import { evidenceOf } from "./LedgerEvidence.ts"
import * as LedgerKey from "./LedgerKey.ts"
import * as LedgerRequest from "./LedgerRequest.ts"
import { headOf, LedgerRows } from "./LedgerRows.ts"

/** How long an append, or a question, waits for other processes, in milliseconds. */
export const maxWaitMillis = 30_000

/** Pause between two attempts to take the lock, in milliseconds: about an append, and more for who has waited long. */
const maxPause = (waitedMillis: number): number => Math.min(Math.max(25, waitedMillis / 50), 250)

export interface Options extends LedgerDatabase.Location {
  /** The `tool` of log.open; the recorder's name and version. */
  readonly tool: string
}

/** Tries until no other connection is in the way. Interruptible while it waits. */
const patiently = <A>(path: string, wait: number, attempt: () => A): Effect.Effect<A, LedgerError> =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    for (let pause = 1; ; pause *= 2) {
      const result = yield* Effect.try({
        try: () => Option.some(attempt()),
        catch: (cause) => (LedgerDatabase.isBusy(cause) ? undefined : LedgerDatabase.failureOf(path, cause))
      }).pipe(Effect.catchAll((failure) => (failure === undefined ? Effect.succeedNone : Effect.fail(failure))))
      if (Option.isSome(result)) return result.value
      const waitedMillis = (yield* Clock.currentTimeMillis) - started
      if (waitedMillis >= wait) return yield* new LedgerBusy({ path, waitedMillis })
      pause = Math.min(pause, maxPause(waitedMillis))
      yield* Effect.interruptible(Effect.sleep(pause * (yield* Random.nextRange(0.5, 1.5))))
    }
  })

const rollback = (database: Database.Database): void => {
  if (database.open && database.inTransaction) database.prepare("ROLLBACK").run()
}

/** The connection that appends, made when it is first needed. Owned by the layer; one fiber at a time uses it. */
class Connection {
  readonly #location: LedgerDatabase.Location
  #open: { readonly database: Database.Database; readonly inode: number } | undefined

  constructor(location: LedgerDatabase.Location) {
    this.#location = location
  }

  /** Inside a write transaction. A file that was moved away meanwhile is let go of, so that nobody writes to it. */
  begin(): Database.Database {
    const { path } = this.#location
    if (this.#open !== undefined && Fs.statSync(path, { throwIfNoEntry: false })?.ino !== this.#open.inode) this.close()
    if (this.#open === undefined) {
      const database = LedgerDatabase.openForWriting(this.#location)
      this.#open = { database, inode: Fs.statSync(path).ino }
    }
    this.#open.database.prepare("BEGIN IMMEDIATE").run()
    return this.#open.database
  }

  close(): void {
    this.#open?.database.close()
    this.#open = undefined
  }
}

const appender = (
  options: Options,
  signer: Signer["Type"]
): Effect.Effect<
  (request: LedgerRequest.Request) => Effect.Effect<LedgerReceipt, LedgerError | LedgerRefused | SignerError>,
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const { path } = options
    const one = yield* Effect.makeSemaphore(1)
    const connection = yield* Effect.acquireRelease(
      Effect.sync(() => new Connection(options)),
      (connection) => one.withPermits(1)(Effect.sync(() => connection.close()))
    )
    const attempt = <A>(body: () => A) =>
      Effect.try({ try: body, catch: (cause) => LedgerDatabase.failureOf(path, cause) })

    /** Best effort: whoever appends next finishes it otherwise. */
    const putKeyInPlace = patiently(path, 1000, () => connection.begin()).pipe(
      Effect.flatMap((database) =>
        Effect.ensuring(
          attempt(() => {
            const rows = new LedgerRows(database, path)
            const { vkey } = rows.epoch(rows.identity(signer.ledgerOrigin))
            LedgerKey.load(options.keysDirectory, vkey.text, signer.ledgerOrigin)
          }),
          Effect.sync(() => rollback(database))
        )
      ),
      Effect.ignore
    )

    const write = (database: Database.Database, { addition, answer }: LedgerRequest.Accepted) =>
      Effect.gen(function* () {
        const wallMillis = yield* Clock.currentTimeMillis
        const nonce = randomBytes(16).toString("hex")
        const setting: LedgerAppend.Setting = { ...options, host: signer.host, wallMillis, nonce }
        const prepared = yield* attempt(() => {
          const isNew = !LedgerDatabase.hasSchema(database, path)
          if (isNew) LedgerDatabase.refuseIfLost(options)
          const rows = new LedgerRows(database, path)
          const known = isNew ? undefined : answer(rows, rows.signed())
          return known ?? LedgerAppend.plan(database, isNew, setting, addition)
        })
        if (prepared instanceof LedgerRefused) return yield* prepared
        if (!("leaves" in prepared)) return prepared
        const notes = yield* Effect.forEach(prepared.notes, ({ line, text }) =>
          Effect.map(signer.signAsHost(text), (hostLine) => SignedNote.assemble(text, [line, hostLine]))
        )
        yield* attempt(() => {
          if (!LedgerDatabase.hasSchema(database, path)) LedgerDatabase.makeSchema(database)
          LedgerAppend.store(database, prepared, notes)
          LedgerDatabase.assertDurable(database, path)
          database.prepare("COMMIT").run()
        })
        if (prepared.replacesKey) yield* putKeyInPlace
        return { seq: prepared.seq, size: prepared.tree.size, note: notes.at(-1) ?? "" }
      })

    return (request) =>
      one.withPermits(1)(
        Effect.uninterruptible(
          Effect.gen(function* () {
            const accepted = yield* LedgerRequest.check(request, signer.ledgerOrigin)
            const database = yield* patiently(path, maxWaitMillis, () => connection.begin())
            return yield* Effect.ensuring(
              write(database, accepted),
              Effect.sync(() => rollback(database))
            )
          })
        )
      )
  })

/** Questions, each on a connection and a snapshot of its own. */
const reading = (path: string): LedgerReading => {
  const ask = <A>(question: (rows: LedgerRows) => A): Effect.Effect<Option.Option<A>, LedgerError> =>
    patiently(path, maxWaitMillis, () => {
      const database = LedgerDatabase.openForReading(path)
      if (database === undefined) return Option.none()
      try {
        return Option.some(question(new LedgerRows(database, path)))
      } finally {
        database.close()
      }
    })
  return {
    latest: (origin) =>
      Effect.map(
        ask((rows) => {
          for (const { statement } of rows.about(origin, rows.signed().size)) return Option.some(statement)
          return Option.none()
        }),
        Option.flatten
      ),
    evidence: (origin, { upTo = Number.MAX_SAFE_INTEGER } = {}) =>
      Effect.map(
        ask((rows) => evidenceOf(rows, origin, upTo)),
        Option.getOrElse(() => [])
      ),
    checkpoint: ask((rows) => rows.signed().note.note),
    head: ask((rows) => headOf(rows, rows.signed()))
  }
}

/** The ledger of this host. Nothing is opened or made before the first append. */
export const layer = (options: Options): Layer.Layer<Ledger, never, Signer> =>
  Layer.scoped(
    Ledger,
    Effect.gen(function* () {
      const append = yield* appender(options, yield* Signer)
      return {
        ...reading(options.path),
        open: Effect.fn("Ledger.open")((run) => append({ ...run, type: "run.open" })),
        point: Effect.fn("Ledger.point")((run) => append({ ...run, type: "run.point" })),
        close: Effect.fn("Ledger.close")((run) => append({ ...run, type: "run.close" })),
        purge: Effect.fn("Ledger.purge")((run) => append({ ...run, type: "run.purge" }))
      }
    })
  )

/** For who only asks: needs no host key and makes no file. */
export const readerLayer = (path: string): Layer.Layer<LedgerReader> => Layer.sync(LedgerReader, () => reading(path))
