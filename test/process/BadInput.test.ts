import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Cli from "../fixtures/Cli.ts"
import { fixture, vectors } from "../fixtures/Vectors.ts"

/** A home with two runs, and files that are wrong in one way each. */
let root = ""
const at = (...path: ReadonlyArray<string>) => Path.join(root, ...path)
const home = () => at("home")
const witnessKey = vectors.keys.witness1.vkey

beforeAll(async () => {
  root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-bad-"))
  Fs.mkdirSync(at("work"))
  for (const name of ["one", "two"]) {
    const { status } = await Cli.agent(["run", "-q", "--name", name, "--", "echo", name], { home: home() })
    assert.strictEqual(status, 0)
  }
  const files: Readonly<Record<string, string | Uint8Array>> = {
    "not.json": "this is not JSON\n",
    "other.json": '{"format":"something-else/7"}\n',
    empty: "",
    binary: Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 37) % 256)),
    "header-only.json": `{"format":"agent-audit-bundle/1","kind":"full","origin":"x","records":[\n`,
    "policy-garbage": "log what is this\n",
    "policy-quorum": `quorum nobody\n`,
    "known-garbage": "not a note\n",
    "ca-garbage": "-----BEGIN NOTHING-----\n",
    "ca-broken": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
  }
  for (const [name, content] of Object.entries(files)) Fs.writeFileSync(at("work", name), content)
  Fs.copyFileSync(fixture("bundles/ok-five.json"), at("work", "good.json"))
  Fs.mkdirSync(at("work", "directory"))
  Fs.writeFileSync(at("work", "directory", "file"), "")
}, 60_000)

afterAll(() => Cli.remove(root))

type Bad = readonly [args: ReadonlyArray<string>, status: number, words: RegExp]

