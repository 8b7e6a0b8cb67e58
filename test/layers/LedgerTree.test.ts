import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import * as LedgerTree from "../../src/layers/LedgerTree.ts"
import { LedgerReader } from "../../src/services/Ledger.ts"
import * as Home from "./LedgerHome.ts"

const hashes: ReadonlyArray<Uint8Array> = Array.from({ length: 70_000 }, (_, n) => Sha256.digest(Buffer.from(`${n}`)))

/** Roots of the first n leaves, the plain way, for the sizes asked for. */
const accumulator = new MerkleTree.Accumulator()
const roots = [accumulator.root(), ...hashes.map((hash) => (accumulator.append(hash), accumulator.root()))]

const whole = LedgerTree.LedgerTree.empty()
for (const hash of hashes) whole.append(hash)

const leafHashesBelow = (size: number) => (n: number) => hashes.slice(n * 256, Math.min(size, (n + 1) * 256))

const size = FastCheck.oneof(
  FastCheck.integer({ min: 0, max: hashes.length }),
  FastCheck.constantFrom(0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_792)
)

describe("LedgerTree", () => {
  it("has the root of RFC 6962 at every size, with every tile of level 1 and up", () => {
    const tree = LedgerTree.LedgerTree.empty()
    for (let n = 0; n < 3000; n++) {
      assert.isTrue(MerkleTree.sameHash(tree.root(), roots[n] ?? new Uint8Array()))
      tree.append(hashes[n] ?? new Uint8Array())
    }
    assert.isTrue(MerkleTree.sameHash(whole.root(), roots[hashes.length] ?? new Uint8Array()))
    const lengths = [...whole.changed].map(({ data, level, n }) => `${level}/${n}: ${data.length / 32}`)
    assert.deepStrictEqual(lengths.toSorted(), ["1/0: 256", "1/1: 17", "2/0: 1"])
  })

  it.prop("goes on from the tiles as it would have gone on by itself", [size, FastCheck.nat(600)], ([from, more]) => {
    const tail = hashes.slice(from - LedgerTree.tailOf(from), from)
    // Tiles of a later state hold those of an earlier one.
    const tree = LedgerTree.LedgerTree.load(from, tail, whole.readTile)
    assert.isDefined(tree)
    for (const hash of hashes.slice(from, from + more)) tree?.append(hash)
    assert.isTrue(MerkleTree.sameHash(tree?.root() ?? new Uint8Array(), roots[tree?.size ?? 0] ?? new Uint8Array()))
    for (const { data, level, n } of tree?.changed ?? []) {
      assert.isTrue(
        Buffer.from(whole.readTile(level, n) ?? [])
          .subarray(0, data.length)
          .equals(data)
      )
    }
  })

  it.prop(
    "proves any leaf of any size",
    [FastCheck.integer({ min: 1, max: hashes.length }), FastCheck.nat()],
    ([upTo, at]) => {
      const index = at % upTo
      const subtree = LedgerTree.subtreeRoots(upTo, leafHashesBelow(upTo), whole.readTile)
      const proof = MerkleTree.inclusionProof(subtree, index, upTo)
      const isIncluded = MerkleTree.verifyInclusion(
        hashes[index] ?? new Uint8Array(),
        index,
        upTo,
        proof,
        roots[upTo] ?? new Uint8Array()
      )
      assert.isTrue(isIncluded)
    }
  )

  it("says when a tile is missing or too short", () => {
    assert.isUndefined(LedgerTree.LedgerTree.load(256, [], () => undefined))
    assert.isUndefined(LedgerTree.LedgerTree.load(512, [], () => new Uint8Array(32)))
    const subtree = LedgerTree.subtreeRoots(512, leafHashesBelow(512), () => undefined)
    assert.throws(() => subtree(0, 512), LedgerTree.CacheIncomplete)
  })
})

describe("the tiles of a ledger", () => {
  it.scopedLive(
    "are a cache: wrong, cut or missing ones are found, and made again from the entries",
    () =>
      Effect.gen(function* () {
        const home = yield* Home.make
        const ids = Array.from({ length: 70 }, (_, n) => `run_${n}`)
        yield* Home.command(home, Effect.forEach(ids, Home.record, { discard: true }))
        const evidence = Home.ask(
          home,
          Effect.flatMap(LedgerReader, (ledger) => ledger.evidence(Home.run("run_3").origin))
        )
        const damages = [
          "UPDATE tiles SET data=zeroblob(32) WHERE level=1",
          "UPDATE tiles SET data=NULL WHERE level=1",
          "UPDATE tiles SET data=x'00' WHERE level=1",
          "DELETE FROM tiles"
        ]
        for (const [n, damage] of damages.entries()) {
          const right = yield* evidence
          Home.tamper(home, damage)
          assert.deepStrictEqual(yield* evidence, right)
          yield* Home.command(home, Home.record(`run_after_${n}`))
          const first = Sha256.digestBytes
          const stored = LedgerTree.LedgerTree.empty()
          for (const leaf of Home.leaves(home)) stored.append(Buffer.from(Sha256.leafHashHex(leaf), "hex"))
          const [tile] = [...stored.changed]
          assert.strictEqual(tile?.data.length, first)
          assert.deepStrictEqual(Home.tiles(home), [{ level: 1, n: 0, data: Buffer.from(tile?.data ?? []) }])
        }
        assert.strictEqual((yield* Home.verify(home)).verdict, "INCOMPLETE")
      }),
    30_000
  )
})
