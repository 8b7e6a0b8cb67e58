/**
 * Runs one workload in a new directory: bare, under strace, or recorded in a mode.
 *
 * @module
 */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Collect from "./Collect.ts"
import * as Strace from "./Strace.ts"

export const modes = ["hybrid", "full", "shim"] as const

/** How a run is recorded. */
export type Mode = (typeof modes)[number]

/** Where a workload runs, and with what. */
export interface Place {
  /** Everything of this program is below it. */
  readonly root: string
  readonly env: Readonly<Record<string, string>>
}

/** What can be seen of a run from outside; must not depend on who watches. */
export interface Outcome {
  readonly status: number | string | null
  readonly stdout: string
  readonly stderr: string
}

/** Longest that one run of a workload may take. */
const patienceMillis = 300_000

const workloadsDirectory = fileURLToPath(new URL("./workloads", import.meta.url))

/** The directory in which every run of every workload happens: always the same name, always new. */
const renew = (place: Place): string => {
  const directory = Path.join(place.root, "run")
  Fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  for (const name of ["work", "home", "tmp"]) Fs.mkdirSync(Path.join(directory, name), { recursive: true })
  return directory
}

/** A workload's environment: nothing of this process's but the PATH and where Rust keeps its toolchain. */
export const environment = (directory: string): Readonly<Record<string, string>> => {
  const home = process.env["HOME"] ?? "/"
  const toolchain = process.env["RUSTUP_HOME"] ?? Path.join(home, ".rustup")
  return {
    PATH: `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${Path.dirname(process.execPath)}:${home}/.cargo/bin`,
    HOME: Path.join(directory, "home"),
    TMPDIR: Path.join(directory, "tmp"),
    LC_ALL: "C",
    TZ: "UTC",
    NO_COLOR: "1",
    ...(Fs.existsSync(toolchain) ? { RUSTUP_HOME: toolchain } : {})
  }
}

/** Runs a command to its end. */
export const run = (
  command: ReadonlyArray<string>,
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly patience?: number }
): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const [file = "", ...args] = command
    const child = spawn(file, args, { cwd: options.cwd, env: { ...options.env }, stdio: ["ignore", "pipe", "pipe"] })
    const out: Array<Buffer> = []
    const err: Array<Buffer> = []
    child.stdout.on("data", (bytes: Buffer) => out.push(bytes))
    child.stderr.on("data", (bytes: Buffer) => err.push(bytes))
    const timer = setTimeout(() => child.kill("SIGTERM"), options.patience ?? patienceMillis)
    child.once("error", reject)
    child.once("close", (status, signal) => {
      clearTimeout(timer)
      resolve({
        status: status ?? signal,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString()
      })
    })
  })

const prepare = (place: Place, name: string) => {
  const directory = renew(place)
  return {
    directory,
    command: ["/bin/bash", Path.join(workloadsDirectory, `${name}.sh`)],
    options: { cwd: Path.join(directory, "work"), env: { ...environment(directory), ...place.env } }
  }
}

/** A workload alone. */
export const bare = (place: Place, name: string): Promise<Outcome> => {
  const { command, options } = prepare(place, name)
  return run(command, options)
}

/** A workload under strace, and what it saw. */
export const traced = async (place: Place, name: string) => {
  const { command, options } = prepare(place, name)
  const directory = Path.join(place.root, "trace")
  Fs.rmSync(directory, { recursive: true, force: true })
  Fs.mkdirSync(directory, { recursive: true })
  const prefix = Path.join(directory, "of")
  const outcome = await run([...Strace.command(prefix), ...command], options)
  return { outcome, seen: Strace.read(prefix, options.cwd) }
}

/** A workload recorded in a mode, and the record. */
export const recorded = async (
  place: Place,
  name: string,
  mode: Mode
): Promise<{ readonly outcome: Outcome; readonly record: Collect.Collected }> => {
  const { command, options } = prepare(place, name)
  const home = Path.join(place.root, "record")
  Fs.rmSync(home, { recursive: true, force: true, maxRetries: 3 })
  const env = { ...options.env, AGENTOPS_HOME: home }
  const outcome = await run(Collect.command(mode, command), { ...options, env })
  return { outcome, record: Collect.read(home) }
}
