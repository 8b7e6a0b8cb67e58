import { AuditStore, AuditStoreSqlite, SignerFile, TlogPolicy, VerifyDatabase, VerifyOptions, Signer } from "agentops"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

const path = `${process.argv[2] ?? "."}/audit.db`
const signer = SignerFile.layer({ keysDirectory: `${process.argv[2] ?? "."}/keys` })
const store = AuditStoreSqlite.layer({ path, run: "nightly-42", tool: "my-program/1.0" })

const record = Effect.gen(function* () {
  const log = yield* AuditStore.AuditStore
  yield* log.append({ type: "job", source: "runtime", data: { step: "started" } }) // in order; not waited for
  const { seq } = yield* log.commit({ type: "job", source: "runtime", data: { step: "paid", cents: 1299 } }) // durable
  yield* Console.log(`entry ${seq} is on disk`)
  yield* log.close({ reason: "done", exit: 0 })
})

const verify = Effect.gen(function* () {
  const { host } = yield* Signer.Signer
  const policy = { ...TlogPolicy.none, logs: [host] }
  const report = yield* VerifyDatabase.verifyFile(path, { ...VerifyOptions.nothing, policy })
  yield* Console.log(report.verdict) // INTACT
})

const program = Effect.andThen(Effect.provide(record, store), verify)

await Effect.runPromise(Effect.provide(program, signer))
