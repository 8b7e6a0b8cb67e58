/**
 * The collector from its socket to durable entries, against rsyslog and syslog-ng: 64 senders of the same lines from the
 * same client, all files on one disk.
 *
 * A contender has finished when every line is durable: ours when the collector has closed the last connection, which is
 * its acknowledgement, and every line has its entry; the peers when their file has every line and was synced. The Schema guard's share
 * is measured on the same engine with a guard that lets everything through; that is a variant of the measuring program,
 * made by its bundler, and nothing of it is in agentops.
 *
 * @module
 */
import * as Schema from "effect/Schema"
import type { Plugin } from "esbuild"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { promisify } from "node:util"
import * as Lines from "./collectorLines.ts"
import * as CollectorPeers from "./collectorPeers.ts"
import * as Harness from "./Harness.ts"
import * as Programs from "./Programs.ts"

const senders = 64
const lines = 300_000
/** For what is fifty times slower. */
const fewLines = 5000
const timeoutMillis = 60_000
const roundCount = 5

const exec = promisify(execFile)

const Counts = Schema.parseJson(Schema.Struct({ entries: Schema.Number, malformed: Schema.Number }))

const perSecond = (count: number, begin: number, end: number): number => (count * 1e9) / (end - begin)

/** Lines a second of one contender, started and ended for it. */
type Contender = () => Promise<number>

interface Bench {
  /** The client program, which also waits for files. */
  readonly client: string
  readonly file: string
  readonly fewFile: string
  /** The same lines with their members in another order, which take the complete way: parsed, guarded, written again. */
  readonly otherFile: string
  /** A new private directory. */
  readonly fresh: () => string
}

/** When the client began, and when all its connections were closed. */
const send = async ({ client }: Bench, socket: string, file: string): Promise<readonly [number, number]> => {
  const { stdout } = await exec(client, ["send", socket, file, String(senders)])
  const [begin = Number.NaN, end = Number.NaN] = stdout.split(" ").map(Number)
  return [begin, end]
}

/** What the client can send at most: to somebody who reads and does nothing. */
const sink =
  (bench: Bench): Contender =>
  async () => {
    const socket = Path.join(bench.fresh(), "in")
    const child = spawn(bench.client, ["sink", socket, String(lines * Lines.lineBytes)])
    const output = createInterface(child.stdout)[Symbol.asyncIterator]()
    await output.next()
    const [begin] = await send(bench, socket, bench.file)
    const end: unknown = (await output.next()).value
    return perSecond(lines, begin, Number(end))
  }

const peer =
  (bench: Bench, start: CollectorPeers.Start, file = bench.file, count = lines): Contender =>
  async () => {
    const { output, socket, stop } = await start(bench.fresh())
    try {
      const finished = exec(bench.client, ["await", output, String(count), String(timeoutMillis)])
      const [[begin], { stdout }] = await Promise.all([send(bench, socket, file), finished])
      return perSecond(count, begin, Number(stdout))
    } finally {
      await stop()
    }
  }

const ours =
  (bench: Bench, program: string, file = bench.file, withJsonl = false): Contender =>
  async () => {
    const directory = bench.fresh()
    const path = (name: string) => Path.join(directory, name)
    const args = [program, path("in"), path("audit.db"), ...(withJsonl ? [path("session.jsonl")] : [])]
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })
    await once(child.stdout, "readable")
    child.stdout.read()
    const [begin, end] = await send(bench, path("in"), file)
    child.stdin.end()
    const { entries, malformed } = Schema.decodeUnknownSync(Counts)(await text(child.stdout))
    if (entries !== lines || malformed > 0) throw new Error(`${entries} entries, ${malformed} malformed, of ${lines}`)
    return perSecond(lines, begin, end)
  }

/** The measuring program with a guard that says yes to everything. */
const guardless: Plugin = {
  name: "guardless",
  setup: (build) => {
    build.onLoad({ filter: /src\/domain\/Protocol\.ts$/ }, ({ path }) => {
      const source = Fs.readFileSync(path, "utf8")
      const renamed = source.replace(/^export const guard\b/m, "export const realGuard")
      const contents = `${renamed}\nexport const guard = (value: unknown): value is Event => value !== undefined\n`
      if (renamed === source) throw new Error(`${path}: no guard to take out`)
      return { contents, loader: "ts" }
    })
  }
}

