/**
 * Start-up of the whole process against `node -e 0`: `agent --version`, which loads nothing, and `agent --help`, which
 * loads the bundle from its code cache.
 *
 * @module
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Harness from "./Harness.ts"

const agent = fileURLToPath(new URL("../bin/agent.cjs", import.meta.url))

const spawn = (args: ReadonlyArray<string>) => () => {
  const start = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" })
  const elapsed = performance.now() - start
  if (status !== 0) throw new Error(`node ${args.join(" ")} exited with ${status}: ${stderr}`)
  return elapsed
}

export const run: Harness.Benchmark["run"] = async () => {
  const samples = await Harness.rounds(21, {
    bare: spawn(["-e", "0"]),
    version: spawn([agent, "--version"]),
    help: spawn([agent, "--help"])
  })
  return [
    Harness.compare("agent --version against node -e 0", samples("version"), samples("bare"), { atMost: 1.75 }),
    Harness.compare("agent --help against node -e 0", samples("help"), samples("bare"))
  ]
}
