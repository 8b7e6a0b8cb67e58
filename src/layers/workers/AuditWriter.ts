/**
 * The writer thread of an audit.db: owns the only handle that writes, stores what has arrived in one transaction, and
 * answers after COMMIT. It neither hashes nor signs, and holds no key.
 *
 * It sleeps in `Atomics.wait` and reads its port synchronously: better-sqlite3 is synchronous anyway, and a futex wakes
 * it sooner than the event loop would.
 *
 * @module
 */
import Database from "../BetterSqlite.ts"
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import type { WriterInput, WriterMessage, WriterReply } from "../WriterProtocol.ts"

/** Rows of one INSERT. Measured best among 1, 20 and 60: 1.13 times the rate of single rows. */
const rowsPerInsert = 20
const digestBytes = 32
/** Rows after which a transaction takes no further segment. */
const maxRows = 1024
/**
 * So long, in milliseconds, the thread watches for the next message after records that somebody waited for: who waits
 * usually has the next one soon, and waking up takes time. Otherwise it sleeps at once.
 */
const watchMillis = 1
/** `PRAGMA synchronous` as SQLite answers it. */
const full = 2

type Segment = Extract<WriterMessage, { _tag: "Segment" }>

const input: WriterInput = workerData
const port = parentPort! // this file only runs as a worker

const reply = (message: WriterReply): void => port.postMessage(message)

const open = () => {
  const db = new Database(input.path, { fileMustExist: true })
  const assertFull = () => {
    if (db.pragma("synchronous", { simple: true }) !== full) throw new Error("SQLite left synchronous=FULL")
  }
  if (db.pragma("journal_mode=WAL", { simple: true }) !== "wal") throw new Error("SQLite refused journal_mode=WAL")
  // Not kept in the file: better-sqlite3 opens a WAL database with NORMAL, which can lose acknowledged commits.
  db.pragma("synchronous=FULL")
  assertFull()

  const row = "(?,?,?)"
  const insertOne = db.prepare(`INSERT INTO entries(seq,leaf,hash) VALUES ${row}`)
  const insertMany = db.prepare(`INSERT INTO entries(seq,leaf,hash) VALUES ${Array(rowsPerInsert).fill(row).join(",")}`)
  const insertNote = db.prepare("INSERT INTO checkpoints(size,epoch,note) VALUES (?,?,?)")
  const begin = db.prepare("BEGIN IMMEDIATE")
  const commit = db.prepare("COMMIT")
  // SQLite copies what is bound, so that a few buffers serve all rows.
  const hashes = Array.from({ length: rowsPerInsert }, () => Buffer.alloc(digestBytes))
  const values: Array<number | string | Buffer> = Array.from({ length: 3 * rowsPerInsert }, () => 0)
  let checked = false

  const insertAll = (first: number, leaves: ReadonlyArray<string>, bytes: Buffer): void => {
    let at = 0
    for (; at + rowsPerInsert <= leaves.length; at += rowsPerInsert) {
      for (let row = 0; row < rowsPerInsert; row++) {
        const hash = hashes[row]! // as many as rows
        bytes.copy(hash, 0, (at + row) * digestBytes, (at + row + 1) * digestBytes)
        values[3 * row] = first + at + row
        values[3 * row + 1] = leaves[at + row]! // at + row is below length
        values[3 * row + 2] = hash
      }
      insertMany.run(values)
    }
    const hash = hashes[0]! // there is one
    for (; at < leaves.length; at++) {
      bytes.copy(hash, 0, at * digestBytes, (at + 1) * digestBytes)
      insertOne.run(first + at, leaves[at], hash)
    }
  }

  const storeOne = ({ count, first, hashes: packed, notes, text }: Segment): void => {
    const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
    if (count > 0) insertAll(first, count === 1 ? [text] : text.split("\n"), bytes)
    for (const note of notes) insertNote.run(note.size, note.epoch, note.note)
  }

  const store = (segments: ReadonlyArray<Segment>): void => {
    const [segment] = segments
    if (segments.length === 1 && segment?.count === 1 && segment.notes.length === 0) {
      storeOne(segment) // a statement alone is a transaction
    } else {
      begin.run()
      for (const each of segments) storeOne(each)
      commit.run()
    }
    if (!checked) assertFull()
    checked = true
  }

  return { db, store }
}

/** What has arrived, up to `maxRows`; one transaction stores it. Batches form while the one before is committed. */
const collect = (): { readonly segments: ReadonlyArray<Segment>; readonly finish: boolean } => {
  const segments: Array<Segment> = []
  for (let rows = 0; rows < maxRows;) {
    const received: { readonly message: WriterMessage } | undefined = receiveMessageOnPort(port)
    if (received === undefined) break
    if (received.message._tag === "Finish") return { segments, finish: true }
    segments.push(received.message)
    rows += received.message.count
  }
  return { segments, finish: false }
}

/** Stores what has arrived. `awaited`: somebody waited for some of it. `end`: nothing more will arrive. */
const drain = (store: (segments: ReadonlyArray<Segment>) => void): "awaited" | "stored" | "end" => {
  for (let awaited = false; ;) {
    const { finish, segments } = collect()
    if (segments.length > 0) {
      store(segments)
      reply({ _tag: "Stored", segments: segments.length })
      awaited ||= segments.some((segment) => segment.awaited)
    }
    if (finish) return "end"
    if (segments.length === 0) return awaited ? "awaited" : "stored"
  }
}

/** Returns when a message has come, or the time is over. */
const watch = (wakes: Int32Array, seen: number): void => {
  const until = performance.now() + watchMillis
  while (Atomics.load(wakes, 0) === seen && performance.now() < until);
}

const serve = (store: (segments: ReadonlyArray<Segment>) => void): void => {
  const wakes = new Int32Array(input.wakes)
  for (;;) {
    // Counted before the port is read: a message that comes afterwards changes the count, and wait() returns at once.
    const seen = Atomics.load(wakes, 0)
    const drained = drain(store)
    if (drained === "end") return
    if (drained === "awaited") watch(wakes, seen)
    Atomics.wait(wakes, 0, seen)
  }
}

const putAway = (db: Database.Database): void => {
  try {
    db.pragma("wal_checkpoint(TRUNCATE)")
  } catch {
    // No room: what was committed is durable in the -wal file, and whoever opens the database tries again.
  }
}

try {
  const { db, store } = open()
  try {
    reply({ _tag: "Ready" })
    serve(store)
    putAway(db)
  } finally {
    db.close()
  }
  reply({ _tag: "Finished" })
} catch (error) {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""
  reply({ _tag: "Failed", code, message: error instanceof Error ? error.message : String(error) })
}
