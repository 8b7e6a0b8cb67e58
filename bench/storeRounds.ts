/**
 * The measuring program of `bench/store.ts`: prints the samples of every contender as one line of JSON.
 *
 * @module
 */
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import Hypercore from "hypercore"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Entry from "../src/domain/Entry.ts"
import * as Sha256 from "../src/domain/Sha256.ts"
import * as AuditSchema from "../src/layers/AuditSchema.ts"
import * as AuditStoreSqlite from "../src/layers/AuditStoreSqlite.ts"
import * as SignerMemory from "../src/layers/SignerMemory.ts"
import { type AuditRecord, AuditStore } from "../src/services/AuditStore.ts"
import * as Harness from "./Harness.ts"
import type { Samples } from "./store.ts"

const entries = 200_000
const batch = 1024
const awaited = 50_000
const producers = 64
/** Commits of a new log; its -wal file has not come round yet. */
const single = 400
/** Commits of a longer one: the -wal files of both sides are used again and again. */
const singleLong = 4000
const roundCount = 5

/** Console lines whose leaves have about 335 bytes. */
const records = Array.from({ length: entries }, (_, at): AuditRecord => ({
  type: "console",
  source: "agent",
  data: { line: `line ${at} `.padEnd(139, "x"), part: at % 7, stream: at % 2 === 0 ? "stdout" : "stderr" }
}))

const rows = () => {
  let prev = Entry.zeroHash
  return records.map((record, seq) => {
    const data = JSON.stringify(record.data)
    const leaf = Entry.leafText(data, prev, seq, record.source, "2026-01-02T03:04:05.000Z", record.type)
    prev = Sha256.leafHashHex(leaf)
    return { seq, leaf, hash: Buffer.from(prev, "hex") }
  })
}

const openRaw = (path: string) => {
  const db = new Database(path)
  db.pragma("journal_mode=WAL")
  db.pragma("synchronous=FULL")
  for (const statement of AuditSchema.statements) db.exec(statement)
  return { db, insert: db.prepare("INSERT INTO entries(seq,leaf,hash) VALUES (?,?,?)") }
}

const perSecond = (count: number, millis: number) => (count * 1000) / millis

/** Runs a program on a new store and gives what it returns. */
const onStore = <A, E>(path: string, program: (store: AuditStore["Type"]) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(
    Effect.flatMap(AuditStore, program).pipe(
      Effect.provide(
        AuditStoreSqlite.layer({ path, run: "bench", tool: "bench/0" }).pipe(Layer.provide(SignerMemory.layer))
      )
    )
  )

/** Until the last record is durable. */
const timed = <E>(count: number, work: Effect.Effect<unknown, E>) =>
  Effect.map(Effect.timed(work), ([duration]) =>
    perSecond(count, Number(duration.value._tag === "Nanos" ? duration.value.nanos : 0n) / 1e6)
  )

const measure = async (): Promise<Samples> => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-bench-"))
  let made = 0
  const fresh = (suffix = ".db") => Path.join(directory, `${made++}${suffix}`)
  const prepared = rows()
  const bytes = prepared.map((row) => Buffer.from(row.leaf))
  const last = records[0]! // there are some

  const raw = () => {
    const { db, insert } = openRaw(fresh())
    const start = performance.now()
    for (let at = 0; at < entries; at += batch) {
      db.exec("BEGIN")
      for (const row of prepared.slice(at, at + batch)) insert.run(row.seq, row.leaf, row.hash)
      db.exec("COMMIT")
    }
    const rate = perSecond(entries, performance.now() - start)
    db.close()
    return rate
  }

  const inOrder = () =>
    onStore(fresh(), (store) =>
      timed(
        entries,
        Effect.gen(function* () {
          for (const record of records) yield* store.append(record)
          yield* store.commit(last)
        })
      )
    )

  const inChunks = () =>
    onStore(fresh(), (store) =>
      timed(
        entries,
        Effect.gen(function* () {
          for (let at = 0; at < entries; at += 64) yield* store.appendAll(records.slice(at, at + 64))
          yield* store.commit(last)
        })
      )
    )

  const durable = () =>
    onStore(fresh(), (store) => {
      let next = 0
      const producer = Effect.gen(function* () {
        for (let at = next++; at < awaited; at = next++) yield* store.commit(records[at]!) // awaited is below entries
      })
      return timed(
        awaited,
        Effect.all(
          Array.from({ length: producers }, () => producer),
          { concurrency: "unbounded" }
        )
      )
    })

  const hypercore = async () => {
    const core = new Hypercore(fresh(".core"))
    await core.ready()
    const start = performance.now()
    for (let at = 0; at < entries; at += batch) await core.append(bytes.slice(at, at + batch))
    const rate = perSecond(entries, performance.now() - start)
    await core.close()
    return rate
  }

  /** Both in turns, record by record, so that each pair meets the same disk; medians of each side. */
  const pairs = (count: number) =>
    onStore(fresh(), (store) =>
      Effect.gen(function* () {
        const { db, insert } = openRaw(fresh())
        const ours: Array<number> = []
        const theirs: Array<number> = []
        for (const row of prepared.slice(0, count)) {
          const start = performance.now()
          insert.run(row.seq, row.leaf, row.hash)
          const between = performance.now()
          yield* store.commit(last)
          theirs.push(between - start)
          ours.push(performance.now() - between)
        }
        db.close()
        return [Harness.median(ours), Harness.median(theirs)] as const
      })
    )

  try {
    const samples = await Harness.rounds(roundCount, { raw, inOrder, inChunks, durable, hypercore })
    const awaitedOne: Array<number> = []
    const bareOne: Array<number> = []
    const awaitedLong: Array<number> = []
    const bareLong: Array<number> = []
    for (let round = 0; round < roundCount; round++) {
      const [ours, theirs] = await pairs(single)
      awaitedOne.push(ours)
      bareOne.push(theirs)
      const [oursLong, theirsLong] = await pairs(singleLong)
      awaitedLong.push(oursLong)
      bareLong.push(theirsLong)
    }
    return {
      raw: samples("raw"),
      inOrder: samples("inOrder"),
      inChunks: samples("inChunks"),
      durable: samples("durable"),
      hypercore: samples("hypercore"),
      awaitedOne,
      bareOne,
      awaitedLong,
      bareLong
    }
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}

void measure().then((samples) => process.stdout.write(`${JSON.stringify(samples)}\n`))
