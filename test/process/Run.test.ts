import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cli from "../fixtures/Cli.ts"

const closing = (home: string) => Cli.leaves(Cli.onlyRun(home)).at(-1)

const verdictOf = async (home: string): Promise<string> => (await Cli.audit([], { home })).report.verdict

/** Whether any file below the directory holds the text. */
const holds = (directory: string, text: string): ReadonlyArray<string> =>
  Cli.listing(directory).filter((name) => {
    const path = Path.join(directory, name)
    return Fs.statSync(path).isFile() && Fs.readFileSync(path).includes(text)
  })

describe("agent run: exit status", { timeout: 120_000 }, () => {
  it.each([0, 1, 2, 42, 125, 126, 127, 130, 255])("is the command's own: %d", async (status) => {
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "--quiet", "--", "sh", "-c", `exit ${status}`], { home })
    assert.deepStrictEqual([run.status, run.signal, run.stderr], [status, null, ""])
    assert.deepStrictEqual(
      [closing(home)?.type, closing(home)?.data["exit"], closing(home)?.data["reason"]],
      ["log.close", status, "exit"]
    )
    assert.strictEqual(Cli.metadata(Cli.onlyRun(home))["exit"], status)
    assert.strictEqual(await verdictOf(home), "INTACT")
  })

  it.each([
    ["HUP", 129],
    ["INT", 130],
    ["ABRT", 134],
    ["KILL", 137],
    ["SEGV", 139],
    ["TERM", 143]
  ] as const)("is 128+n when SIG%s ended it", async (signal, status) => {
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "--quiet", "--", "sh", "-c", `kill -${signal} $$`], { home })
    assert.strictEqual(run.status, status)
    assert.deepStrictEqual([closing(home)?.data["exit"], closing(home)?.data["reason"]], [status, "signal"])
    const exited = Cli.leaves(Cli.onlyRun(home)).find(({ data }) => data["action"] === "exited")
    assert.strictEqual(exited?.data["signal"], `SIG${signal}`)
    assert.strictEqual(await verdictOf(home), "INTACT")
  })

  it.each([
    ["a command that is not found", "no-such-command-here", 127, /command not found/],
    ["a path that does not exist", "./no/such/file", 127, /no such file/],
    ["a directory", "/", 126, /is a directory/],
    ["a file that is not executable", "plain", 126, /not executable/],
    ["a script whose interpreter is missing", "./script", 126, /interpreter \/no\/such\/shell/]
  ] as const)("of %s (%s) is %d, and that is in the log", async (_name, command, status, words) => {
    const home = Cli.newHome()
    const cwd = Cli.scratch()
    Fs.writeFileSync(Path.join(cwd, "plain"), "")
    Fs.writeFileSync(Path.join(cwd, "script"), "#!/no/such/shell\n", { mode: 0o755 })
    const name = command === "plain" ? Path.join(cwd, "plain") : command
    const run = await Cli.agent(["run", "--quiet", "--", name, "argument"], { home, cwd })
    assert.strictEqual(run.status, status)
    assert.match(run.stderr, /^agent: [^\n]+\n$/)
    assert.match(run.stderr, words)
    assert.deepStrictEqual([closing(home)?.data["exit"], closing(home)?.data["reason"]], [status, "not-started"])
    assert.strictEqual(await verdictOf(home), "INTACT")
  })
})

