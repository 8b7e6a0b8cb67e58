import { assert, describe, it } from "@effect/vitest"
import type Database from "better-sqlite3"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cli from "../fixtures/Cli.ts"

/** A home with one closed run of 600 lines and more. */
const recorded = async () => {
  const home = Cli.newHome()
  const { status } = await Cli.agent(["run", "-q", "--name", "victim", "--", "sh", "-c", "seq 1 600"], { home })
  assert.strictEqual(status, 0)
  const run = Cli.onlyRun(home)
  return { home, run, path: Path.join(run, "audit.db"), size: Cli.leaves(run).length }
}

type Change = (database: Database.Database, size: number) => void

const attacks: ReadonlyArray<readonly [name: string, change: Change, verdict: string, firstBad: RegExp]> = [
  [
    "a line is edited",
    (database) => database.exec("UPDATE entries SET leaf = replace(leaf, 'stdout', 'stderr') WHERE seq = 200"),
    "TAMPERED",
    /^\[200,200\]$/
  ],
  [
    "a line is removed",
    (database) => database.exec("DELETE FROM entries WHERE seq = 300"),
    "TAMPERED",
    /^\[300,300\]$/
  ],
  [
    "the end is removed",
    (database, size) => database.exec(`DELETE FROM entries WHERE seq >= ${size - 20}`),
    "TRUNCATED",
    /^\[\d+,\d+\]$/
  ],
  [
    "the end is removed with its checkpoints, which the ledger still knows",
    (database, size) =>
      database.exec(`DELETE FROM entries WHERE seq >= ${size - 20}; DELETE FROM checkpoints WHERE size > ${size - 20}`),
    "TRUNCATED",
    /^\[\d+,\d+\]$/
  ],
  [
    "the last checkpoint is removed",
    (database) => database.exec("DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)"),
    "UNSIGNED TAIL",
    /^\[\d+,\d+\]$/
  ],
  [
    "a checkpoint in the middle is removed",
    (database) =>
      database.exec(
        "DELETE FROM checkpoints WHERE size = (SELECT size FROM checkpoints ORDER BY size LIMIT 1 OFFSET 1)"
      ),
    "TAMPERED",
    /^\[\d+,\d+\]$/
  ],
  [
    "a trigger is added",
    (database) => database.exec("CREATE TRIGGER t AFTER INSERT ON entries BEGIN SELECT 1; END"),
    "MALFORMED",
    /^null$/
  ]
]

describe("agent audit of a run of this home", { timeout: 120_000 }, () => {
  it.each(attacks)("when %s", async (_name, change, verdict, firstBad) => {
    const { home, path, size } = await recorded()
    Cli.changing(path, (database) => change(database, size))
    const { report, status, stderr } = await Cli.audit(["victim"], { home })
    assert.strictEqual(report.verdict, verdict, report.why)
    assert.match(JSON.stringify(report.first_bad), firstBad)
    assert.notStrictEqual(status, 0)
    assert.strictEqual(stderr, "")
    const words = await Cli.agent(["audit", "victim"], { home })
    assert.isTrue(words.stdout.startsWith(`${verdict}: `))
    assert.strictEqual(words.status, status)
  })

  it("when another run's database lies in its place", async () => {
    const { home, path, run } = await recorded()
    assert.strictEqual((await Cli.agent(["run", "-q", "--name", "other", "--", "seq", "1", "600"], { home })).status, 0)
    const other = Cli.runsOf(home).find((directory) => directory !== run) ?? ""
    Fs.copyFileSync(Path.join(other, "audit.db"), path)
    const { report } = await Cli.audit(["victim"], { home })
    assert.include(["WRONG RUN", "TAMPERED", "FORKED"], report.verdict)
    assert.strictEqual((await Cli.audit(["other"], { home })).report.verdict, "INTACT")
  })

  it("when the whole run of another home lies in its place", async () => {
    const { home, path } = await recorded()
    const stranger = await recorded()
    Fs.copyFileSync(stranger.path, path)
    const { report } = await Cli.audit(["victim"], { home })
    assert.notStrictEqual(report.verdict, "INTACT")
  })

  it("when its exported bundle is changed in one byte, anywhere", async () => {
    const { home } = await recorded()
    const directory = Cli.scratch()
    const proof = Path.join(directory, "proof.json")
    const changed = Path.join(directory, "changed.json")
    assert.strictEqual((await Cli.agent(["audit", "victim", "--export", proof], { home })).status, 0)
    const bytes = Fs.readFileSync(proof)
    const places = Array.from({ length: 12 }, (_, n) => Math.floor((bytes.length / 12) * n) + 5)
    for (const place of places) {
      const copy = Buffer.from(bytes)
      copy[place] = (copy[place] ?? 0) ^ 1
      Fs.writeFileSync(changed, copy)
      const { report } = await Cli.audit(["--verify", changed], { home })
      assert.notStrictEqual(report.verdict, "INTACT", `byte ${place}`)
    }
    assert.strictEqual((await Cli.audit(["--verify", proof], { home })).report.verdict, "INTACT")
  })
})
