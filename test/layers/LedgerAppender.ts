/**
 * A process that appends to a ledger, as `agent run` would, and says on stdout what was answered: one line of
 * `<seq> <type> <run>` for each append. Bundled and started by LedgerProcesses.test.ts.
 *
 * Arguments: home directory, name of the process, appends.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Ed25519 from "../../src/domain/Ed25519.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import * as SignerFile from "../../src/layers/SignerFile.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { Signer } from "../../src/services/Signer.ts"

const [home = "", name = "", count = "0"] = process.argv.slice(2)
const root = Buffer.alloc(32, 1).toString("base64")

const append = (n: number) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger
    const { ledgerOrigin } = yield* Signer
    const run = `run_${name}_${Math.floor(n / 3)}`
    const origin = `${ledgerOrigin}/${run}`
    const key = Vkey.make(origin, 1, Ed25519.generate().publicKey).text
    const requests = [
      ["run.open", ledger.open({ origin, key, root })],
      ["run.point", ledger.point({ origin, size: 2, root })],
      ["run.close", ledger.close({ origin, size: 3, root, state: "closed" })]
    ] as const
    const [type, request] = requests[n % 3] ?? requests[0]
    const { seq } = yield* request
    Fs.writeSync(1, `${seq} ${type} ${run}\n`)
  })

const keysDirectory = `${home}/keys`
const program = Effect.forEach(
  Array.from({ length: Number(count) }, (_, n) => n),
  append,
  { discard: true }
).pipe(
  Effect.provide(LedgerSqlite.layer({ path: `${home}/ledger.db`, keysDirectory, tool: "agentops/test" })),
  Effect.provide(Layer.orDie(SignerFile.layer({ keysDirectory })))
)

Effect.runPromise(program).catch((error: unknown) => {
  Fs.writeSync(2, `${String(error)}\n`)
  process.exitCode = 1
})
