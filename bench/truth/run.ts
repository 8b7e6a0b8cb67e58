/**
 * `npm run ground-truth -- coverage [NAME…]`: runs the workloads under strace and in each mode and prints, as the table of
 * docs/coverage.md, what each mode missed. Exits 1 when a promise of that page is broken.
 *
 * @module
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Coverage from "./Coverage.ts"
import * as Guest from "./Guest.ts"
import * as Loopback from "./Loopback.ts"
import * as Programs from "./Programs.ts"
import * as Table from "./Table.ts"
import { workloads } from "./Workloads.ts"

const print = (line: string) => process.stdout.write(`${line}\n`)

const isThere = (command: string): boolean => {
  try {
    execFileSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore", env: { ...Guest.environment("/") } })
    return true
  } catch {
    return false
  }
}

const coverage = async (names: ReadonlyArray<string>): Promise<void> => {
  const chosen = workloads.filter(({ name }) => names.length === 0 || names.includes(name))
  const missing = ["strace", ...new Set(chosen.flatMap(({ needs }) => needs))].filter((command) => !isThere(command))
  if (chosen.length === 0 || missing.length > 0) {
    throw new Error(
      chosen.length === 0 ? `no workload is called ${names.join(" ")}` : `not installed: ${missing.join(" ")}`
    )
  }
  const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-truth-"))
  const loopback = await Loopback.start(Path.join(root, "loopback.sock"))
  try {
    Programs.build(Path.join(root, "programs"))
    const env = { ...loopback.env, TRUTH_PROGRAMS: Path.join(root, "programs"), TRUTH_SOURCES: Programs.sources }
    const results: Array<Coverage.Result> = []
    for (const line of Table.head) print(line)
    for (const workload of chosen) {
      const result = await Coverage.measure({ root, env }, workload, Guest.modes)
      results.push(result)
      print(Table.row(result))
    }
    print(Table.foot(results))
    const broken = results.flatMap(({ broken, workload }) => broken.map((line) => `${workload.name}: ${line}`))
    if (process.env["TRUTH_VERBOSE"] !== undefined) for (const line of Table.reasons(results)) print(line)
    for (const line of broken) print(`BROKEN: ${line}`)
    if (broken.length > 0) process.exitCode = 1
  } finally {
    await loopback.close()
    Fs.rmSync(root, { recursive: true, force: true, maxRetries: 3 })
  }
}

const [what, ...names] = process.argv.slice(2)
if (what === "coverage") await coverage(names)
else {
  print("usage: npm run ground-truth -- coverage [NAME...]")
  process.exitCode = 2
}
