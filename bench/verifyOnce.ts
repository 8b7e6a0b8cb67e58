/**
 * One verification in a process of its own, so that its time and its peak memory are nobody else's. Prints them as JSON.
 *
 * `verifyOnce bundle|database FILE POLICY THREADS`
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as TlogPolicy from "../src/domain/TlogPolicy.ts"
import * as VerifyOptions from "../src/domain/VerifyOptions.ts"
import * as VerifyBundle from "../src/layers/VerifyBundle.ts"
import * as VerifyDatabase from "../src/layers/VerifyDatabase.ts"

const [kind, path = "", policy = "", threads = "1"] = process.argv.slice(2)
const options = {
  ...VerifyOptions.nothing,
  policy: Either.getOrThrow(TlogPolicy.parse(Fs.readFileSync(policy, "utf8")))
}
const verify = kind === "bundle" ? VerifyBundle.verifyFile : VerifyDatabase.verifyFile

const start = performance.now()
void Effect.runPromise(verify(path, options, { threads: Number(threads) })).then(({ counts, verdict, why }) => {
  const millis = performance.now() - start
  const megabytes = process.resourceUsage().maxRSS / 1024
  process.stdout.write(JSON.stringify({ verdict, why, entries: counts.entries, millis, megabytes }))
})
