/**
 * Verification of a log of 1 000 000 entries against `sha256sum` over the bytes of its bundle, and the memory that one
 * thread takes for it and for a tenth of it. The log has the checkpoints that the store makes when records are fired as
 * fast as they can be stored, one in an epoch; a second one has all that a slower run of that length makes.
 *
 * Both sides run as processes of their own, with the file in the page cache; ours is timed from inside, without the
 * start of Node.
 *
 * @module
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Schema from "effect/Schema"
import * as Schedule from "../src/domain/Schedule.ts"
import * as Harness from "./Harness.ts"
import * as LongLog from "./LongLog.ts"
import * as Programs from "./Programs.ts"

const entries = 1_000_000
const roundCount = 5

const Outcome = Schema.parseJson(
  Schema.Struct({
    verdict: Schema.Literal("INTACT"),
    entries: Schema.Number,
    millis: Schema.Number,
    megabytes: Schema.Number
  })
)

const once = (program: string, kind: "bundle" | "database", log: LongLog.LongLog, threads: number) => {
  const args = [program, kind, log[kind], log.policy, String(threads)]
  const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" })
  if (status !== 0) throw new Error(`${kind} on ${threads} threads: ${stderr}`)
  return Schema.decodeUnknownSync(Outcome)(stdout)
}

const sha256sum = (path: string): number => {
  const start = performance.now()
  const { error, status } = spawnSync("sha256sum", [path])
  if (error !== undefined || status !== 0) throw error ?? new Error(`sha256sum ended with ${status}`)
  return performance.now() - start
}

/** The most that one thread took, and what it took for a tenth of the log. */
const memory = (name: string, long: Harness.Samples, short: number): Harness.Row => ({
  name,
  ratios: long,
  goal: { atMost: 120 },
  unit: " MB",
  note: `${Harness.figure(short)} MB for a tenth of the entries`
})

const measure = async (directory: string): Promise<ReadonlyArray<Harness.Row>> => {
  const program = await Programs.bundle("verifyOnce")
  const log = LongLog.write(directory, "flood", entries, Schedule.defaults.rotateAfterEntries)
  const dense = LongLog.write(directory, "dense", entries, Schedule.defaults.signAfterEntries)
  const short = LongLog.write(directory, "short", entries / 10, Schedule.defaults.rotateAfterEntries)
  const megabytes = { bundle: new Array<number>(), database: new Array<number>() }
  const contender = (kind: "bundle" | "database", threads: number, of: LongLog.LongLog) => () => {
    const outcome = once(program, kind, of, threads)
    if (threads === 1) megabytes[kind].push(outcome.megabytes)
    return outcome.millis
  }
  const samples = await Harness.rounds(roundCount, {
    sha256sum: () => sha256sum(log.bundle),
    bundle1: contender("bundle", 1, log),
    bundle4: contender("bundle", 4, log),
    database1: contender("database", 1, log),
    database4: contender("database", 4, log),
    dense1: contender("bundle", 1, dense),
    dense4: contender("bundle", 4, dense)
  })
  const against = samples("sha256sum")
  return [
    Harness.compare("bundle, 1 thread, against sha256sum", samples("bundle1"), against, { atMost: 2 }),
    Harness.compare("bundle, 4 threads, against sha256sum", samples("bundle4"), against, { atMost: 0.75 }),
    Harness.compare("database, 1 thread, against sha256sum", samples("database1"), against, { atMost: 4 }),
    Harness.compare("database, 4 threads, against sha256sum", samples("database4"), against, { atMost: 1.3 }),
    Harness.compare("bundle of 3 900 checkpoints, 1 thread, against sha256sum", samples("dense1"), against),
    Harness.compare("bundle of 3 900 checkpoints, 4 threads, against sha256sum", samples("dense4"), against),
    memory("bundle, 1 thread, peak memory", megabytes.bundle, once(program, "bundle", short, 1).megabytes),
    memory("database, 1 thread, peak memory", megabytes.database, once(program, "database", short, 1).megabytes)
  ]
}

export const run: Harness.Benchmark["run"] = async () => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-bench-"))
  try {
    return await measure(directory)
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}
