import { assert, describe, it } from "@effect/vitest"
import { execFile, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { TestContext } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"

const native = fileURLToPath(new URL("../../native", import.meta.url))

/** What the C half is built and tested with. */
const needed = (context: TestContext): void => {
  if (process.platform !== "linux") Native.without(context, "the native half is for Linux")
  for (const tool of ["cc", "make", "python3"]) {
    if (spawnSync(tool, ["--version"]).status !== 0) Native.without(context, `there is no ${tool}`)
  }
  const program = "int main(void) { return 0; }"
  const output = `${Cli.scratch()}/probe`
  const compile = ["-xc", "-", "-fsanitize=address,undefined", "-o", output]
  const linked = spawnSync("cc", compile, { input: program })
  if (linked.status !== 0 || spawnSync(output).status !== 0) Native.without(context, "cc has no sanitizers here")
}

/** Builds apart from everybody else, and waits without blocking the reporter. */
const make = (...args: ReadonlyArray<string>): Promise<{ readonly stdout: string; readonly stderr: string }> => {
  const scratch = Cli.scratch()
  const places = [`BUILD=${scratch}/build`, `OUT=${scratch}/out`]
  return promisify(execFile)("make", ["-C", native, ...args, ...places], { maxBuffer: 64 << 20 })
}

const isCi = process.env["CI"] === "true"

describe("the native half", { timeout: 600_000 }, () => {
  it("passes its own tests under AddressSanitizer and UndefinedBehaviorSanitizer", async (context) => {
    needed(context)
    const { stdout } = await make("check")
    assert.match(stdout, /protocol: \d+ vectors, times and addresses agree/)
    assert.match(stdout, /protocol: the encoder needs memcpy and memset only/)
  })

  it("stands its fuzzers for a while", async (context) => {
    needed(context)
    const { stderr, stdout } = await make("fuzz", `SECONDS=${isCi ? 20 : 5}`)
    // Ours, or libFuzzer's.
    assert.match(stdout + stderr, /\d+ inputs, nothing found|stat::number_of_executed_units/)
  })
})
