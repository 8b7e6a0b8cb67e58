import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Base64 from "../../src/domain/Base64.ts"
import * as Checkpoint from "../../src/domain/Checkpoint.ts"
import * as MerkleTree from "../../src/domain/MerkleTree.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"
import * as ExportTiles from "../../src/layers/ExportTiles.ts"
import { LogReader } from "../../src/services/LogReader.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as LogReaderArrays from "../fixtures/LogReaderArrays.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"
import { vectors } from "../fixtures/Vectors.ts"

const logOf = (name: string) => LogReaderArrays.fromBundle(Bundles.read(name))
const rotate = logOf("ok-rotate.json")

/** A log of these leaves with one checkpoint, which nobody but its reader believes. */
const unsigned = (leaves: ReadonlyArray<string>, signed = leaves.length): LogReaderArrays.LogArrays => {
  const root = MerkleTree.root(leaves.slice(0, signed).map((leaf) => Sha256.leafHash(Buffer.from(leaf))))
  const note = `${Checkpoint.encode({ origin: "example.org/log", size: signed, root })}\n— example.org/log AAAAAAAA\n`
  const checkpoints = [{ size: signed, note, witnesses: [], timestamps: [] }]
  return { origin: "example.org/log", leaves, checkpoints, disclosures: [], ledger: [] }
}

const records = (count: number) => Array.from({ length: count }, (_, at) => `record ${at}`)

const written = (log: LogReaderArrays.LogArrays, directory: string) =>
  Effect.provide(ExportTiles.tiles(directory), LogReaderArrays.layer(log))

const filesIn = (directory: string) =>
  Fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => Path.relative(directory, Path.join(entry.parentPath, entry.name)))
    .toSorted()

// An independent reader: it shares no code with what it checks, and knows the specification only.
const sha256 = (...parts: ReadonlyArray<Uint8Array>) =>
  Crypto.createHash("sha256").update(Buffer.concat(parts)).digest()
const interior = (left: Uint8Array, right: Uint8Array) => sha256(Buffer.of(1), left, right)

const merkle = (hashes: ReadonlyArray<Buffer>): Buffer => {
  if (hashes.length === 1) return hashes[0]!
  let k = 1
  while (k * 2 < hashes.length) k *= 2
  return interior(merkle(hashes.slice(0, k)), merkle(hashes.slice(k)))
}

const nameOf = (level: string, index: number, width: number) => {
  const digits = String(index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/.{3}/g) ?? []
  const elements = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group))
  return `tile/${level}/${elements.join("/")}${width === 256 ? "" : `.p/${width}`}`
}

/** Root of the tree that the directory serves; checks every tile of every level and every entry on the way. */
const rootOf = (directory: string): Buffer => {
  const expected = new Set(["checkpoint"])
  const load = (level: string, index: number, width: number) => {
    const name = nameOf(level, index, width)
    expected.add(name)
    return Fs.readFileSync(Path.join(directory, name))
  }
  const size = Number(Fs.readFileSync(Path.join(directory, "checkpoint"), "utf8").split("\n")[1])
  let below: Array<Buffer> = []
  for (let from = 0; from < size; from += 256) {
    const width = Math.min(256, size - from)
    const bundle = load("entries", from / 256, width)
    let at = 0
    for (let entry = 0; entry < width; entry++) {
      const length = bundle.readUInt16BE(at)
      below.push(sha256(Buffer.of(0), bundle.subarray(at + 2, at + 2 + length)))
      at += 2 + length
    }
    assert.strictEqual(at, bundle.length)
  }
  const root = merkle(below)
  for (let level = 0; below.length > 0; level++) {
    const above: Array<Buffer> = []
    for (let from = 0; from < below.length; from += 256) {
      const hashes = below.slice(from, from + 256)
      assert.deepStrictEqual(load(String(level), from / 256, hashes.length), Buffer.concat(hashes))
      if (hashes.length === 256) above.push(merkle(hashes))
    }
    below = above
  }
  assert.deepStrictEqual(filesIn(directory), [...expected].toSorted())
  return root
}

