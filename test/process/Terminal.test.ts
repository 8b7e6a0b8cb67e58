import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Cli from "../fixtures/Cli.ts"

const driver = fileURLToPath(new URL("../fixtures/terminal.py", import.meta.url))

type Step =
  | { readonly expect: string }
  | { readonly send: string }
  | { readonly resize: readonly [rows: number, columns: number] }
  | { readonly signal: string; readonly to: string }
  | { readonly modes: "raw" | "cooked" }
  | { readonly hangup: true }

interface Played {
  readonly error?: string
  readonly status: number | null
  readonly signal: number | null
  readonly shown: string
  readonly restored: boolean
}

/** Plays the steps against a command on a terminal. */
const play = (home: string, argv: ReadonlyArray<string>, steps: ReadonlyArray<Step>): Promise<Played> => {
  const plan = JSON.stringify({ argv, steps, rows: 30, cols: 100 })
  const env = { ...Cli.environment(home), TERM: "xterm", HISTFILE: "" }
  const child = spawn("python3", [driver, plan], { stdio: ["ignore", "pipe", "pipe"], env, cwd: Cli.scratch() })
  const out: Array<Buffer> = []
  const err: Array<Buffer> = []
  child.stdout.on("data", (bytes: Buffer) => out.push(bytes))
  child.stderr.on("data", (bytes: Buffer) => err.push(bytes))
  return new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("close", () => {
      try {
        const played: Played = JSON.parse(Buffer.concat(out).toString())
        if (played.error === undefined) resolve(played)
        else reject(new Error(`${played.error}\n${played.shown}`))
      } catch {
        reject(new Error(`terminal.py: ${Buffer.concat(err).toString()}`))
      }
    })
  })
}

const agent = [process.execPath, Cli.agentPath]

/** Printed by a guest: the process id of agent, which is the parent of the launcher. */
const parent = 'echo parent $(cut -d" " -f4 /proc/$PPID/stat)'

const onTerminal = (home: string, command: ReadonlyArray<string>, steps: ReadonlyArray<Step>, flags = ["-q"]) =>
  play(home, [...agent, "run", ...flags, "--", ...command], steps)

const recorded = (home: string): string => Cli.consoleBytes(Cli.leaves(Cli.onlyRun(home)), "tty").toString()

const assertIntact = async (home: string) => {
  assert.strictEqual((await Cli.audit([], { home })).report.verdict, "INTACT")
}

