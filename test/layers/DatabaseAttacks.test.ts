import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, beforeAll } from "vitest"
import type * as Entry from "../../src/domain/Entry.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import type * as Verdict from "../../src/domain/Verdict.ts"
import * as VerifyDatabase from "../../src/layers/VerifyDatabase.ts"
import { attacker, changed, decode, log, relinked, sibling } from "../fixtures/AttackedLog.ts"
import * as Logs from "../fixtures/Logs.ts"

const size = log.leaves.length
const noteSizes = log.notes.map((note) => note.size)
const all = Array.from({ length: size }, (_, seq) => seq)

let directory = ""
const path = () => Path.join(directory, "audit.db")
beforeAll(() => {
  directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-test-"))
})
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

type Change = (database: Database.Database) => void

const verify = (): Promise<Verdict.Report> =>
  Effect.runPromise(VerifyDatabase.verifyFile(path(), { ...Logs.trusting(log), run: log.run }))

/** The verdict after a change by somebody who can open the file with SQLite. */
const after = async (change: Change): Promise<Verdict.Report> => {
  Logs.writeDatabase(path(), log)
  const database = new Database(path())
  try {
    change(database)
  } finally {
    database.close()
  }
  return verify()
}

/** Replaces all entries. */
const setLeaves =
  (leaves: ReadonlyArray<string>): Change =>
  (database) => {
    database.exec("DELETE FROM entries")
    const insert = database.prepare("INSERT INTO entries(seq, leaf, hash) VALUES (?, ?, ?)")
    leaves.forEach((leaf, seq) => insert.run(seq, leaf, Sha256.leafHash(Buffer.from(leaf, "utf8"))))
  }

const setLeaf =
  (seq: number, leaf: string): Change =>
  (database) =>
    void database
      .prepare("UPDATE entries SET leaf = ?, hash = ? WHERE seq = ?")
      .run(leaf, Sha256.leafHash(Buffer.from(leaf, "utf8")), seq)

/** The last checkpoint at or below, and the first one above, as the bounds between which a change must be named. */
const between = (seq: number): Verdict.SeqRange => [
  Math.max(0, ...noteSizes.filter((note) => note <= seq)),
  Math.min(size, ...noteSizes.filter((note) => note > seq)) - 1
]

const inside = ([from, to]: Verdict.SeqRange, [low, high]: Verdict.SeqRange) => low <= from && to <= high

/**
 * Undefined when it is refused, at the entry itself or, where the chain was made to fit, between the checkpoints around it: which entry of
 * those it was cannot be known, unless another rule is broken there as well.
 */
const misplaced = (report: Verdict.Report, seq: number, exactly = true): string | undefined => {
  const [from, to] = report.firstBad ?? [-1, -1]
  const isFound = exactly ? from === seq && to === seq : inside([from, to], between(seq))
  if (report.verdict === "TAMPERED" && isFound) return undefined
  return `entry ${seq}: ${report.verdict} ${from}..${to}: ${report.why}`
}

const members: Readonly<Record<string, (entry: Entry.Entry) => Partial<Entry.Entry>>> = {
  data: ({ data }) => ({ data: { ...data, more: 1 } }),
  prev: ({ prev }) => ({ prev: `${prev.slice(0, 63)}${prev.endsWith("0") ? "1" : "0"}` }),
  seq: ({ seq }) => ({ seq: seq + 1 }),
  source: ({ source }) => ({ source: source === "agent" ? "shim" : "agent" }),
  ts: ({ ts }) => ({ ts: ts.replace(/\dZ$/, (last) => (last === "9Z" ? "8Z" : "9Z")) }),
  type: ({ type }) => ({ type: `${type}x` })
}

