/**
 * `npm run ground-truth -- coverage [NAME…]`: runs the workloads under strace and in each mode and prints, as the table of
 * docs/coverage.md, what each mode missed (TRUTH_VERBOSE=1: and every key of it).
 *
 * `npm run ground-truth -- undisturbed [NAME…]`: runs real projects bare and in each mode, and prints whether they did the
 * same.
 *
 * Both exit 1 when a promise of that page is broken, or when something that they need is not installed.
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
import * as Undisturbed from "./Undisturbed.ts"
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

interface Choice {
  readonly name: string
  readonly needs: ReadonlyArray<string>
  readonly optional?: true
}

/** Refuses names that do not exist, and machines on which something is not installed. */
const choose = <A extends Choice>(all: ReadonlyArray<A>, names: ReadonlyArray<string>): ReadonlyArray<A> => {
  const unknown = names.filter((name) => !all.some((one) => one.name === name))
  if (unknown.length > 0) {
    throw new Error(`there is no ${unknown.join(", ")}; there are: ${all.map(({ name }) => name).join(", ")}`)
  }
  const lacks = ({ needs }: Choice) => needs.filter((command) => !isThere(command))
  const asked = all.filter(({ name }) => names.length === 0 || names.includes(name))
  const skipped = asked.filter((one) => one.optional === true && lacks(one).length > 0)
  for (const one of skipped) print(`NOT RUN: ${one.name}: not installed: ${lacks(one).join(", ")}`)
  const chosen = asked.filter((one) => !skipped.includes(one))
  const missing = [...new Set(chosen.flatMap(lacks))]
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(", ")}`)
  return chosen
}

const say = (
  results: ReadonlyArray<{ readonly broken: ReadonlyArray<string> }>,
  names: ReadonlyArray<string>
): void => {
  const broken = results.flatMap((result, at) => result.broken.map((line) => `${names[at]}: ${line}`))
  for (const line of broken) print(`BROKEN: ${line}`)
  if (broken.length > 0) process.exitCode = 1
}

const coverage = async (root: string, names: ReadonlyArray<string>): Promise<void> => {
  if (!isThere("strace")) throw new Error("not installed: strace")
  const chosen = choose(workloads, names)
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
    if (process.env["TRUTH_VERBOSE"] !== undefined) for (const line of Table.reasons(results)) print(line)
    say(
      results,
      results.map(({ workload }) => workload.name)
    )
  } finally {
    await loopback.close()
  }
}

const undisturbed = async (root: string, names: ReadonlyArray<string>): Promise<void> => {
  const chosen = choose(Undisturbed.projects, names)
  const results: Array<Undisturbed.Result> = []
  for (const line of Table.undisturbedHead) print(line)
  for (const project of chosen) {
    const result = await Undisturbed.measure(root, project)
    results.push(result)
    print(Table.undisturbedRow(result))
  }
  say(
    results,
    results.map(({ project }) => project.name)
  )
}

const [what, ...names] = process.argv.slice(2)
const program = what === "coverage" ? coverage : what === "undisturbed" ? undisturbed : undefined
if (program === undefined) {
  print("usage: npm run ground-truth -- coverage|undisturbed [NAME...]")
  process.exitCode = 2
} else {
  const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-truth-"))
  try {
    await program(root, names)
  } catch (error) {
    print(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  } finally {
    Fs.rmSync(root, { recursive: true, force: true, maxRetries: 3 })
  }
}