describe("agent run on a terminal", { timeout: 120_000 }, () => {
  it("gives the command a terminal of the same size, and records what it shows", async () => {
    const home = Cli.newHome()
    const script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size && printf 'grün\\n\\033[1mbold\\033[0m'"
    const played = await onTerminal(home, ["sh", "-c", script], [])
    assert.deepStrictEqual([played.status, played.restored], [0, true])
    assert.strictEqual(played.shown, "30 100\r\ngrün\r\n\u001b[1mbold\u001b[0m")
    assert.strictEqual(recorded(home), played.shown)
    assert.strictEqual(Cli.leaves(Cli.onlyRun(home))[1]?.data["tty"], true)
    await assertIntact(home)
  })

  it("follows the size of the window", async () => {
    const home = Cli.newHome()
    const script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done"
    const played = await onTerminal(
      home,
      ["sh", "-c", script],
      [{ expect: "ready" }, { resize: [41, 123] }, { expect: "41 123" }]
    )
    assert.deepStrictEqual([played.status, played.restored], [0, true])
  })

  it("hands over keys as they are typed, and puts the terminal's modes back", async () => {
    const home = Cli.newHome()
    const script = "stty raw -echo; printf ready; head -c 5 | od -An -tx1; stty sane; exit 6"
    const played = await onTerminal(
      home,
      ["sh", "-c", script],
      [{ modes: "raw" }, { expect: "ready" }, { send: "\u0003\u001a\u0004\r\n" }, { expect: "03 1a 04 0d 0a" }]
    )
    assert.deepStrictEqual([played.status, played.restored], [6, true])
  })

  it("lets Ctrl-C reach the command inside, and nobody else", async () => {
    const home = Cli.newHome()
    const script = "sh -c 'trap \"echo caught; exit 0\" INT; echo ready; while :; do sleep 0.05; done'; echo after"
    const played = await onTerminal(
      home,
      ["bash", "-c", `trap : INT; ${script}; exit 4`],
      [{ expect: "ready" }, { send: "\u0003" }, { expect: "caught" }, { expect: "after" }]
    )
    assert.deepStrictEqual([played.status, played.restored], [4, true])
    const log = Cli.leaves(Cli.onlyRun(home))
    assert.strictEqual(log.at(-1)?.data["reason"], "exit")
    await assertIntact(home)
  })

  it("ends with 130 when Ctrl-C ends the command", async () => {
    const home = Cli.newHome()
    const played = await onTerminal(
      home,
      ["sh", "-c", "echo ready; exec sleep 300"],
      [{ expect: "ready" }, { send: "\u0003" }]
    )
    assert.deepStrictEqual([played.status, played.restored], [130, true])
    await assertIntact(home)
  })

  it("has job control inside", async () => {
    const home = Cli.newHome()
    const played = await onTerminal(
      home,
      ["bash", "--norc", "--noprofile", "-i"],
      [
        { send: "echo go$((1+1))\r" },
        { expect: "go2" },
        { send: "sh -c 'echo job$((1+1)); exec sleep 300'\r" },
        { expect: "job2" },
        { send: "\u001a" },
        { expect: "Stopped" },
        { send: "jobs; kill %1; fg; echo over$((1+1))\r" },
        { expect: "over2" },
        { send: "exit 9\r" }
      ]
    )
    assert.deepStrictEqual([played.status, played.restored], [9, true])
    await assertIntact(home)
  })

  it("stops and goes on when its shell asks, with the terminal's modes of each", async () => {
    const home = Cli.newHome()
    const script = `'stty -echo; ${parent}; read x; echo got $x'`
    const run = [...agent, "run", "-q", "--", "sh", "-c", script].join(" ")
    const played = await play(
      home,
      ["bash", "--norc", "--noprofile", "-i"],
      [
        { send: `${run}\r` },
        { expect: "parent [0-9]+\r" },
        { modes: "raw" },
        { signal: "TSTP", to: "parent ([0-9]+)" },
        { expect: "Stopped" },
        { modes: "cooked" },
        { send: "echo shell$((1+1))\r" },
        { expect: "shell2" },
        { send: "fg\r" },
        { modes: "raw" },
        { send: "word\r" },
        { expect: "got word.*[#$] " }, // keys typed before belong to the command
        { send: "exit 3\r" }
      ]
    )
    assert.strictEqual(played.status, 3)
    await assertIntact(home)
  })

  it("a Ctrl-Z to a command that is no shell, and that nobody could continue, does not hang it", async () => {
    const home = Cli.newHome()
    const script = "echo ready; sleep 1; stty size; read key; echo got $key; exit 3"
    const played = await onTerminal(
      home,
      ["sh", "-c", script],
      [{ expect: "ready" }, { send: "\u001a" }, { expect: "30 100" }, { send: "word\r" }, { expect: "got word" }]
    )
    assert.deepStrictEqual([played.status, played.restored], [3, true])
    await assertIntact(home)
  })

  it("puts the terminal's modes back when agent is ended by a signal", async () => {
    const home = Cli.newHome()
    const script = `${parent}; stty raw -echo; printf 'ready'; exec sleep 300`
    const played = await onTerminal(
      home,
      ["sh", "-c", script],
      [{ expect: "ready" }, { modes: "raw" }, { signal: "TERM", to: "parent ([0-9]+)" }]
    )
    assert.deepStrictEqual([played.status, played.signal, played.restored], [143, null, true])
    await assertIntact(home)
  })

  it("closes the log when the terminal hangs up", async () => {
    const home = Cli.newHome()
    const played = await onTerminal(
      home,
      ["sh", "-c", "echo ready; exec sleep 300"],
      [{ expect: "ready" }, { hangup: true }]
    )
    assert.strictEqual(played.status, 129)
    const last = Cli.leaves(Cli.onlyRun(home)).at(-1)
    assert.strictEqual(last?.type, "log.close")
    await assertIntact(home)
  })

  it("in a pipeline the command has no terminal for its output, and Ctrl-C ends it", async () => {
    const home = Cli.newHome()
    const script = `${agent.join(" ")} run -q -- sh -c '[ -t 0 ] && [ ! -t 1 ] && echo ready; exec sleep 300' | cat`
    const played = await play(home, ["sh", "-c", script], [{ expect: "ready" }, { send: "\u0003" }])
    assert.deepStrictEqual([played.signal ?? played.status], [2])
    await Cli.eventually(() => Cli.metadata(Cli.onlyRun(home))["state"] === "closed", "the run is closed")
    const log = Cli.leaves(Cli.onlyRun(home))
    assert.strictEqual(Cli.consoleBytes(log, "stdout").toString(), "ready\n")
    assert.strictEqual(log.at(-1)?.data["exit"], 130)
    await assertIntact(home)
  })

  it("works under script(1)", async () => {
    const home = Cli.newHome()
    const typescript = Path.join(Cli.scratch(), "typescript")
    const command = `${agent.join(" ")} run -q -- sh -c 'tty; stty size; exit 5'`
    const run = await Cli.shell(`script -qec "${command}" ${typescript} </dev/null`, { home })
    assert.strictEqual(run.status, 5)
    assert.match(run.stdout, /\/dev\/pts\/\d+/)
    await assertIntact(home)
  })
})