const commands: ReadonlyArray<Bad> = [
  // Runs
  [["audit", "nothing"], 2, /no run is called "nothing".*agent list/],
  [["audit", ""], 2, /no run is called ""/],
  [["audit", "run_"], 2, /could be run_[0-9a-f]{12}, run_[0-9a-f]{12}; give more of the id/],
  [["audit", "../../etc"], 2, /no run is called/],
  [["audit", "one", "two"], 2, /see: agent --help/],
  // Words that nobody knows
  [["frobnicate"], 2, /see: agent --help/],
  [["--frobnicate"], 2, /see: agent --help/],
  [["audit", "--frobnicate"], 2, /frobnicate.*see: agent .*--help/],
  [["list", "--frobnicate"], 2, /see: agent --help/],
  [["trust", "frobnicate"], 2, /see: agent --help/],
  [["run", "--frobnicate", "--", "touch", "ran"], 2, /frobnicate.*see: agent .*--help/],
  [["run", "--quite", "--", "touch", "ran"], 2, /see: agent --help/],
  [["audit", "one", "--policy"], 2, /see: agent --help/],
  [["audit", "--", "one"], 2, /two dashes/],
  // agent run
  [["run"], 2, /no command to run.*agent run -- COMMAND/],
  [["run", "--"], 2, /no command to run/],
  [["run", "--", ""], 2, /no command to run/],
  [["run", "--name", "one", "--", "touch", "ran"], 2, /the name "one" belongs to run_/],
  [["run", "--name", "latest", "--", "touch", "ran"], 2, /--name latest/],
  [["run", "--name", "run_x", "--", "touch", "ran"], 2, /--name run_x/],
  [["run", "--name", "a/b", "--", "touch", "ran"], 2, /--name a\/b/],
  [["run", "--workspace", "missing", "--", "touch", "ran"], 2, /--workspace .*missing: no such directory/],
  [["run", "--workspace", "empty", "--", "touch", "ran"], 2, /--workspace .*empty: no such directory/],
  [["run", "--timeout", "soon", "--", "touch", "ran"], 2, /--timeout soon: give a duration/],
  [["run", "--timeout", "0", "--", "touch", "ran"], 2, /--timeout 0/],
  [["run", "--timeout=-5s", "--", "touch", "ran"], 2, /--timeout -5s/],
  [["run", "--on-audit-failure", "maybe", "--", "touch", "ran"], 2, /see: agent --help/],
  [["run", "--env", "A B=c", "--", "touch", "ran"], 2, /--env A B: give NAME=VALUE/],
  // What a reader brings
  [["audit", "one", "--policy", "missing"], 2, /--policy missing: /],
  [["audit", "one", "--policy", "directory"], 2, /--policy directory: /],
  [["audit", "one", "--policy", "policy-garbage"], 2, /--policy policy-garbage: .*line 1/],
  [["audit", "one", "--policy", "policy-quorum"], 2, /--policy policy-quorum: /],
  [["audit", "one", "--policy", "binary"], 2, /--policy binary: /],
  [["audit", "one", "--policy", "huge"], 2, /--policy huge: .*1 MiB/],
  [["audit", "one", "--known", "missing"], 2, /--known missing: /],
  [["audit", "one", "--known", "known-garbage"], 2, /--known known-garbage: /],
  [["audit", "one", "--known", "empty"], 2, /--known empty: /],
  [["audit", "one", "--tsa-ca", "missing"], 2, /--tsa-ca missing: /],
  [["audit", "one", "--tsa-ca", "ca-garbage"], 2, /--tsa-ca ca-garbage: there is no PEM certificate/],
  [["audit", "one", "--tsa-ca", "ca-broken"], 2, /--tsa-ca ca-broken: a certificate in it cannot be read/],
  // Exports
  [["audit", "one", "--entries", "1..2"], 2, /--entries and --type go with --export/],
  [["audit", "one", "--export", "out", "--entries", "nonsense"], 2, /--entries takes A\.\.B/],
  [["audit", "one", "--export", "out", "--entries", "3..1"], 2, /--entries takes A\.\.B/],
  [["audit", "one", "--export", "out", "--entries", "-1..2"], 2, /./],
  [["audit", "one", "--export", "out", "--entries", "0..99"], 2, /99/],
  [["audit", "one", "--export", "out", "--entries", "999999999999999"], 2, /999999999999999/],
  [["audit", "one", "--export", "out", "--type", "network"], 2, /network/],
  [["audit", "one", "--export", "out", "--type", "not a type"], 2, /not a type/],
  [["audit", "one", "--proof", "99"], 2, /99/],
  [["audit", "one", "--proof", "x"], 2, /--proof takes the number of one entry/],
  [["audit", "one", "--proof", "0..1"], 2, /--proof takes the number of one entry/],
  [["audit", "one", "--export", "missing/out"], 1, /missing\/out/],
  [["audit", "one", "--export", "directory"], 1, /directory/],
  [["audit", "one", "--export", "empty/out"], 1, /empty/],
  [["audit", "one", "--export-tiles", "directory"], 1, /directory/],
  [["audit", "one", "--export-tiles", "missing/out"], 1, /missing/],
  [["audit", "one", "--export", "-", "--json"], 2, /only one thing can go to standard output/],
  [["audit", "one", "--verify", "good.json"], 2, /not both/],
  [["audit", "--verify", "good.json", "--export", "out"], 2, /--verify only checks/],
  // Files to verify
  [["audit", "--verify", "missing.json"], 2, /cannot read missing\.json: there is no such file/],
  [["audit", "--verify", "directory"], 2, /cannot read directory: it is a directory/],
  [["audit", "--verify", "empty/under"], 2, /cannot read empty\/under/],
  // Trust
  [["trust", "add", "garbage"], 2, /a key looks like NAME\+01234567\+BASE64/],
  [["trust", "add", witnessKey], 2, /the key of a witness/],
  [["trust", "add"], 2, /see: agent --help/]
]

const isExport = (args: ReadonlyArray<string>) => args.some((arg) => /^--(?:export|export-tiles|proof)$/.test(arg))

describe("bad input: one line that says what, the status that is documented, and nothing left behind", () => {
  it.each(commands)("agent %j: status %d", { timeout: 60_000 }, async (args, status, words) => {
    if (args.includes("huge")) {
      Fs.writeFileSync(at("work", "huge"), "")
      Fs.truncateSync(at("work", "huge"), 2 * 1024 ** 3)
    }
    const before = [Cli.listing(home()), Cli.listing(at("work"))]
    const run = await Cli.agent(args, { home: home(), cwd: at("work") })
    // The verdict comes before an export that fails; on stderr where standard output was for a proof.
    const said = run.stderr.replace(/^INTACT[^]*?\n(?=agent: )/, "")
    assert.match(said, /^agent: [^\n]+\n$/)
    assert.match(said, words)
    assert.strictEqual(run.status, status)
    if (!isExport(args)) assert.notMatch(run.stdout + run.stderr, /INTACT/)
    assert.deepStrictEqual([Cli.listing(home()), Cli.listing(at("work"))], before)
  })

  it.each(commands.filter(([args]) => args[0] === "run"))(
    "agent %j makes no home",
    { timeout: 60_000 },
    async (args) => {
      if (args.includes("one")) return // the name is only taken where there is a run
      const fresh = Path.join(Cli.scratch(), "home")
      assert.strictEqual((await Cli.agent(args, { home: fresh, cwd: at("work") })).status, 2)
      assert.isFalse(Fs.existsSync(fresh))
    }
  )

  it("an unknown flag behind the two dashes is the command's", { timeout: 60_000 }, async () => {
    const run = await Cli.agent(["run", "-q", "--", "echo", "--frobnicate"], { home: Cli.newHome() })
    assert.deepStrictEqual([run.status, run.stdout], [0, "--frobnicate\n"])
  })
})