describe("agent run: flags", { timeout: 120_000 }, () => {
  const secret = "hunter2-0123456789abcdef"

  it("--env reaches the command, and its value is nowhere else", async () => {
    const home = Cli.newHome()
    const script = `[ "$GIVEN" = ${secret.slice(0, 7)}$REST ] && [ "$PASSED" = "$GIVEN" ]`
    const args = ["--env", `GIVEN=${secret}`, "--env", "PASSED", "--env", `REST=${secret.slice(7)}`, "--json"]
    const run = await Cli.agent(["run", ...args, "--", "sh", "-c", script], { home, env: { PASSED: secret } })
    assert.strictEqual(run.status, 0)
    assert.notInclude(run.stdout + run.stderr, secret)
    assert.deepStrictEqual(holds(home, secret), [])
    const created = Cli.leaves(Cli.onlyRun(home)).find(({ data }) => data["action"] === "created")
    assert.deepStrictEqual(created?.data["env"], ["GIVEN", "PASSED", "REST"])
  })

  it("--env with what is no variable is refused without showing it", async () => {
    const home = Cli.newHome()
    for (const given of [`NOT-A-NAME=${secret}`, `=${secret}`, "NOT_SET_ANYWHERE"]) {
      const run = await Cli.agent(["run", "--env", given, "--", "true"], { home })
      assert.strictEqual(run.status, 2)
      assert.match(run.stderr, /^agent: --env [^\n]+\n$/)
      assert.notInclude(run.stderr, secret)
    }
    assert.isFalse(Fs.existsSync(home))
  })

  it("--workspace is the command's working directory", async () => {
    const home = Cli.newHome()
    const workspace = Fs.realpathSync(Cli.scratch())
    Fs.mkdirSync(Path.join(workspace, "below"))
    const script = 'echo "$PWD"; pwd -P'
    const run = await Cli.agent(["run", "-q", "--workspace", "below", "--", "sh", "-c", script], {
      home,
      cwd: workspace
    })
    const below = Path.join(workspace, "below")
    assert.deepStrictEqual([run.status, run.stdout], [0, `${below}\n${below}\n`])
    assert.strictEqual(Cli.metadata(Cli.onlyRun(home))["workspace"], below)
  })

  it("--name names the run, once", async () => {
    const home = Cli.newHome()
    assert.strictEqual((await Cli.agent(["run", "--name", "nightly", "--", "true"], { home })).status, 0)
    assert.strictEqual((await Cli.agent(["audit", "nightly"], { home })).status, 0)
    const again = await Cli.agent(["run", "--name", "nightly", "--", "true"], { home })
    assert.strictEqual(again.status, 2)
    assert.match(again.stderr, /^agent: the name "nightly" belongs to run_[0-9a-f]{12}; [^\n]+\n$/)
    assert.lengthOf(Cli.runsOf(home), 1)
  })

  it("a run is found by its id, by a prefix of it, and as the latest", async () => {
    const home = Cli.newHome()
    for (const status of [1, 2]) await Cli.agent(["run", "-q", "--", "sh", "-c", `exit ${status}`], { home })
    const listed = await Cli.agent(["list", "--json"], { home })
    const runs = listed.stdout
      .trim()
      .split("\n")
      .map((line): { run: string; exit: number; state: string; entries: number } => JSON.parse(line))
    assert.deepStrictEqual(
      runs.map(({ exit, state }) => [exit, state]),
      [
        [2, "closed"],
        [1, "closed"]
      ]
    )
    const [latest, first] = runs
    for (const asked of [first?.run ?? "", first?.run.slice(0, 15) ?? "", first?.run.slice(4) ?? ""]) {
      const audited = await Cli.agent(["audit", asked], { home })
      assert.strictEqual(audited.status, 0)
      assert.include(audited.stdout, first?.run ?? "?")
    }
    assert.include((await Cli.agent(["audit", "latest"], { home })).stdout, latest?.run ?? "?")
    assert.include((await Cli.agent(["audit"], { home })).stdout, latest?.run ?? "?")
  })

  it("--timeout stops the command, and the log says so", async () => {
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "--timeout", "500ms", "--", "sleep", "300"], { home })
    assert.strictEqual(run.status, 143)
    assert.isBelow(run.millis, 9_000)
    assert.include(run.stderr, "timeout, exit 143")
    assert.deepStrictEqual([closing(home)?.data["reason"], closing(home)?.data["exit"]], ["timeout", 143])
    assert.strictEqual(await verdictOf(home), "INTACT")
  })

  it("--timeout kills a command that ignores SIGTERM, after its grace", async () => {
    const home = Cli.newHome()
    const script = "trap '' TERM; echo $$; while :; do sleep 1; done"
    const run = await Cli.agent(["run", "-q", "--timeout", "200ms", "--", "sh", "-c", script], { home })
    assert.strictEqual(run.status, 137)
    assert.isAbove(run.millis, 10_000)
    assert.isFalse(Cli.isAlive(Number(run.stdout)))
    assert.deepStrictEqual([closing(home)?.data["reason"], closing(home)?.data["exit"]], ["timeout", 137])
    assert.strictEqual(await verdictOf(home), "INTACT")
  })

  it("says in one line that there is no isolation, and at the end how to check the run", async () => {
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "--", "echo", "hello"], { home })
    const id = Path.basename(Cli.onlyRun(home))
    const lines = run.stderr.split("\n")
    assert.strictEqual(run.stdout, "hello\n")
    assert.lengthOf(lines, 4)
    assert.match(lines[0] ?? "", new RegExp(`^agent: recording ${id}; no isolation yet: `))
    const { length } = Cli.leaves(Cli.onlyRun(home))
    assert.match(lines[1] ?? "", new RegExp(`^agent: ${id}: ${length} entries, signed; exit 0; [0-9.]+ s$`))
    assert.match(lines[2] ?? "", new RegExp(`agent audit ${id}   .*agent audit ${id} --export proof.json$`))
    for (const command of [`audit ${id}`, `audit ${id} --export proof.json`]) {
      const told = await Cli.agent(command.split(" "), { home, cwd: Cli.scratch() })
      assert.strictEqual(told.status, 0)
    }
  })

  it("--quiet says nothing", async () => {
    const run = await Cli.agent(["run", "--quiet", "--", "echo", "hello"], { home: Cli.newHome() })
    assert.deepStrictEqual([run.stdout, run.stderr], ["hello\n", ""])
  })

  it("--json sums up in one line, with a receipt that audits the run", async () => {
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "--quiet", "--json", "--", "sh", "-c", "echo hello; exit 3"], { home })
    assert.deepStrictEqual([run.status, run.stdout], [3, "hello\n"])
    assert.match(run.stderr, /^[^\n]+\n$/)
    const summary: { checkpoint: string; ms: number } & Record<string, unknown> = JSON.parse(run.stderr)
    assert.deepStrictEqual(Object.keys(summary), ["run", "exit", "reason", "entries", "ms", "checkpoint", "unrecorded"])
    const { checkpoint, ms, ...rest } = summary
    const { length: entries } = Cli.leaves(Cli.onlyRun(home))
    const expected = { run: Path.basename(Cli.onlyRun(home)), exit: 3, reason: "exit", entries, unrecorded: null }
    assert.deepStrictEqual(rest, expected)
    assert.isAbove(ms, 0)
    const note = Path.join(Cli.scratch(), "receipt.note")
    Fs.writeFileSync(note, checkpoint)
    const { report } = await Cli.audit(["--known", note], { home })
    assert.strictEqual(report.verdict, "INTACT")
    assert.isTrue(report.findings.some((finding) => finding.startsWith("anchored: ") && finding !== "anchored: none"))
  })

  it("everything behind the two dashes is the command's", async () => {
    const args = ["--help", "--json", "--", "-x", "", "two words", "*", "$HOME", "ü"]
    const run = await Cli.agent(["run", "-q", "--", "printf", "<%s>", ...args], { home: Cli.newHome() })
    assert.strictEqual(run.stdout, args.map((arg) => `<${arg}>`).join(""))
  })
})

