/**
 * Real programs, bare and in each mode: the same exit status and the same output, or they are disturbed.
 *
 * Each has two scripts in real/: NAME.prepare.sh, run once and not watched, fills a directory; NAME.sh is run in a new copy
 * of that directory, always at the same path, once bare and once in each mode.
 *
 * @module
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Collect from "./Collect.ts"
import * as Guest from "./Guest.ts"

export interface Project {
  readonly name: string
  readonly about: string
  readonly needs: ReadonlyArray<string>
}

const make = ["make", "gcc", "apt-get", "dpkg-source", "patch"]

export const projects: ReadonlyArray<Project> = [
  { name: "zlib", about: "Debian's zlib: configure, make -j4, its tests", needs: make },
  {
    name: "jq",
    about: "Debian's jq: make -j4, its tests",
    needs: [...make, "autoreconf", "libtoolize", "flex", "bison"]
  },
  { name: "git", about: "6000 files, 3000 commits: clone, log, grep, checkout, gc, fsck", needs: ["git"] },
  { name: "npm", about: "npm ci from a cache with install scripts, then esbuild, tsc and node", needs: ["npm"] }
]

export interface Result {
  readonly project: Project
  /** Of bare first, then of the modes: what was printed and returned, and the seconds it took. */
  readonly runs: ReadonlyArray<{ readonly mode: "bare" | Guest.Mode; readonly same: boolean; readonly seconds: number }>
  readonly broken: ReadonlyArray<string>
}

const scripts = fileURLToPath(new URL("./real", import.meta.url))

/** Longest that one run of a project may take. */
const patience = 900_000

/** What differs from run to run although the program does the same: durations, temporary names, the order of parallel jobs. */
export const normalise = (output: string): ReadonlyArray<string> =>
  output
    .split("\n")
    .filter((line) => !line.startsWith("agent: "))
    .map((line) => line.replace(/\bin \d+(?:\.\d+)?m?s\b/, "in TIME").replaceAll(/\/cc[A-Za-z0-9]{6}\b/g, "/ccRANDOM"))
    .toSorted()

const differences = (ours: ReadonlyArray<string>, bare: ReadonlyArray<string>): string => {
  const [here, there] = [new Set(ours), new Set(bare)]
  const more = ours.filter((line) => !there.has(line)).map((line) => `+ ${line}`)
  const less = bare.filter((line) => !here.has(line)).map((line) => `- ${line}`)
  return [...more.slice(0, 10), ...less.slice(0, 10)].join("\n")
}

const renew = (directory: string): void => {
  Fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  Fs.mkdirSync(directory, { recursive: true })
}

/** Prepares a project, and runs it bare and in each mode. */
export const measure = async (root: string, project: Project): Promise<Result> => {
  const { name } = project
  const prepared = Path.join(root, "prepared")
  const work = Path.join(root, "run")
  const home = Path.join(root, "record")
  renew(prepared)
  const env: Record<string, string> = { REAL: scripts }
  for (const [key, value] of Object.entries(process.env)) if (value !== undefined) env[key] ??= value
  const script = (part: string) => ["/bin/bash", Path.join(scripts, `${name}${part}.sh`)]
  const before = await Guest.run(script(".prepare"), { cwd: prepared, env, patience })
  if (before.status !== 0) {
    return { project, runs: [], broken: [`not prepared: status ${before.status}: ${before.stdout}${before.stderr}`] }
  }
  const runs: Array<Result["runs"][number]> = []
  const broken: Array<string> = []
  let bare: { readonly status: Guest.Outcome["status"]; readonly lines: ReadonlyArray<string> } | undefined
  for (const mode of ["bare", ...Guest.modes] as const) {
    for (const directory of [work, home]) renew(directory)
    for (const part of ["home", "tmp"]) Fs.mkdirSync(Path.join(work, part))
    Fs.cpSync(prepared, Path.join(work, "work"), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
    const command = mode === "bare" ? script("") : Collect.command(mode, script(""))
    const cwd = Path.join(work, "work")
    const started = performance.now()
    const outcome = await Guest.run(command, {
      cwd,
      env: { ...Guest.environment(work), AGENTOPS_HOME: home },
      patience
    })
    const seconds = (performance.now() - started) / 1000
    const lines = normalise(outcome.stdout + outcome.stderr)
    bare ??= { status: outcome.status, lines }
    const same = outcome.status === bare.status && lines.join("\n") === bare.lines.join("\n")
    runs.push({ mode, same, seconds })
    if (mode === "bare" && outcome.status !== 0) broken.push(`bare: status ${outcome.status}: ${lines.join("\n")}`)
    if (!same) broken.push(`${mode}: status ${outcome.status}, bare ${bare.status}\n${differences(lines, bare.lines)}`)
    if (mode === "bare") continue
    const record = Collect.read(home)
    if (record.mode !== mode) broken.push(`${mode}: what was in force is ${String(record.mode)}`)
    for (const loss of record.losses) broken.push(`${mode} lost something: ${loss}`)
  }
  return { project, runs, broken }
}