/** A contender that is left out when the machine does not have it, and why. */
const ifPresent = (make: () => Contender): Contender | string => {
  try {
    return make()
  } catch (error) {
    if (error instanceof Programs.Missing) return error.message
    throw error
  }
}

const measure = async (bench: Bench): Promise<ReadonlyArray<Harness.Row>> => {
  const rsyslog = (kind: Parameters<typeof CollectorPeers.rsyslog>[0]) =>
    ifPresent(() => peer(bench, CollectorPeers.rsyslog(kind)))
  const syslogNg = (kind: Parameters<typeof CollectorPeers.syslogNg>[0]) =>
    ifPresent(() => peer(bench, CollectorPeers.syslogNg(kind)))
  const secure = () => peer(bench, CollectorPeers.syslogNg("secure"), bench.fewFile, fewLines)
  const peers: ReadonlyArray<readonly [name: string, contender: Contender | string, goal?: Harness.Row["goal"]]> = [
    ["rsyslog with JSON parsing, one worker", rsyslog("parsed"), { atLeast: 1.6 }],
    ["rsyslog with JSON parsing, two workers", rsyslog("parsed-main")],
    ["rsyslog, raw and not synced", rsyslog("raw")],
    ["syslog-ng with JSON parsing", syslogNg("parsed"), { atLeast: 1.2 }],
    ["syslog-ng raw with fsync", syslogNg("synced"), { atLeast: 0.75 }],
    ["syslog-ng raw with fsync, 1 000 lines at a time", syslogNg("synced-batches")],
    ["syslog-ng secure logging", ifPresent(secure), { atLeast: 50 }]
  ]
  const program = await Programs.bundle("collectorEngine")
  const variant = await Programs.bundle("collectorEngine", { name: "guardless", plugin: guardless })
  const contenders: Record<string, Contender> = {
    client: sink(bench),
    ours: ours(bench, program),
    other: ours(bench, program, bench.otherFile),
    guardless: ours(bench, variant, bench.otherFile),
    jsonl: ours(bench, program, bench.file, true)
  }
  for (const [name, contender] of peers) if (typeof contender !== "string") contenders[name] = contender
  const samples = await Harness.rounds(roundCount, contenders)
  const rows = peers.map(([name, contender, goal]): Harness.Row => {
    const title = `collector / ${name}`
    if (typeof contender === "string") return { name: title, ratios: [], note: contender }
    return Harness.compare(title, samples("ours"), samples(name), goal, "/s")
  })
  const against = (name: string, of: string, reference: string, goal?: Harness.Row["goal"]) =>
    Harness.compare(name, samples(of), samples(reference), goal, "/s")
  return [
    ...rows,
    against("the complete way without its Schema guard / with it", "guardless", "other", { atMost: 1.05 }),
    against("lines in another order, the complete way / collector", "other", "ours"),
    against("with a session file, too / collector", "jsonl", "ours"),
    against("the client alone, to a null sink / collector", "client", "ours")
  ]
}

export const run: Harness.Benchmark["run"] = async () => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-bench-"))
  let made = 0
  const fresh = () => {
    // Removes what the contender before left, or the disk fills.
    Fs.rmSync(Path.join(directory, String(made)), { recursive: true, force: true })
    const path = Path.join(directory, String(++made))
    Fs.mkdirSync(path, { mode: 0o700 })
    return path
  }
  const file = Path.join(directory, "lines")
  const otherFile = Path.join(directory, "other")
  const fewFile = Path.join(directory, "few")
  try {
    Lines.write(file, lines, "ours")
    Lines.write(otherFile, lines, "other")
    Lines.write(fewFile, fewLines, "ours")
    return await measure({ client: Programs.compile("collector/lines"), file, otherFile, fewFile, fresh })
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}
