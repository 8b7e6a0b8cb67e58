/**
 * What it costs a guest to be recorded: for each call and for whole workloads, the time under the preloaded library
 * (shim), the supervisor and the library together (hybrid), the supervisor alone (full) and `strace -f --seccomp-bpf` with
 * the same calls, each as a multiple of the bare time.
 *
 * Calls time themselves; workloads are timed from outside, with the start of what watches them. A reader of its own
 * drains the events, and is asked after each run whether there were as many as there had to be.
 *
 * @module
 */
import Database from "better-sqlite3"
import * as Fs from "node:fs"
import { createServer } from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Modes from "./captureModes.ts"
import * as Workloads from "./captureWorkloads.ts"
import * as Harness from "./Harness.ts"
import * as Programs from "./Programs.ts"

type Goals = { readonly [mode in Modes.Mode]?: number }

interface Subject {
  readonly name: string
  readonly rounds: number
  readonly warmUp: number
  readonly unit: string
  readonly goals: Goals
  readonly work: (mode: Modes.Mode) => number | Promise<number>
}

/** A port of the loopback where nobody listens. */
const closedPort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port")
  return address.port
}

/** Events that have to come before a run counts as recorded; the modes that report nothing to us have none. */
const recorded = async (capture: Modes.Capture, mode: Modes.Mode, what: string, least: number): Promise<void> => {
  if (mode === "bare" || mode === "strace") return
  const events = await capture.events()
  if (events < least) throw new Error(`${what}, ${mode}: ${events} events where ${least} calls were made`)
}

const callSubjects = async (capture: Modes.Capture, directory: string): Promise<ReadonlyArray<Subject>> => {
  const calls = Programs.compile("capture/calls")
  const tiny = Programs.compile("capture/tiny")
  const env = Workloads.environment(directory)
  const call = (kind: string, counts: { readonly ours: number; readonly strace: number }, argument: string) => {
    return async (mode: Modes.Mode) => {
      const count = mode === "strace" ? counts.strace : counts.ours
      const command = [calls, kind, String(count), argument]
      const nanos = Number(Programs.run(capture.argv(mode, command), { cwd: directory, env }))
      await recorded(capture, mode, kind, count)
      return nanos
    }
  }
  const common = { rounds: 7, warmUp: 1, unit: " ns" }
  return [
    {
      ...common,
      name: "open and close",
      goals: { shim: 4, hybrid: 4, full: 9 },
      work: call("open", { ours: 50_000, strace: 3000 }, tiny)
    },
    {
      ...common,
      name: "connect, refused",
      goals: { shim: 1.7 },
      work: call("connect", { ours: 10_000, strace: 1000 }, String(await closedPort()))
    },
    { ...common, name: "vfork and exec", goals: { shim: 1.1 }, work: call("exec", { ours: 200, strace: 200 }, tiny) }
  ]
}

const workloadSubjects = (capture: Modes.Capture, directory: string): ReadonlyArray<Subject> => {
  const made = Workloads.make(directory)
  const env = Workloads.environment(directory)
  const subject = (name: string, { command, cwd }: Workloads.Workload, rounds: number, goals: Goals = {}): Subject => ({
    name,
    rounds,
    warmUp: 1,
    unit: " ms",
    goals,
    work: async (mode) => {
      const millis = await Harness.time(() => Programs.run(capture.argv(mode, command), { cwd, env }))
      await recorded(capture, mode, name, 1)
      return millis
    }
  })
  return [
    subject("make -j4", made.makeFour, 5, { shim: 1.15, hybrid: 1.3, full: 2 }),
    { ...subject("make -j1", made.makeOne, 3), warmUp: 0 },
    subject("git", made.git, 5),
    subject("find and xargs cat", made.find, 5),
    { ...subject("npm", made.npm, 3), warmUp: 0 }
  ]
}

/** `make -j4` as a user runs it, with the real collector and store, against the bare one; timed inside the run. */
const wholeRun = async (directory: string): Promise<Harness.Row> => {
  const { command, cwd } = Workloads.make(Fs.mkdtempSync(Path.join(directory, "run-"))).makeFour
  const calls = Programs.compile("capture/calls")
  const env = { ...Workloads.environment(directory), AGENTOPS_HOME: Path.join(directory, "home") }
  const agent = Path.join(Programs.root, "bin/agent.cjs")
  const millis = Path.join(directory, "nanoseconds")
  const timed = (before: ReadonlyArray<string>) => () => {
    Programs.run([...before, calls, "time", millis, ...command], { cwd, env })
    return Number(Fs.readFileSync(millis, "utf8")) / 1e6
  }
  const samples = await Harness.rounds(5, {
    bare: timed([]),
    agent: timed([process.execPath, agent, "run", "--record", "hybrid", "--"])
  })
  const runs = Path.join(directory, "home/runs")
  const [first = ""] = Fs.readdirSync(runs)
  const log = new Database(Path.join(runs, first, "audit.db"), { readonly: true })
  const entries = log.prepare('SELECT count(*) FROM entries WHERE leaf LIKE \'%"source":"runner"%\'').pluck().get()
  log.close()
  const row = Harness.compare("make -j4, agent run with its store / bare", samples("agent"), samples("bare"))
  return { ...row, note: `${row.note}, ${String(entries)} entries of the supervisor` }
}

const measure = async ({ goals, name, rounds, unit, warmUp, work }: Subject): Promise<ReadonlyArray<Harness.Row>> => {
  const contenders = Object.fromEntries(Modes.modes.map((mode) => [mode, () => work(mode)]))
  const samples = await Harness.rounds(rounds, contenders, warmUp)
  const rows = Modes.modes.slice(1).map((mode) => {
    const atMost = goals[mode]
    const goal = atMost === undefined ? undefined : { atMost }
    return Harness.compare(`${name}, ${mode} / bare`, samples(mode), samples("bare"), goal, unit)
  })
  if (name !== "open and close") return rows
  const goal = { atLeast: 30 }
  return [...rows, Harness.compare(`${name}, strace / hybrid`, samples("strace"), samples("hybrid"), goal, unit)]
}

const measureAll = async (directory: string): Promise<ReadonlyArray<Harness.Row>> => {
  const capture = await Modes.open(directory)
  try {
    const subjects = [...(await callSubjects(capture, directory)), ...workloadSubjects(capture, directory)]
    const rows: Array<Harness.Row> = []
    for (const subject of subjects) rows.push(...(await measure(subject)))
    return [...rows, await wholeRun(directory)]
  } finally {
    capture.close()
  }
}

export const run: Harness.Benchmark["run"] = async () => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-bench-"))
  try {
    return await measureAll(directory)
  } catch (error) {
    if (!(error instanceof Programs.Missing)) throw error
    return [{ name: "capture", ratios: [], note: error.message }]
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}
