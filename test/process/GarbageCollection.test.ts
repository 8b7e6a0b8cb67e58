import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

/** Lets go of databases, statements and iterators, then of so much else that the collector comes by itself. */
const script = `
const Database = require("better-sqlite3")
for (let count = 0; count < 50; count++) {
  const database = new Database(":memory:")
  database.prepare("SELECT 1").get()
  for (const row of database.prepare("SELECT 2").iterate()) if (row) break
  database.close()
}
const collected = new FinalizationRegistry(() => {
  process.stdout.write("collected")
  process.exit(0)
})
collected.register({}, "")
let junk = []
const more = () => {
  for (let count = 0; count < 500_000; count++) junk.push({ count })
  if (junk.length > 5_000_000) junk = []
  setImmediate(more)
}
more()
`

describe("better-sqlite3", () => {
  it("databases, statements and iterators that nobody holds are collected, and the process lives on", () => {
    const cwd = fileURLToPath(new URL("../..", import.meta.url))
    const env = { ...process.env, NODE_OPTIONS: "" }
    const { signal, status, stderr, stdout } = spawnSync(process.execPath, ["-e", script], {
      cwd,
      encoding: "utf8",
      env,
      timeout: 60_000
    })
    assert.deepStrictEqual(
      { signal, status, stderr, stdout },
      { signal: null, status: 0, stderr: "", stdout: "collected" }
    )
  })
})