describe("agent run: home", { timeout: 120_000 }, () => {
  it("is ~/.agentops when AGENTOPS_HOME is not set, or empty, and only its owner can enter it", async () => {
    const HOME = Cli.scratch()
    for (const env of [{ HOME }, { HOME, AGENTOPS_HOME: "" }]) {
      assert.strictEqual((await Cli.agent(["run", "-q", "--", "true"], { env })).status, 0)
    }
    const home = Path.join(HOME, ".agentops")
    assert.lengthOf(Cli.runsOf(home), 2)
    assert.deepStrictEqual(Fs.readdirSync(HOME), [".agentops"])
    const mode = (name: string) => (Fs.statSync(Path.join(home, name)).mode & 0o777).toString(8)
    assert.deepStrictEqual(["", "keys", "runs", "keys/host.key"].map(mode), ["700", "700", "700", "600"])
    for (const run of Cli.runsOf(home)) {
      assert.strictEqual(mode(Path.join("runs", Path.basename(run))), "700")
      assert.strictEqual(mode(Path.join("runs", Path.basename(run), "audit.db")), "600")
    }
  })

  it("needs no HOME when AGENTOPS_HOME is set", async () => {
    const home = Cli.newHome()
    const env = { HOME: undefined, USER: undefined, LOGNAME: undefined }
    const run = await Cli.agent(["run", "-q", "--", "sh", "-c", 'echo "${HOME-unset}"'], { home, env })
    assert.deepStrictEqual([run.status, run.stdout], [0, "unset\n"])
    assert.strictEqual((await Cli.audit([], { home, env })).report.verdict, "INTACT")
  })

  it("may have spaces, newlines and characters of other alphabets in its path", async () => {
    const home = Path.join(Cli.scratch(), "a b\n'ü? #%2F")
    assert.strictEqual((await Cli.agent(["run", "-q", "--", "true"], { home })).status, 0)
    assert.strictEqual(await verdictOf(home), "INTACT")
  })

  it("is not made by a command that only looks", async () => {
    const home = Cli.newHome()
    assert.strictEqual((await Cli.agent(["list"], { home })).status, 0)
    assert.strictEqual((await Cli.agent(["audit"], { home })).status, 2)
    assert.strictEqual((await Cli.agent(["trust", "show"], { home })).status, 0)
    assert.isFalse(Fs.existsSync(home))
  })
})
