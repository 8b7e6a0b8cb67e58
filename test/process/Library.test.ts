import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const tsc = Path.join(root, "node_modules/typescript/bin/tsc")
const run = (file: string, ...args: ReadonlyArray<string>) =>
  execFileSync(process.execPath, [file, ...args], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })

/** Minutes, not seconds: the library is compiled, and other tests run beside it. */
const timeout = 240_000

describe("the library", () => {
  it("builds, and the README's example type-checks against it and runs", { timeout }, () => {
    run(tsc, "-p", "tsconfig.build.json")
    run(tsc, "-p", "examples/tsconfig.json")
    const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-library-"))
    try {
      const tsx = Path.join(root, "node_modules/tsx/dist/cli.mjs")
      assert.strictEqual(run(tsx, "examples/record.ts", directory), "entry 2 is on disk\nINTACT\n")
    } finally {
      Fs.rmSync(directory, { recursive: true, force: true })
    }
  })
})
