/**
 * A host key that is handed in, or made for this process alone: for tests, and what other signers are built on.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ed25519 from "../domain/Ed25519.ts"
import * as SignedNote from "../domain/SignedNote.ts"
import * as Vkey from "../domain/Vkey.ts"
import { Signer } from "../services/Signer.ts"

/** Domain of an installation whose configuration names none. */
export const defaultDomain = "agentops.local"

/** The signer of a key pair: its name is `<domain>/<iid>` (format section 1). */
export const fromPair = (pair: Ed25519.KeyPair, domain: string): Signer["Type"] => {
  const ledgerOrigin = `${domain}/${Vkey.hostId(pair.publicKey)}`
  const host = Vkey.make(ledgerOrigin, 1, pair.publicKey)
  return {
    host,
    ledgerOrigin,
    signAsHost: (text) => Effect.sync(() => SignedNote.sign(text, host, pair.privateKey))
  }
}

/** @param seed 32 bytes of RFC 8032 private key */
export const fromSeed = (seed: Uint8Array, domain: string = defaultDomain): Layer.Layer<Signer> =>
  Layer.sync(Signer, () => fromPair(Ed25519.fromSeed(seed), domain))

/** A key that nobody keeps. */
export const layer: Layer.Layer<Signer> = Layer.sync(Signer, () => fromPair(Ed25519.generate(), defaultDomain))
