/**
 * The audit store against its floors: better-sqlite3 inserting the same rows in the same batches with
 * `synchronous=FULL` on one thread, one bare INSERT with fsync, and hypercore's batched append of the same bytes.
 *
 * All contenders run in turns in one process, from a bundle, as the store runs in use: a TypeScript loader gives every
 * closure a name when it is made, which costs as much as a record.
 *
 * @module
 */
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import * as Harness from "./Harness.ts"
import * as Programs from "./Programs.ts"

const rates = Schema.Array(Schema.Number)

/** Records a second, but for the last four, which are milliseconds. */
const Samples = Schema.Struct({
  raw: rates,
  inOrder: rates,
  inChunks: rates,
  durable: rates,
  hypercore: rates,
  awaitedOne: rates,
  bareOne: rates,
  awaitedLong: rates,
  bareLong: rates
})
export type Samples = typeof Samples.Type

export const run = async (): Promise<ReadonlyArray<Harness.Row>> => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [await Programs.bundle("storeRounds")], {
    encoding: "utf8"
  })
  if (status !== 0) throw new Error(`the measuring program failed: ${stderr}`)
  const samples = Schema.decodeUnknownSync(Schema.parseJson(Samples))(stdout)
  const { awaitedLong, awaitedOne, bareLong, bareOne, durable, hypercore, inChunks, inOrder, raw } = samples
  return [
    Harness.compare("fired in order / raw inserts", inOrder, raw, { atLeast: 0.5 }, "/s"),
    Harness.compare("fired in order, 64 at a time / raw inserts", inChunks, raw, { atLeast: 0.65 }, "/s"),
    Harness.compare("64 producers that wait / raw inserts", durable, raw, { atLeast: 0.174 }, "/s"),
    Harness.compare("fired in order / hypercore", inOrder, hypercore, { atLeast: 2 }, "/s"),
    Harness.compare("one record awaited / one bare INSERT, first 400 of a log", awaitedOne, bareOne, { atMost: 1.3 }),
    Harness.compare("the same, first 4 000 records of a log", awaitedLong, bareLong, { atMost: 1.3 })
  ]
}
