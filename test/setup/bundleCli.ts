/**
 * Builds the CLI and the workers before the tests, so that `npm test` works straight after `npm ci`.
 *
 * @module
 */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

/** Vitest's global setup; throws when the bundler fails. */
export default (): void => {
  const script = fileURLToPath(new URL("../../scripts/bundle.mjs", import.meta.url))
  execFileSync(process.execPath, [script], { stdio: ["ignore", process.env["CI"] ? "inherit" : "ignore", "inherit"] })
}