describe("ExportTiles", () => {
  it.scoped("writes the files of the vector tiles_600", () =>
    Effect.gen(function* () {
      const { entries, root, size, tiles } = vectors.tiles_600
      const directory = Path.join(yield* temporaryDirectory, "tiles")
      const report = yield* written(unsigned(records(size)), directory)
      for (const [path, digest] of Object.entries({ ...tiles, ...entries })) {
        assert.strictEqual(Sha256.digestHex(Fs.readFileSync(Path.join(directory, path))), digest)
      }
      assert.strictEqual(Base64.encode(rootOf(directory)), root)
      assert.strictEqual(report.files, 8)
    })
  )

  for (const size of [1, 13, 255, 256, 257, 512, 1000]) {
    it.scoped(`serves a log of ${size} entries whole to an independent reader`, () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const log = unsigned(records(size))
        yield* written(log, directory)
        assert.strictEqual(Base64.encode(rootOf(directory)), log.checkpoints[0]!.note.split("\n")[2])
      })
    )
  }

  it.scoped("carries the last checkpoint with its cosignatures", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* written(rotate, directory)
      const { note, witnesses } = rotate.checkpoints.at(-1)!
      assert.strictEqual(
        Fs.readFileSync(Path.join(directory, "checkpoint"), "utf8"),
        `${note}${witnesses.map((line) => `${line}\n`).join("")}`
      )
      assert.strictEqual(Base64.encode(rootOf(directory)), note.split("\n")[2])
    })
  )

  it.scoped("reaches to the last checkpoint and says what stands behind it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const report = yield* written(unsigned(records(700), 600), directory)
      assert.deepStrictEqual(report.warnings, [{ _tag: "UnsignedTail", range: [600, 699] }])
      assert.strictEqual(Base64.encode(rootOf(directory)), vectors.tiles_600.root)
    })
  )

  it.scoped("makes files that only their owner reads", () =>
    Effect.gen(function* () {
      const directory = Path.join(yield* temporaryDirectory, "tiles")
      yield* written(rotate, directory)
      for (const path of filesIn(directory))
        assert.strictEqual(Fs.statSync(Path.join(directory, path)).mode & 0o777, 0o600)
      assert.strictEqual(Fs.statSync(directory).mode & 0o777, 0o700)
    })
  )

  it.scoped("refuses a directory that is not empty, a file, and a place that is not there", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(Path.join(directory, "mine"), "")
      for (const [target, message] of [
        [directory, /it is not empty; name a new or an empty directory/],
        [Path.join(directory, "mine"), /a part of its path is not a directory/],
        [Path.join(directory, "absent", "tiles"), /its directory does not exist/]
      ] as const) {
        const error = yield* Effect.flip(written(rotate, target))
        assert.strictEqual(error._tag, "OutputFailed")
        assert.match(error.message, message)
      }
      assert.deepStrictEqual(Fs.readdirSync(directory), ["mine"])
    })
  )

  it.scoped("leaves nothing behind when the log does not lead to its checkpoint", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryDirectory
      const log = unsigned(records(600))
      for (const leaves of [log.leaves.with(17, "record x"), log.leaves.with(300, "x".repeat(70_000))]) {
        const damaged = { ...log, leaves }
        const fresh = yield* Effect.flip(written(damaged, Path.join(parent, "tiles")))
        assert.strictEqual(fresh._tag, "LogDamaged")
        assert.deepStrictEqual(Fs.readdirSync(parent), [])
        const empty = Path.join(parent, "empty")
        Fs.mkdirSync(empty)
        assert.strictEqual((yield* Effect.flip(written(damaged, empty)))._tag, "LogDamaged")
        assert.deepStrictEqual(Fs.readdirSync(empty), [])
        Fs.rmdirSync(empty)
      }
    })
  )

  it.scoped("leaves nothing behind when it is interrupted", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryDirectory
      const reached = yield* Deferred.make<void>()
      const reader = LogReaderArrays.make(unsigned(records(600)))
      const stuck = {
        ...reader,
        leaves: (from: number, to: number) =>
          from < 512 ? reader.leaves(from, to) : Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
      }
      const directory = Path.join(parent, "tiles")
      const fiber = yield* Effect.fork(Effect.provideService(ExportTiles.tiles(directory), LogReader, stuck))
      yield* Deferred.await(reached)
      assert.strictEqual(filesIn(directory).length, 4)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(Fs.readdirSync(parent), [])
    })
  )
})
