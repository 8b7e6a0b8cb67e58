import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import type * as Verdict from "../../src/domain/Verdict.ts"

const agent = fileURLToPath(new URL("../../bin/agent.cjs", import.meta.url))

interface Report {
  readonly verdict: Verdict.Verdict
  readonly first_bad: Verdict.SeqRange | null
  readonly findings: ReadonlyArray<string>
}

const command = (home: string, ...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [agent, ...args], {
    encoding: "utf8",
    env: { ...process.env, AGENTOPS_HOME: home, NODE_OPTIONS: "" }
  })

const audit = ({ path, run }: { readonly path: string; readonly run: string }): Report =>
  JSON.parse(command(path, "audit", run, "--json").stdout)

const change = (file: string, ...statements: ReadonlyArray<string>) => {
  const database = new Database(file, { fileMustExist: true })
  for (const statement of statements) database.exec(statement)
  database.close()
}

describe("the table of docs/threat-model.md on a home that was changed", () => {
  let directory = ""
  let runs: ReadonlyArray<string> = []
  const original = () => Path.join(directory, "original")

  beforeAll(() => {
    directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-attacks-"))
    for (const text of ["one", "two"]) {
      const { status, stderr } = command(original(), "run", "--", "sh", "-c", `echo ${text}; echo again`)
      assert.strictEqual(status, 0, stderr)
    }
    const listed = command(original(), "list", "--json").stdout.trimEnd().split("\n")
    runs = listed.map((line) => {
      const { run }: { readonly run: string } = JSON.parse(line)
      return run
    })
  }, 60_000)
  afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

  /** A copy of the home, with the first run's log named. */
  const home = (name: string) => {
    const path = Path.join(directory, name)
    Fs.cpSync(original(), path, { recursive: true })
    const [run = "", other = ""] = runs
    const log = (id: string) => Path.join(path, "runs", id, "audit.db")
    return { path, run, auditDb: log(run), otherDb: log(other), ledger: Path.join(path, "ledger.db") }
  }

  it("an untouched copy is INTACT", () => {
    assert.strictEqual(audit(home("untouched")).verdict, "INTACT")
  })

  it("an edited entry is TAMPERED there", () => {
    const changed = home("edited")
    change(changed.auditDb, "UPDATE entries SET leaf = replace(leaf, 'again', 'never') WHERE leaf LIKE '%again%'")
    const { first_bad, verdict } = audit(changed)
    assert.strictEqual(verdict, "TAMPERED")
    const database = new Database(changed.auditDb, { readonly: true })
    const seq = Number(database.prepare("SELECT seq FROM entries WHERE leaf LIKE '%never%'").pluck().get())
    database.close()
    assert.deepStrictEqual(first_bad, [seq, seq])
  })

  it("the log of another run is TAMPERED while the ledger knows this one, and otherwise WRONG RUN", () => {
    const changed = home("swapped")
    Fs.copyFileSync(changed.otherDb, changed.auditDb)
    assert.strictEqual(audit(changed).verdict, "TAMPERED")
    for (const file of Fs.readdirSync(changed.path)) {
      if (file.startsWith("ledger.db")) Fs.rmSync(Path.join(changed.path, file))
    }
    assert.strictEqual(audit(changed).verdict, "WRONG RUN")
  })

  it("an older copy of the log is TRUNCATED", () => {
    const changed = home("older")
    change(changed.auditDb, "DELETE FROM entries WHERE seq > 0", "DELETE FROM checkpoints WHERE size > 1")
    const { first_bad, verdict } = audit(changed)
    assert.deepStrictEqual([verdict, first_bad?.[0]], ["TRUNCATED", 1])
  })

  it("a deleted log is TRUNCATED, and so is a deleted directory that is asked for by its id", () => {
    const changed = home("deleted")
    Fs.rmSync(changed.auditDb)
    const { first_bad, verdict } = audit(changed)
    assert.deepStrictEqual([verdict, first_bad?.[0]], ["TRUNCATED", 0])
    Fs.rmSync(Path.dirname(changed.auditDb), { recursive: true })
    const gone = audit(changed)
    assert.deepStrictEqual([gone.verdict, gone.first_bad], [verdict, first_bad])
    assert.strictEqual(command(changed.path, "audit", changed.run).status, 4)
    assert.strictEqual(command(changed.path, "audit", "run_000000000000").status, 2)
  })

  it("a log with a view in it is MALFORMED", () => {
    const changed = home("view")
    change(changed.auditDb, "CREATE VIEW more AS SELECT 1")
    assert.strictEqual(audit(changed).verdict, "MALFORMED")
  })

  it("cached hashes are not believed", () => {
    const changed = home("hashes")
    change(changed.auditDb, "UPDATE entries SET hash = zeroblob(32)")
    assert.strictEqual(audit(changed).verdict, "INTACT")
  })

  it("a changed ledger is not used, which the report says, and no run begins on it", () => {
    const changed = home("ledger")
    change(changed.ledger, "UPDATE entries SET leaf = replace(leaf, 'closed', 'Closed')")
    const { findings, verdict } = audit(changed)
    assert.strictEqual(verdict, "INTACT")
    assert.isTrue(
      findings.some((finding) => finding.includes("ledger was not used")),
      findings.join("\n")
    )
    assert.strictEqual(command(changed.path, "run", "--", "true").status, 125)
  })

  it("a deleted ledger keeps runs from beginning", () => {
    const changed = home("no-ledger")
    for (const file of Fs.readdirSync(changed.path)) {
      if (file.startsWith("ledger.db")) Fs.rmSync(Path.join(changed.path, file))
    }
    const { findings } = audit(changed)
    assert.isTrue(findings.includes("anchored: none"))
    assert.isTrue(
      findings.some((finding) => finding.includes("says nothing about this run")),
      findings.join("\n")
    )
    assert.strictEqual(command(changed.path, "run", "--", "true").status, 125)
  })

  it("a list believes the metadata, and an audit does not", () => {
    const changed = home("metadata")
    const file = Path.join(Path.dirname(changed.auditDb), "metadata.json")
    Fs.writeFileSync(file, Fs.readFileSync(file, "utf8").replace(/"exit": 0/, '"exit": 7'))
    assert.include(command(changed.path, "list", "--json").stdout, '"exit":7')
    assert.strictEqual(audit(changed).verdict, "INTACT")
  })
})
