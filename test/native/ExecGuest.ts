/** Runs commands under agent-exec, and takes what it reports. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { onTestFinished, type TestContext } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"
import * as Shim from "./ShimGuest.ts"

export type Event = Shim.Event

const source = Path.join(Native.directory, "..", "..", "..", "native", "exec", "test", "guest.c")

export const agentExec = Path.join(Native.directory, "agent-exec")

/** Compiles native/exec/test/guest.c, static; its path, which everybody may execute. */
export const compile = (context: TestContext): string => {
  if (!Fs.existsSync(agentExec)) Native.without(context, "agent-exec is not built: npm run build:native")
  const folder = Cli.scratch()
  Fs.chmodSync(folder, 0o755)
  const path = Path.join(folder, "guest")
  const args = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-pthread", "-static", "-o", path, source]
  const made = spawnSync("cc", args, { encoding: "utf8" })
  if (made.status !== 0) Native.without(context, `no static program can be compiled: ${made.error?.message}`)
  return path
}

/** A program that the test cannot do without. */
export const needs = (context: TestContext, name: string): void => {
  const found = spawnSync("sh", ["-c", `command -v ${name}`])
  if (found.status !== 0) Native.without(context, `there is no ${name}`)
}

export interface Options {
  /** Of agent-exec, beside those that it needs. */
  readonly args?: ReadonlyArray<string>
  /** What starts agent-exec: this, before it. */
  readonly through?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Where it reports to. */
  readonly endpoint: string
}

export interface Result {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly secret: string
  readonly secretFile: string
  readonly done: Promise<Result>
  /** Completes with the whole output so far, when it matches. */
  readonly printed: (pattern: RegExp) => Promise<RegExpExecArray>
}

/** The whole command line of agent-exec, with a secret of its own. */
export const invocation = (command: ReadonlyArray<string>, options: Options) => {
  const secret = randomBytes(32).toString("hex")
  const secretFile = Path.join(Cli.scratch(), "secret")
  Fs.chmodSync(Path.dirname(secretFile), 0o777)
  Fs.writeFileSync(secretFile, `${secret}\n`, { mode: 0o644 })
  const own = ["--endpoint", options.endpoint, "--secret-file", secretFile, "--session", Shim.session]
  const argv = [...(options.through ?? []), agentExec, ...own, ...(options.args ?? []), "--", ...command]
  return { secret, secretFile, argv }
}

export const start = (command: ReadonlyArray<string>, options: Options): Running => {
  const { argv, secret, secretFile } = invocation(command, options)
  const [file = "", ...args] = argv
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", ...options.env }
  const child = spawn(file, args, { env, cwd: options.cwd ?? "/", stdio: ["ignore", "pipe", "pipe"] })
  const out = { stdout: "", stderr: "" }
  const checks = new Set<() => void>()
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out.stdout += text
    for (const check of checks) check()
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => (out.stderr += text))
  const done = new Promise<Result>((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (status, signal) => resolve({ status, signal, ...out }))
  })
  onTestFinished(async () => {
    child.kill("SIGKILL")
    await done
  })
  const printed = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const check = () => {
        const match = pattern.exec(out.stdout)
        if (match === null) return
        checks.delete(check)
        resolve(match)
      }
      checks.add(check)
      void done.then(() => reject(new Error(`it ended before it printed ${pattern}: ${out.stdout}${out.stderr}`)))
      check()
    })
  return { child, secret, secretFile, done, printed }
}

/** Runs a command to its end. */
export const run = async (command: ReadonlyArray<string>, options: Partial<Options> = {}) => {
  const receiver = await Shim.receiver()
  openToAll(receiver.endpoint)
  const running = start(command, { endpoint: receiver.endpoint, ...options })
  const result = await running.done
  return { ...result, events: await receiver.events(), running, receiver }
}

/** Lets another user connect. */
export const openToAll = (endpoint: string): void => {
  const path = endpoint.slice("unix://".length)
  Fs.chmodSync(path, 0o777)
  Fs.chmodSync(Path.dirname(path), 0o755)
}

/** Payloads of one type, in order; those of execs, opens and connects: `Shim.execs` and its like. */
export const starts = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => (event.event_type === "Start" ? [event.payload] : []))

export const exits = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => (event.event_type === "Exit" ? [event.payload] : []))

export const denials = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => (event.event_type === "Deny" ? [event.payload] : []))

/** Lines "NAME RESULT" of the guest. */
export const results = (stdout: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)])
  )

/** As another user, where we are root. */
export const asNobody: ReadonlyArray<string> = Cli.isRoot
  ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
  : []

/** As PID 1 of its own processes. */
export const asPidOne: ReadonlyArray<string> = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
