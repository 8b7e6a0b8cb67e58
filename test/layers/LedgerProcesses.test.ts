import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as SignerFile from "../../src/layers/SignerFile.ts"
import * as Home from "./LedgerHome.ts"

const projectRoot = fileURLToPath(new URL("../..", import.meta.url))
const scratch = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-appender-"))
const script = Path.join(scratch, "appender.cjs")

beforeAll(async () => {
  await build({
    absWorkingDir: projectRoot,
    entryPoints: ["test/layers/LedgerAppender.ts"],
    outfile: script,
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["better-sqlite3"],
    logLevel: "warning"
  })
})

afterAll(() => Fs.rmSync(scratch, { recursive: true }))

interface Appender {
  readonly child: ChildProcess
  /** What it said, in order; complete once `ended` is. */
  readonly lines: ReadonlyArray<string>
  readonly ended: Promise<number | NodeJS.Signals>
}

/** @param onLine called with the count of lines so far */
const start = (
  home: Home.Home,
  name: string,
  count: number,
  onLine: (lines: number, child: ChildProcess) => void = () => {}
): Appender => {
  const child = spawn(process.execPath, [script, home.directory, name, String(count)], {
    env: { ...process.env, NODE_PATH: Path.join(projectRoot, "node_modules") },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const lines: Array<string> = []
  const reader = createInterface({ input: child.stdout })
  reader.on("line", (line) => onLine(lines.push(line), child))
  const ended = Promise.all([once(child, "exit"), once(reader, "close")]).then(([[code, signal]]) => code ?? signal)
  return { child, lines, ended }
}

const hostOf = (home: Home.Home) =>
  Effect.map(SignerFile.make({ keysDirectory: home.keysDirectory }), (signer) => signer.host)

/** Each answer names an entry that is there, of that type and about that run. */
const assertAnswered = (home: Home.Home, lines: ReadonlyArray<string>) => {
  const leaves = Home.leaves(home)
  for (const line of lines) {
    const [seq, type, run] = line.split(" ")
    const leaf = leaves[Number(seq)] ?? ""
    assert.isTrue(leaf.endsWith(`"type":"${type}"}`) && leaf.includes(`/${run}"`), `${line}: ${leaf}`)
  }
}

describe("a ledger and many processes", () => {
  it.scopedLive(
    "keeps all that 8 processes append at once, in one order, and verifies",
    () =>
      Effect.gen(function* () {
        const home = yield* Home.make
        const appenders = Array.from({ length: 8 }, (_, n) => start(home, `p${n}`, 25))
        const statuses = yield* Effect.promise(() => Promise.all(appenders.map(({ ended }) => ended)))
        assert.deepStrictEqual(
          statuses,
          Array.from({ length: 8 }, () => 0)
        )
        const answers = appenders.flatMap(({ lines }) => lines)
        assert.strictEqual(answers.length, 200)
        assert.strictEqual(new Set(answers.map((line) => line.split(" ")[0])).size, 200)
        assertAnswered(home, answers)
        const runEntries = Home.types(home).filter((type) => type.startsWith("run."))
        assert.strictEqual(runEntries.length, 200)
        const report = yield* Home.verify(home, yield* hostOf(home))
        assert.strictEqual(report.verdict, "INCOMPLETE", report.why)
        assert.strictEqual(report.counts.epochs, 1 + 8 * 8)
        assert.isTrue(Fs.existsSync(home.key))
        assert.isFalse(Fs.existsSync(home.nextKey))
      }),
    120_000
  )

  it.scopedLive(
    "loses nothing that was answered when its writers are killed, and goes on every time",
    () =>
      Effect.gen(function* () {
        const home = yield* Home.make
        const kills = 16
        const answers: Array<string> = []
        for (let n = 0; n < kills; n++) {
          // Killed in the middle of what follows its nth answer: an open, a point or a close.
          const killed = start(home, `k${n}`, 1000, (lines, child) => {
            if (lines > n % 7) child.kill("SIGKILL")
          })
          const beside = start(home, `b${n}`, 3)
          const [signal, status] = yield* Effect.promise(() => Promise.all([killed.ended, beside.ended]))
          assert.deepStrictEqual([signal, status], ["SIGKILL", 0])
          answers.push(...killed.lines, ...beside.lines)
        }
        assertAnswered(home, answers)
        const report = yield* Home.verify(home, yield* hostOf(home))
        assert.strictEqual(report.verdict, "INCOMPLETE", report.why)
        assert.strictEqual(report.counts.signed, report.counts.entries)
      }),
    120_000
  )
})
