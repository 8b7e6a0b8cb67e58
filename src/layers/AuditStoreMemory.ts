/**
 * The audit store in arrays, for tests and for programs that only want proofs of what happens while they run. Nothing
 * is durable; order, hashes, signatures, rotation and ticks are those of the SQLite store.
 *
 * @module
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Ed25519 from "../domain/Ed25519.ts"
import { EpochSigner } from "../domain/EpochSigner.ts"
import * as MerkleTree from "../domain/MerkleTree.ts"
import { AuditStore, type RecordRejected, type StoredCheckpoint, type StoreFailed } from "../services/AuditStore.ts"
import { Signer, type SignerError } from "../services/Signer.ts"
import * as AuditLog from "./AuditLog.ts"
import * as LogOpening from "./LogOpening.ts"
import type { LogBackend } from "./LogBackend.ts"
import { signHead } from "./SignHead.ts"

export interface Options extends Omit<AuditLog.Options, "nonce"> {
  /** 32 hex digits; drawn when it is not given. */
  readonly nonce?: string | undefined
  /** Makes the epoch keys, one after the other; random when it is not given. */
  readonly generateKey?: (() => Ed25519.KeyPair) | undefined
}

const backend = (origin: string, generateKey: () => Ed25519.KeyPair): LogBackend => {
  const leaves: Array<string> = []
  const notes: Array<StoredCheckpoint> = []
  const tree = new MerkleTree.Accumulator()
  const signer = new EpochSigner(origin, generateKey)
  return {
    path: "in memory",
    firstKey: signer.key ?? "", // a new signer has both keys
    nextKey: signer.nextKey ?? "",
    write: (segment, stored) => {
      leaves.push(...segment.leaves)
      notes.push(...segment.notes)
      stored()
    },
    sign: (kind, hashes, signed) => signed(signHead(signer, tree, kind, hashes)),
    finish: Effect.void,
    entries: ({ from = 0, to = Number.POSITIVE_INFINITY } = {}) =>
      Stream.suspend(() => Stream.fromChunk(Chunk.unsafeFromArray(leaves.slice(from, to)))),
    checkpoints: Stream.suspend(() => Stream.fromChunk(Chunk.unsafeFromArray([...notes])))
  }
}

/** Needs the host key; the log is open when the layer is built. */
export const layer = (options: Options): Layer.Layer<AuditStore, StoreFailed | RecordRejected | SignerError, Signer> =>
  Layer.scoped(
    AuditStore,
    Effect.gen(function* () {
      const origin = yield* LogOpening.originOf(yield* Signer, options.run)
      const { generateKey = Ed25519.generate, nonce = randomBytes(16).toString("hex"), ...rest } = options
      return yield* AuditLog.make({ ...rest, nonce }, origin, backend(origin, generateKey), () => {})
    })
  )
