/**
 * Our side of `bench/collector.ts`: the collector and the store of a run, in a process of their own.
 *
 * `collectorEngine SOCKET DATABASE [JSONL]` prints "ready" when it listens, drains when its standard input ends, and
 * prints the counts as JSON.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { once } from "node:events"
import * as AuditStoreSqlite from "../src/layers/AuditStoreSqlite.ts"
import * as CollectorUnix from "../src/layers/CollectorUnix.ts"
import * as SignerMemory from "../src/layers/SignerMemory.ts"
import { Collector } from "../src/services/Collector.ts"

const [path = "", database = "", jsonl] = process.argv.slice(2)

const store = AuditStoreSqlite.layer({ path: database, run: "bench", tool: "bench/0" })
const collector = CollectorUnix.layer({ path, session: "run_0123456789ab", jsonl }).pipe(
  Layer.provide(store),
  Layer.provide(SignerMemory.layer)
)

const program = Effect.gen(function* () {
  const { drain } = yield* Collector
  process.stdout.write("ready\n")
  yield* Effect.promise(() => once(process.stdin.resume(), "end"))
  process.stdout.write(JSON.stringify(yield* drain))
})

void Effect.runPromise(Effect.provide(program, collector))