describe("bad bundles are MALFORMED, in bounded time and memory", { timeout: 120_000 }, () => {
  it.each(["not.json", "other.json", "empty", "binary", "header-only.json"])("%s", async (name) => {
    const before = Cli.listing(root)
    const { report, status, stderr } = await Cli.audit(["--verify", name], { home: home(), cwd: at("work") })
    assert.deepStrictEqual([report.verdict, report.first_bad, status, stderr], ["MALFORMED", null, 3, ""])
    assert.notStrictEqual(report.why, "")
    assert.deepStrictEqual(Cli.listing(root), before)
  })

  /** Runs what follows and prints the largest memory of it, in KiB, on stderr. */
  const measure = `
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)`
  const measured = async (args: ReadonlyArray<string>, options: Cli.Options) => {
    const run = await Cli.agent(args, { ...options, through: ["python3", "-c", measure] })
    const lines = run.stderr.trim().split("\n")
    return { ...run, kib: Number(lines.pop()), stderr: lines.join("\n") }
  }

  it.each([
    ["alone", ""],
    ["behind a header", Fs.readFileSync(fixture("bundles/ok-five.json"), "utf8").split("\n", 4).join("\n") + "\n"]
  ])("a line of 2 GB, %s", async (_name, before) => {
    const path = Path.join(Cli.scratch(), "line.json")
    Fs.writeFileSync(path, before)
    Fs.truncateSync(path, 2 * 1024 ** 3)
    const { kib, millis, status, stderr, stdout } = await measured(["audit", "--verify", path], { home: home() })
    assert.deepStrictEqual([status, stderr], [3, ""])
    assert.match(stdout, /^MALFORMED/)
    assert.isBelow(kib, 200 * 1024)
    assert.isBelow(millis, 15_000)
  })

  it("a line without end on standard input", async () => {
    const zero = Fs.openSync("/dev/zero", "r")
    try {
      const { kib, status, stdout } = await measured(["audit", "--verify", "-"], { home: home(), stdin: zero })
      assert.strictEqual(status, 3)
      assert.match(stdout, /^MALFORMED/)
      assert.isBelow(kib, 200 * 1024)
    } finally {
      Fs.closeSync(zero)
    }
  })

  it("metadata that was blown up to 2 GB does not hide the run, nor fill the memory", async () => {
    const own = Cli.newHome()
    await Cli.agent(["run", "-q", "--", "true"], { home: own })
    const run = Cli.onlyRun(own)
    Fs.truncateSync(Path.join(run, "metadata.json"), 2 * 1024 ** 3)
    const listed = await measured(["list"], { home: own })
    assert.strictEqual(listed.status, 0)
    assert.match(listed.stdout, new RegExp(`${Path.basename(run)} .*unknown`))
    assert.isBelow(listed.kib, 200 * 1024)
    const { report } = await Cli.audit([Path.basename(run)], { home: own })
    assert.strictEqual(report.verdict, "INTACT")
  })
})