describe("an audit.db after a single change", { timeout: 60_000 }, () => {
  it("is INTACT before it", async () => {
    assert.strictEqual((await after(() => {})).verdict, "INTACT")
  })

  it.each(Object.keys(members))("of the member %s of any entry is found there", async (member) => {
    for (const seq of all) {
      const leaf = log.leaves[seq] ?? ""
      const edited = changed(leaf, members[member]?.(decode(leaf)) ?? {})
      const report = await after(setLeaf(seq, edited))
      // Behind the last entry nothing tells it from the one before.
      if (seq < size - 1) assert.isUndefined(misplaced(report, seq), member)
      else {
        const place = report.firstBad?.[0] ?? -1
        assert.strictEqual(report.verdict, "TAMPERED")
        assert.include([seq - 1, seq], place)
      }
    }
  })

  it("of any entry, with the chain behind it made to fit, is found between its checkpoints", async () => {
    for (const seq of all) {
      const { leaves } = Logs.relink(log, seq)
      assert.isUndefined(misplaced(await after(setLeaves(leaves)), seq, false), "relinked")
    }
  })

  it("by which any entry is missing is found there", async () => {
    for (const seq of all) {
      const report = await after((database) => database.prepare("DELETE FROM entries WHERE seq = ?").run(seq))
      if (seq === size - 1) assert.deepStrictEqual([report.verdict, report.firstBad], ["TRUNCATED", [seq, seq]])
      else assert.isUndefined(misplaced(report, seq), "deleted")
      const renumbered = await after(setLeaves(log.leaves.toSpliced(seq, 1)))
      if (seq < size - 1) assert.isUndefined(misplaced(renumbered, seq), "deleted and renumbered")
      const fitting = await after(setLeaves(relinked(log.leaves.toSpliced(seq, 1))))
      if (seq < size - 2) assert.isUndefined(misplaced(fitting, seq, false), "deleted and relinked")
      else assert.strictEqual(fitting.verdict, "TRUNCATED")
    }
  })

  it("by which any entry is there twice is found at the second", async () => {
    for (const seq of all.slice(0, -1)) {
      const twice = log.leaves.toSpliced(seq, 0, log.leaves[seq] ?? "")
      assert.isUndefined(misplaced(await after(setLeaves(twice)), seq + 1), "twice")
      assert.isUndefined(misplaced(await after(setLeaves(relinked(twice))), seq + 1, false), "twice and relinked")
    }
  })

  it("by which two neighbours change places is found at the first", async () => {
    for (const seq of all.slice(0, -1)) {
      const [first = "", second = ""] = log.leaves.slice(seq, seq + 2)
      const swapped = log.leaves.toSpliced(seq, 2, second, first)
      assert.isUndefined(misplaced(await after(setLeaves(swapped)), seq), "swapped")
      assert.isUndefined(misplaced(await after(setLeaves(relinked(swapped))), seq, false), "swapped and relinked")
    }
  })

  it("by which an entry is inserted is found there", async () => {
    const forged = attacker.leaves.find((leaf) => decode(leaf).type === "console") ?? ""
    for (const seq of all.slice(1)) {
      assert.isUndefined(misplaced(await after(setLeaves(log.leaves.toSpliced(seq, 0, forged))), seq), "inserted")
      const fitting = await after(setLeaves(relinked(log.leaves.toSpliced(seq, 0, forged))))
      assert.isUndefined(misplaced(fitting, seq, false), "inserted and relinked")
    }
  })

  it("by which it goes on with another run's entries is found where they begin", async () => {
    for (const seq of all.slice(1, -1)) {
      const spliced = [...log.leaves.slice(0, seq), ...sibling.leaves.slice(seq)]
      // Its prev does not fit: that, or the hash of the entry before, which is named.
      const report = await after(setLeaves(spliced))
      const place = report.firstBad?.[0] ?? -1
      assert.strictEqual(report.verdict, "TAMPERED")
      assert.include([seq - 1, seq], place)
      assert.isUndefined(misplaced(await after(setLeaves(relinked(spliced))), seq, false), "spliced and relinked")
    }
  })

  it("by which its end is missing is TRUNCATED, and INCOMPLETE at best when the checkpoints are gone too", async () => {
    for (const kept of all) {
      const cut = `DELETE FROM entries WHERE seq >= ${kept}`
      const report = await after((database) => database.exec(cut))
      if (kept === 0) assert.notStrictEqual(report.verdict, "INTACT")
      else assert.deepStrictEqual([report.verdict, report.firstBad?.[0]], ["TRUNCATED", kept], report.why)
      const clean = await after((database) => database.exec(`${cut}; DELETE FROM checkpoints WHERE size > ${kept}`))
      const expected = kept === 0 ? "MALFORMED" : noteSizes.includes(kept) ? "INCOMPLETE" : "UNSIGNED TAIL"
      const orphaned = log.disclosures.some(({ seq }) => seq >= kept)
      if (!orphaned) assert.strictEqual(clean.verdict, expected, clean.why)
      else assert.include([expected, "MALFORMED", "TRUNCATED"], clean.verdict)
    }
  })

  it("by which any one checkpoint, or all, are missing is never INTACT", async () => {
    const last = noteSizes.at(-1) ?? 0
    for (const gone of noteSizes) {
      const report = await after((database) => database.prepare("DELETE FROM checkpoints WHERE size = ?").run(gone))
      const from = Math.max(0, ...noteSizes.filter((note) => note < gone))
      if (gone === last) {
        assert.deepStrictEqual([report.verdict, report.firstBad], ["UNSIGNED TAIL", [from, size - 1]])
      } else {
        assert.strictEqual(report.verdict, "TAMPERED", `${gone}: ${report.why}`)
        assert.isNotNull(report.firstBad)
      }
    }
    const none = await after((database) => database.exec("DELETE FROM checkpoints"))
    assert.notStrictEqual(none.verdict, "INTACT")
  })

  it("of any byte of any note is never INTACT, and is found at its entries", async () => {
    for (const { note, size: at } of log.notes) {
      const places = Array.from({ length: note.length }, (_, place) => place)
      for (const place of places.filter((place) => place % 7 === 0 || note[place] === "\n")) {
        const other = note[place] === "A" ? "B" : "A"
        const edited = `${note.slice(0, place)}${other}${note.slice(place + 1)}`
        const report = await after((database) =>
          database.prepare("UPDATE checkpoints SET note = ? WHERE size = ?").run(edited, at)
        )
        assert.include(["TAMPERED", "MALFORMED"], report.verdict, `size ${at}, character ${place}: ${report.why}`)
        if (report.verdict === "TAMPERED") {
          const [low, high] = [Math.max(0, ...noteSizes.filter((note) => note < at)), at - 1]
          assert.isTrue(inside(report.firstBad ?? [-1, -1], [low, high]), `size ${at}: ${report.why}`)
        }
      }
    }
  })

  it("by which two notes change places, or one is another run's, is never INTACT", async () => {
    for (const [at, note] of log.notes.entries()) {
      const other = log.notes[(at + 1) % log.notes.length]
      const set =
        (text: string | undefined): Change =>
        (database) =>
          void database.prepare("UPDATE checkpoints SET note = ? WHERE size = ?").run(text, note.size)
      for (const text of [other?.note, sibling.notes[at]?.note, attacker.notes[at]?.note]) {
        assert.include(["TAMPERED", "MALFORMED", "WRONG RUN"], (await after(set(text))).verdict)
      }
      const moved = await after((database) =>
        database.prepare("UPDATE checkpoints SET size = size + 100 WHERE size = ?").run(note.size)
      )
      assert.notStrictEqual(moved.verdict, "INTACT", `moved ${note.size}`)
    }
  })

  it("of its schema is MALFORMED", async () => {
    const changes = [
      "CREATE TABLE more(x)",
      "CREATE INDEX more ON entries(leaf)",
      "CREATE VIEW more AS SELECT * FROM entries",
      "CREATE TRIGGER more AFTER INSERT ON entries BEGIN SELECT 1; END",
      "ALTER TABLE entries ADD COLUMN more TEXT",
      "ALTER TABLE checkpoints RENAME TO notes",
      "DROP TABLE tiles",
      "DROP TABLE evidence",
      "ALTER TABLE entries RENAME TO hidden; CREATE VIEW entries AS SELECT * FROM hidden"
    ]
    for (const sql of changes) {
      const report = await after((database) => database.exec(sql))
      assert.strictEqual(report.verdict, "MALFORMED", sql)
      assert.notStrictEqual(report.why, "")
    }
  })

  it("for another run's, another installation's or a run of the attacker's is told by name", async () => {
    Logs.writeDatabase(path(), sibling)
    assert.strictEqual((await verify()).verdict, "WRONG RUN")
    Logs.writeDatabase(path(), attacker)
    assert.strictEqual((await verify()).verdict, "KEY UNKNOWN")
  })

  it("of a disclosure is found at its entry; without it the value is withheld and the log INTACT", async () => {
    const bodies = ['["AAAAAAAAAAAAAAAAAAAAAA","forged"]', "[]", "not JSON", '["short",1]', ""]
    for (const { body, seq } of log.disclosures) {
      for (const forged of bodies) {
        const report = await after((database) =>
          database.prepare("UPDATE disclosures SET body = ? WHERE seq = ?").run(forged, seq)
        )
        assert.include(["TAMPERED", "MALFORMED"], report.verdict, forged)
      }
      for (const place of [0, seq - 1, seq + 1, size - 1, size + 5]) {
        const moved = await after((database) =>
          database.prepare("UPDATE disclosures SET seq = ? WHERE seq = ?").run(place, seq)
        )
        assert.include(["TAMPERED", "MALFORMED"], moved.verdict, `moved to ${place}`)
        const added = await after((database) =>
          database.prepare("INSERT INTO disclosures(seq, body) VALUES (?, ?)").run(place, body)
        )
        assert.include(["TAMPERED", "MALFORMED"], added.verdict, `added at ${place}`)
      }
      const withheld = await after((database) => database.prepare("DELETE FROM disclosures WHERE seq = ?").run(seq))
      const { disclosed, withheld: count } = withheld.counts
      assert.deepStrictEqual([withheld.verdict, disclosed, count], ["INTACT", log.disclosures.length - 1, 1])
    }
  })

  it("of the caches, which nobody believes, changes nothing", async () => {
    const whole = await after(() => {})
    for (const sql of [
      "UPDATE entries SET hash = randomblob(32)",
      "UPDATE entries SET hash = x''",
      "INSERT INTO tiles(level, n, data) VALUES (0, 0, randomblob(8192))"
    ]) {
      assert.deepStrictEqual(await after((database) => database.exec(sql)), whole, sql)
    }
  })

  it("by which it also has somebody's cosignature or time stamp does not gain by it", async () => {
    const whole = await after(() => {})
    for (const sql of [
      "INSERT INTO cosignatures(size, line) VALUES (20, 'not a line')",
      `INSERT INTO cosignatures(size, line) VALUES (20, '— witness.example/w1 AAAAAAAA' || char(10))`,
      "INSERT INTO cosignatures(size, line) VALUES (19, 'of no checkpoint')",
      "INSERT INTO timestamps(size, token) VALUES (20, randomblob(99))",
      "INSERT INTO timestamps(size, token) VALUES (5, randomblob(99))",
      "INSERT INTO evidence(kind, body) VALUES ('ledger', 'not a proof')",
      "INSERT INTO evidence(kind, body) VALUES ('gossip', 'x')"
    ]) {
      const { anchors, counts, verdict } = await after((database) => database.exec(sql))
      assert.deepStrictEqual(anchors, [], sql)
      assert.deepStrictEqual([counts.cosignatures, counts.timestamps, counts.ledger], [0, 0, 0], sql)
      assert.include([whole.verdict, "TAMPERED", "MALFORMED"], verdict, sql)
    }
  })
})
