import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import * as Tiles from "../../src/domain/Tiles.ts"
import { vectors } from "../fixtures/Vectors.ts"

const records = (count: number) => Array.from({ length: count }, (_, at) => Buffer.from(`record ${at}`))

/** All tiles of a log of these entries, by path. */
const tilesOf = (entries: ReadonlyArray<Uint8Array>) => {
  const builder = new Tiles.TileBuilder()
  const full = entries.flatMap((entry) => builder.append(Sha256.leafHash(entry)))
  return new Map(
    [...full, ...builder.partial].map((tile) => [Tiles.path(Tiles.coordinatesOf(tile)), Tiles.encodeTile(tile.hashes)])
  )
}

describe("Tiles", () => {
  it("makes exactly the tiles of the vector tiles_600", () => {
    const { root, size, tiles } = vectors.tiles_600
    const made = tilesOf(records(size))
    assert.deepStrictEqual(Object.fromEntries([...made].map(([path, bytes]) => [path, Sha256.digestHex(bytes)])), tiles)
    const hashes = records(size).map((entry) => Sha256.leafHash(entry))
    assert.strictEqual(Buffer.from(MerkleTree.root(hashes)).toString("base64"), root)
  })

  it("makes the entry bundles of the vector tiles_600", () => {
    const entries = records(vectors.tiles_600.size)
    for (const [path, sha256] of Object.entries(vectors.tiles_600.entries)) {
      const { index, width } = Either.getOrThrow(Tiles.parsePath(path))
      const bytes = Tiles.encodeEntries(entries.slice(index * 256, index * 256 + width))
      assert.strictEqual(Sha256.digestHex(bytes), sha256)
      assert.strictEqual(Either.getOrThrow(Tiles.decodeEntries(bytes, width)).length, width)
    }
  })

  it("names the examples of the specification as it does", () => {
    assert.strictEqual(Tiles.path({ level: 0, index: 1_234_067, width: 256 }), "tile/0/x001/x234/067")
    const hash = Sha256.digest(Buffer.from("a leaf"))
    const widths = (size: number) => {
      const builder = new Tiles.TileBuilder()
      let full = 0
      for (let at = 0; at < size; at++) full += builder.append(hash).filter(({ level }) => level === 0).length
      return { full, partial: builder.partial.map((tile) => Tiles.path(Tiles.coordinatesOf(tile))) }
    }
    assert.deepStrictEqual(widths(256), { full: 1, partial: ["tile/1/000.p/1"] })
    assert.deepStrictEqual(widths(70_000), {
      full: 273,
      partial: ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    })
    assert.deepStrictEqual(widths(0), { full: 0, partial: [] })
  })

  it("reads one spelling of a path only", () => {
    for (const bad of [
      "tile/0/0",
      "tile/00/000",
      "tile/64/000",
      "tile/0/x000/001",
      "tile/0/000.p/0",
      "tile/0/000.p/256",
      "tile/0/000.p/08",
      "tile/0/1234",
      "tile/entries/x001",
      "tile/0/x001/x234",
      "tile/-1/000",
      "/tile/0/000",
      "tile/0/000/",
      "tile/0/x009/x007/x199/x254/x740/992",
      "checkpoint"
    ]) {
      assert.isTrue(Either.isLeft(Tiles.parsePath(bad)), bad)
    }
  })

  it("refuses an entry that is longer than its length field can say", () => {
    assert.strictEqual(Tiles.encodeEntries([Buffer.alloc(65_535)]).length, 65_537)
    assert.throws(() => Tiles.encodeEntries([Buffer.alloc(65_536)]), Tiles.TileError)
  })

  it("refuses tiles and bundles that are cut, too long or of another width", () => {
    const bytes = Tiles.encodeEntries(records(3))
    for (const [cut, width] of [
      [bytes.subarray(0, -1), 3],
      [bytes.subarray(0, 1), 1],
      [bytes, 2],
      [bytes, 4],
      [Buffer.concat([bytes, Buffer.of(0)]), 3]
    ] as const) {
      assert.isTrue(Either.isLeft(Tiles.decodeEntries(cut, width)))
    }
    assert.isTrue(Either.isLeft(Tiles.decodeTile(Buffer.alloc(63), 2)))
    assert.isTrue(Either.isRight(Tiles.decodeTile(Buffer.alloc(64), 2)))
  })

  it.prop(
    "every path is read back",
    [
      FastCheck.oneof(FastCheck.integer({ min: 0, max: 63 }), FastCheck.constant("entries" as const)),
      FastCheck.maxSafeInteger().map(Math.abs),
      FastCheck.integer({ min: 1, max: 256 })
    ],
    ([level, index, width]) => {
      assert.deepStrictEqual(
        Tiles.parsePath(Tiles.path({ level, index, width })),
        Either.right({ level, index, width })
      )
    }
  )

  it.prop(
    "entries are read back from their bundle",
    [FastCheck.array(FastCheck.uint8Array({ maxLength: 40 }))],
    ([entries]) => {
      const bundle = Tiles.encodeEntries(entries)
      const read = Either.getOrThrow(Tiles.decodeEntries(bundle, entries.length))
      assert.deepStrictEqual(
        read.map((entry) => Buffer.from(entry)),
        entries.map((entry) => Buffer.from(entry))
      )
    }
  )

  it.prop(
    "no bytes and no text make the decoders throw",
    [FastCheck.uint8Array(), FastCheck.string(), FastCheck.nat(300)],
    ([bytes, text, width]) => {
      Tiles.decodeEntries(bytes, width)
      Tiles.decodeTile(bytes, width)
      Tiles.parsePath(text)
      Tiles.parsePath(`tile/${text}`)
    }
  )
})
