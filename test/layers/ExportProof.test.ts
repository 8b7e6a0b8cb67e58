import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Checkpoint from "../../src/domain/Checkpoint.ts"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as TlogProof from "../../src/domain/TlogProof.ts"
import * as ExportProof from "../../src/layers/ExportProof.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as LogReaderArrays from "../fixtures/LogReaderArrays.ts"
import { vectors } from "../fixtures/Vectors.ts"

const logOf = (name: string) => LogReaderArrays.fromBundle(Bundles.read(name))
const rotate = logOf("ok-rotate.json")
const five = logOf("ok-five.json")

const proofOf = (log: LogReaderArrays.LogArrays, seq: number) =>
  Effect.provide(ExportProof.text(seq), LogReaderArrays.layer(log))

describe("ExportProof", () => {
  it.effect("writes the format's tlog-proof of entry 2 byte for byte", () =>
    Effect.gen(function* () {
      const [opening, closing] = five.checkpoints
      const cosignature = vectors.five.tlog_proof_seq2.trimEnd().split("\n").slice(-1)
      const cosigned = { ...closing!, witnesses: cosignature }
      const log = { ...five, checkpoints: [opening!, cosigned] }
      assert.strictEqual(yield* proofOf(log, 2), vectors.five.tlog_proof_seq2)
    })
  )

  it.effect("proves every entry below the last checkpoint, with the leaf in extra", () =>
    Effect.gen(function* () {
      for (const [seq, leaf] of rotate.leaves.entries()) {
        const proof = Either.getOrThrow(TlogProof.parse(yield* proofOf(rotate, seq)))
        const note = Either.getOrThrow(SignedNote.parse(proof.checkpoint))
        const { root, size } = Either.getOrThrow(Checkpoint.parse(note.text))
        assert.strictEqual(Buffer.from(proof.extra ?? []).toString("utf8"), leaf)
        const hash = Sha256.leafHash(proof.extra ?? new Uint8Array())
        assert.isTrue(MerkleTree.verifyInclusion(hash, proof.index, size, proof.hashes, root))
        assert.strictEqual(size, 13)
        assert.strictEqual(note.signatures.length, 3)
      }
    })
  )

  it.effect("keeps a note within the lines that it may have", () =>
    Effect.gen(function* () {
      const [opening, closing] = five.checkpoints
      const witnesses = Array.from({ length: 70 }, (_, at) => `— witness.example/w${at} AAAAAAAA`)
      const text = yield* proofOf({ ...five, checkpoints: [opening!, { ...closing!, witnesses }] }, 1)
      const proof = Either.getOrThrow(TlogProof.parse(text))
      assert.strictEqual(
        Either.getOrThrow(SignedNote.parse(proof.checkpoint)).signatures.length,
        SignedNote.maxSignatures
      )
    })
  )

  it.effect("refuses an entry outside the log, and one that no checkpoint covers", () =>
    Effect.gen(function* () {
      for (const seq of [-1, 13, 1.5, Number.NaN]) {
        assert.strictEqual((yield* Effect.flip(proofOf(rotate, seq)))._tag, "EntriesOutside")
      }
      const tail = logOf("unsigned-tail.json")
      const error = yield* Effect.flip(proofOf(tail, 9))
      assert.strictEqual(
        error.message,
        "entry 9 cannot be proven: not below the last checkpoint (it covers entries 0..8)"
      )
      assert.isString(yield* proofOf(tail, 8))
      assert.strictEqual((yield* Effect.flip(proofOf({ ...rotate, checkpoints: [] }, 3)))._tag, "NotSigned")
    })
  )

  it.effect("refuses a log that does not lead to its checkpoint", () =>
    Effect.gen(function* () {
      const edited = { ...rotate, leaves: rotate.leaves.with(3, rotate.leaves[3]!.replace("200", "201")) }
      assert.strictEqual((yield* Effect.flip(proofOf(edited, 5)))._tag, "LogDamaged")
    })
  )
})