describe("bad databases in the place of audit.db", { timeout: 120_000 }, () => {
  const replaceBy: ReadonlyArray<readonly [string, (path: string) => void]> = [
    [
      "text",
      (path) => Fs.writeFileSync(path, "this is no database, and longer than a header of SQLite is\n".repeat(99))
    ],
    ["zeros, 2 GB of them", (path) => Fs.truncateSync(path, 0) ?? Fs.truncateSync(path, 2 * 1024 ** 3)],
    ["its own first half", (path) => Fs.truncateSync(path, Fs.statSync(path).size >> 1)],
    ["its own header", (path) => Fs.truncateSync(path, 100)],
    ["a directory", (path) => (Fs.rmSync(path), Fs.mkdirSync(path))],
    [
      "a database of another schema",
      (path) => {
        Fs.rmSync(path)
        const database = new Database(path)
        database.exec("CREATE TABLE entries(seq INTEGER PRIMARY KEY, leaf TEXT); CREATE TABLE other(x)")
        database.close()
      }
    ],
    [
      "a database of another encoding",
      (path) => {
        const texts = Cli.leafTexts(path)
        Fs.rmSync(path)
        const database = new Database(path)
        database.pragma("encoding = 'UTF-16le'")
        database.exec("CREATE TABLE entries(seq INTEGER PRIMARY KEY, leaf TEXT)")
        for (const [seq, text] of texts.entries()) database.prepare("INSERT INTO entries VALUES (?, ?)").run(seq, text)
        database.close()
      }
    ],
    [
      "garbage behind a good header",
      (path) => {
        const bytes = Fs.readFileSync(path)
        for (let at = 4096; at < bytes.length; at++) bytes[at] = (at * 131) % 256
        Fs.writeFileSync(path, bytes)
      }
    ]
  ]

  it.each(replaceBy)("%s", async (name, replace) => {
    const own = Cli.newHome()
    const script = "yes 'some words to fill a page' | head -n 200"
    assert.strictEqual((await Cli.agent(["run", "-q", "--", "sh", "-c", script], { home: own })).status, 0)
    const run = Cli.onlyRun(own)
    replace(Path.join(run, "audit.db"))
    const before = Cli.listing(own)
    const { status, stderr, stdout } = await Cli.agent(["audit"], { home: own })
    assert.notInclude(stdout + stderr, "internal error")
    if (name === "a directory") {
      assert.deepStrictEqual([status, stdout], [2, ""])
      assert.match(stderr, /^agent: cannot read [^\n]*: it is a directory[^\n]*\n$/)
    } else {
      assert.include([1, 3, 4], status)
      assert.match(stdout, /^(?:TAMPERED|MALFORMED|TRUNCATED): /)
      assert.strictEqual(stderr, "")
    }
    const exported = await Cli.agent(["audit", "--export", "out.json"], { home: own, cwd: root })
    assert.notStrictEqual(exported.status, 0)
    assert.match(exported.stderr, /^agent: [^\n]+\n$/)
    assert.isFalse(Fs.existsSync(at("out.json")))
    assert.deepStrictEqual(Cli.listing(own), before)
    const next = await Cli.agent(["run", "-q", "--", "true"], { home: own })
    assert.deepStrictEqual([next.status, next.stderr], [0, ""], "other runs are not affected")
  })

  it("nothing at all: the ledger knows what was there", async () => {
    const own = Cli.newHome()
    await Cli.agent(["run", "-q", "--", "echo", "x"], { home: own })
    const run = Cli.onlyRun(own)
    const entries = Cli.leaves(run).length
    for (const remove of [(path: string) => Fs.truncateSync(path, 0), (path: string) => Fs.rmSync(path)]) {
      remove(Path.join(run, "audit.db"))
      const { report, status } = await Cli.audit([], { home: own })
      assert.deepStrictEqual([report.verdict, report.first_bad, status], ["TRUNCATED", [0, entries - 1], 4])
    }
  })

  it("a killed run's database that is none is told once, and is no obstacle later", async () => {
    const own = Cli.newHome()
    const run = Cli.start(["run", "-q", "--", "sh", "-c", "echo ready; exec sleep 300"], { home: own })
    await run.until(() => run.stdout().length > 0, "the command is ready")
    const guest = () => Cli.leaves(Cli.onlyRun(own)).find(({ data }) => data["action"] === "started")?.data["pid"]
    await Cli.eventually(() => guest() !== undefined, "the start is recorded")
    const pid = Number(guest())
    run.child.kill("SIGKILL")
    process.kill(pid, "SIGKILL")
    await run.done
    const directory = Cli.onlyRun(own)
    for (const suffix of ["-wal", "-shm"]) Fs.rmSync(Path.join(directory, `audit.db${suffix}`), { force: true })
    Fs.writeFileSync(Path.join(directory, "audit.db"), "no database at all, but more than nothing\n".repeat(200))
    const first = await Cli.agent(["list"], { home: own })
    assert.strictEqual(first.status, 0)
    assert.match(first.stderr, /^agent: run_[0-9a-f]{12} could not be recovered: [^\n]+\n$/)
    assert.match(first.stdout, /failed/)
    const second = await Cli.agent(["list"], { home: own })
    assert.deepStrictEqual([second.status, second.stderr], [0, ""])
    const { report, status } = await Cli.audit([], { home: own })
    assert.notStrictEqual(report.verdict, "INTACT")
    assert.include([3, 4], status)
  })
})
