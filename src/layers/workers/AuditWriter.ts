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
import * as Fs from "node:fs"
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import { SharedSlot, type SlotRecord } from "../SharedSlot.ts"
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

/** Bytes of the -wal file when SQLite starts it anew: a header, and frames of the default page size. */
const walBytes = 32 + 1024 * (24 + 4096)
/** Free bytes of a disk below which nothing is reserved on it. */
const scarceBytes = 64 * walBytes

type Segment = Extract<WriterMessage, { _tag: "Segment" }>

const input: WriterInput = workerData
const port = parentPort! // this file only runs as a worker

const reply = (message: WriterReply): void => port.postMessage(message)

/**
 * Gives the -wal file its blocks before they are needed: a commit that makes the file longer has the file system write
 * its own journal too, and takes twice as long. SQLite takes zeros for the end of the frames. Where room is scarce, or
 * this fails, the file grows as it must.
 */
const reserve = (path: string): void => {
  const { bavail, bsize } = Fs.statfsSync(path)
  if (bavail * bsize < scarceBytes) return
  const file = Fs.openSync(path, "r+")
  try {
    const { size } = Fs.fstatSync(file)
    try {
      Fs.writeSync(file, Buffer.alloc(Math.max(0, walBytes - size)), 0, undefined, size)
      Fs.fdatasyncSync(file)
    } catch {
      Fs.ftruncateSync(file, size)
    }
  } finally {
    Fs.closeSync(file)
  }
}

const open = () => {
  const db = new Database(input.path, { fileMustExist: true })
  const assertFull = () => {
    if (db.pragma("synchronous", { simple: true }) !== full) throw new Error("SQLite left synchronous=FULL")
  }
  if (db.pragma("journal_mode=WAL", { simple: true }) !== "wal") throw new Error("SQLite refused journal_mode=WAL")
  // Not kept in the file: better-sqlite3 opens a WAL database with NORMAL, which can lose acknowledged commits.
  db.pragma("synchronous=FULL")
  assertFull()
  reserve(`${input.path}-wal`)

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

  const asserted = (): void => {
    if (!checked) assertFull()
    checked = true
  }

  /** A statement alone is a transaction. */
  const storeRecord = ({ hash, leaf, seq }: SlotRecord): void => {
    insertOne.run(seq, leaf, hash)
    asserted()
  }

  const storeSegments = (segments: ReadonlyArray<Segment>): void => {
    begin.run()
    for (const each of segments) storeOne(each)
    commit.run()
    asserted()
  }

  return { db, storeRecord, storeSegments }
}

type Store = Pick<ReturnType<typeof open>, "storeRecord" | "storeSegments">

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

/** Stores what has arrived. `awaited`: somebody waited for the last of it. `end`: nothing more will arrive. */
const drain = (slot: SharedSlot, store: Store): "awaited" | "stored" | "end" => {
  for (let awaited = false; ;) {
    // The port is read before the slot is: what the slot then holds is older than what came through the port.
    const { finish, segments } = collect()
    const record = slot.content
    if (record !== undefined) {
      store.storeRecord(record)
      if (slot.answer()) reply({ _tag: "Stored", segments: 0 })
      awaited = true
    }
    if (segments.length > 0) {
      store.storeSegments(segments)
      reply({ _tag: "Stored", segments: segments.length })
      awaited = segments.some((segment) => segment.awaited)
    }
    if (finish) return "end"
    if (segments.length === 0) return awaited ? "awaited" : "stored"
  }
}

const serve = (store: Store): void => {
  const slot = new SharedSlot(input.slot)
  for (;;) {
    const seen = slot.wakes
    const drained = drain(slot, store)
    if (drained === "end") return
    slot.sleep(seen, drained === "awaited" ? watchMillis : 0)
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
  const { db, ...store } = open()
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
