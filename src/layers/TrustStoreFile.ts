/**
 * The policy in a file: C2SP tlog-policy, edited by `agent trust` and by hand alike.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as TlogPolicy from "../domain/TlogPolicy.ts"
import * as TrustStore from "../services/TrustStore.ts"
import * as AtomicFile from "./AtomicFile.ts"

const heading = `# Logs and witnesses that \`agent audit\` trusts on this host (c2sp.org/tlog-policy).
quorum none
`

const isMissing = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT"

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The policy at `path`, whose directory is made when the first key is added. */
export const layer = (path: string): Layer.Layer<TrustStore.TrustStore> => {
  const fail = (reason: string) => new TrustStore.TrustError({ path, reason })

  const read = Effect.try({
    try: (): Buffer | undefined => {
      try {
        if (Fs.statSync(path).size > TlogPolicy.maxPolicyBytes) throw new Error("larger than 1 MiB")
        return Fs.readFileSync(path)
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    },
    catch: (error) => fail(reasonOf(error))
  })

  const parse = (text: Uint8Array) =>
    Either.match(TlogPolicy.parse(text), {
      onLeft: (error) => Effect.fail(fail(error.message)),
      onRight: (policy) => Effect.succeed(policy)
    })

  return Layer.succeed(TrustStore.TrustStore, {
    path,
    policy: Effect.flatMap(read, (text) => (text === undefined ? Effect.succeed(TlogPolicy.none) : parse(text))),
    addLog: (key) =>
      Effect.gen(function* () {
        const text = yield* read
        const present = text === undefined ? heading : text.toString("utf8")
        const policy = text === undefined ? TlogPolicy.none : yield* parse(text)
        if (TlogPolicy.hasLog(policy, key)) return false
        const lines = present.endsWith("\n") ? present : `${present}\n`
        yield* parse(Buffer.from(`${lines}log ${key.text}\n`))
        yield* Effect.try({
          try: () => {
            Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o700 })
            AtomicFile.replace(path, `${lines}log ${key.text}\n`)
          },
          catch: (error) => fail(reasonOf(error))
        })
        return true
      })
  })
}
