/**
 * `npm run bench [-- NAME…]`: runs the named benchmarks, or all of them, one after the other, and prints a line for each
 * figure. Exits 1 when a benchmark fails or its name is unknown; a goal that is missed is printed as such and is not a
 * failure, because it may be the machine.
 *
 * @module
 */
import { availableParallelism, cpus, release } from "node:os"
import * as Harness from "./Harness.ts"

/** In the order in which they run. Modules are loaded one at a time, so that none pays for another's imports. */
const benchmarks: ReadonlyArray<{
  readonly name: string
  readonly about: string
  readonly load: () => Promise<Harness.Benchmark>
}> = [
  { name: "startup", about: "process start-up", load: () => import("./startup.ts") },
  { name: "store", about: "the audit store", load: () => import("./store.ts") },
  { name: "verify", about: "verification", load: () => import("./verify.ts") },
  { name: "capture", about: "a guest that is recorded", load: () => import("./capture.ts") },
  {
    name: "collector",
    about: "the collector, from its socket to durable entries",
    load: () => import("./collector.ts")
  }
]

const print = (line: string) => process.stdout.write(`${line}\n`)

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name))
if (unknown.length > 0) {
  print(`no benchmark is called ${unknown.join(", ")}; there are: ${benchmarks.map(({ name }) => name).join(", ")}`)
  process.exit(1)
}

const cpu = cpus()[0]?.model ?? process.arch
print(`node ${process.version}, ${process.platform} ${release()}, ${availableParallelism()} x ${cpu}`)
print("median of the interleaved rounds, lowest..highest, goal")
for (const { about, load, name } of benchmarks) {
  if (asked.length > 0 && !asked.includes(name)) continue
  print(`\n${name}: ${about}`)
  try {
    const rows = await (await load()).run()
    for (const row of rows) print(Harness.format(row))
  } catch (error) {
    process.exitCode = 1
    print(`failed: ${error instanceof Error ? error.stack : String(error)}`)
  }
}
