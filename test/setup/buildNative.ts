/**
 * Builds the native half before the tests, so that `npm test` works straight after `npm ci`.
 *
 * @module
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

/** Vitest's global setup; throws when the build fails in continuous integration, and goes on with what is there else. */
export default (): void => {
  const script = fileURLToPath(new URL("../../scripts/native.mjs", import.meta.url))
  const run = spawnSync(process.execPath, [script], { encoding: "utf8" })
  if (run.status === 0) return
  const said = `the native build failed:\n${run.stdout}${run.stderr}`
  if (process.env["CI"]) throw new Error(said)
  process.stderr.write(`${said}tests run with the native files of an earlier build, or without\n`)
}
