/**
 * Where an installation lives, and the layers that are made from it.
 *
 * @module
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as LedgerSqlite from "../layers/LedgerSqlite.ts"
import * as RunStorageFile from "../layers/RunStorageFile.ts"
import * as SignerFile from "../layers/SignerFile.ts"
import * as Tool from "../layers/Tool.ts"
import * as TrustStoreFile from "../layers/TrustStoreFile.ts"
import * as Ledger from "../services/Ledger.ts"
import type * as RunStorage from "../services/RunStorage.ts"
import * as Signer from "../services/Signer.ts"
import * as TrustStore from "../services/TrustStore.ts"
import type * as Audit from "./Audit.ts"
import * as Recover from "./Recover.ts"

const unreadable = (reason: string): Audit.LedgerAnswer => ({ _tag: "unreadable", reason })

/** `AGENTOPS_HOME`, made absolute, or `~/.agentops`. */
export const path: Effect.Effect<string> = Effect.map(
  Effect.orElseSucceed(Config.option(Config.nonEmptyString("AGENTOPS_HOME")), Option.none<string>),
  (home) => Path.resolve(Option.getOrElse(home, () => Path.join(Os.homedir(), ".agentops")))
)

/** Files of a home. */
export const filesOf = (home: string) => ({
  keys: Path.join(home, "keys"),
  policy: Path.join(home, "trust", "policy.txt"),
  ledger: Path.join(home, "ledger.db")
})

/** What reading needs: nothing is made. */
export const reading: Layer.Layer<RunStorage.RunStorage | TrustStore.TrustStore> = Layer.unwrapEffect(
  Effect.map(path, (home) => Layer.merge(RunStorageFile.layer(home), TrustStoreFile.layer(filesOf(home).policy)))
)

/** This host's key as a vkey, or undefined when no run has made it yet. Makes nothing. */
export const hostKey: Effect.Effect<string | undefined, Signer.SignerError> = Effect.gen(function* () {
  const { keys } = filesOf(yield* path)
  if (!Fs.existsSync(Path.join(keys, SignerFile.fileName))) return undefined
  return (yield* SignerFile.make({ keysDirectory: keys })).host.text
})

/** The host key, made at first use and trusted by this host from then on. */
const signer: Layer.Layer<Signer.Signer, Signer.SignerError | TrustStore.TrustError, TrustStore.TrustStore> =
  Layer.effect(
    Signer.Signer,
    Effect.gen(function* () {
      const { keys } = filesOf(yield* path)
      const signer = yield* SignerFile.make({ keysDirectory: keys })
      yield* Effect.flatMap(TrustStore.TrustStore, (trust) => trust.addLog(signer.host))
      return signer
    })
  )

const ledger = Layer.unwrapEffect(
  Effect.map(path, (home) => {
    const files = filesOf(home)
    return LedgerSqlite.layer({ path: files.ledger, keysDirectory: files.keys, tool: Tool.name })
  })
)

/** What recording needs: keys and the ledger are made at first use. */
export const recording = ledger.pipe(Layer.provideMerge(signer), Layer.provideMerge(reading))

/** Origin of this host's ledger, or undefined when no run has made the host key yet. Makes nothing. */
export const ledgerOrigin = Effect.map(hostKey, (vkey) => vkey?.slice(0, vkey.indexOf("+")))

/** Closes the logs of recorders that were killed; completes with warnings. Does nothing where no run was ever made. */
export const recoverKilled = Effect.gen(function* () {
  if ((yield* hostKey) === undefined) return []
  return yield* Effect.provide(Recover.all, recording)
})

/** What the ledger says of a run, as evidence for a verification that must not depend on it. */
export const ledgerAnswer = (origin: string | undefined): Effect.Effect<Audit.LedgerAnswer> =>
  Effect.gen(function* () {
    if (origin === undefined) return unreadable("the run's metadata does not say its origin")
    const records = yield* Effect.provide(
      Effect.flatMap(Ledger.LedgerReader, (ledger) => ledger.evidence(origin)),
      LedgerSqlite.readerLayer(filesOf(yield* path).ledger)
    )
    return { _tag: "evidence", records } as const
  }).pipe(Effect.catchAll((error) => Effect.succeed(unreadable(error.message))))
