/**
 * What a reader brings to a verification, read from files. Whatever is wrong with it is a usage error: the verdict must
 * not depend on evidence that was silently left out.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { X509Certificate } from "node:crypto"
import * as Fs from "node:fs"
import * as Evidence from "../../domain/Evidence.ts"
import * as TlogPolicy from "../../domain/TlogPolicy.ts"
import * as Vkey from "../../domain/Vkey.ts"
import type * as VerifyOptions from "../../domain/VerifyOptions.ts"
import * as TrustStore from "../../services/TrustStore.ts"
import * as Failure from "./Failure.ts"

export interface Given {
  /** A policy file or a vkey; undefined: this host's own policy. */
  readonly policy: string | undefined
  readonly known: ReadonlyArray<string>
  readonly run: string | undefined
  readonly tsaCa: ReadonlyArray<string>
}

/** Largest file that is read whole. */
const maxBytes = 1024 * 1024

const usage = (reason: string) => new Failure.UsageError({ reason })

const readFile = (flag: string, path: string): Effect.Effect<Buffer, Failure.UsageError> =>
  Effect.try({
    try: () => {
      if (Fs.statSync(path).size > maxBytes) throw new Error("it is larger than 1 MiB")
      return Fs.readFileSync(path)
    },
    catch: (error) => usage(`${flag} ${path}: ${error instanceof Error ? error.message : String(error)}`)
  })

const orUsage = <A>(
  flag: string,
  path: string,
  result: Either.Either<A, string>
): Effect.Effect<A, Failure.UsageError> =>
  Either.match(result, {
    onLeft: (reason) => Effect.fail(usage(`${flag} ${path}: ${reason}`)),
    onRight: (value) => Effect.succeed(value)
  })

const readPolicy = (given: string) =>
  Effect.gen(function* () {
    const text = Either.isRight(Vkey.parse(given)) ? Buffer.from(`${given}\n`) : yield* readFile("--policy", given)
    const policy = Either.mapLeft(TlogPolicy.parse(text), (error) => error.message)
    return yield* orUsage("--policy", given, policy)
  })

const readKnown = (path: string) =>
  Effect.flatMap(readFile("--known", path), (text) => orUsage("--known", path, Evidence.parseKnown(text)))

const pemForm = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const readCertificates = (path: string) =>
  Effect.gen(function* () {
    const text = yield* readFile("--tsa-ca", path)
    const certificates = text.toString("latin1").match(pemForm) ?? []
    if (certificates.length === 0) return yield* usage(`--tsa-ca ${path}: there is no PEM certificate in it`)
    yield* Effect.try({
      try: () => certificates.map((pem) => new X509Certificate(pem)),
      catch: () => usage(`--tsa-ca ${path}: a certificate in it cannot be read`)
    })
    return certificates
  })

/** Reads everything that was named. */
export const read = (
  given: Given
): Effect.Effect<VerifyOptions.VerifyOptions, Failure.UsageError | TrustStore.TrustError, TrustStore.TrustStore> =>
  Effect.gen(function* () {
    const trust = yield* TrustStore.TrustStore
    return {
      policy: given.policy === undefined ? yield* trust.policy : yield* readPolicy(given.policy),
      known: yield* Effect.forEach(given.known, readKnown),
      run: given.run,
      tsaAnchors: (yield* Effect.forEach(given.tsaCa, readCertificates)).flat()
    }
  })
