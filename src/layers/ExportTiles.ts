/**
 * Writes a log as the static files of C2SP tlog-tiles: checkpoint, tile/<L>/<N>[.p/<W>], tile/entries/<N>[.p/<W>], for
 * the size of its last checkpoint and no other. Memory stays flat: one unfinished tile for each level.
 *
 * The checkpoint is written last, and only when the tiles lead to its root. On failure or interruption everything that
 * was written is removed.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as MerkleTree from "../domain/MerkleTree.ts"
import * as Tiles from "../domain/Tiles.ts"
import { LogReader } from "../services/LogReader.ts"
import type { ExportWarning } from "./ExportError.ts"
import { OutputFailed } from "./ExportError.ts"
import { outputError } from "./ExportOutput.ts"
import * as ExportProof from "./ExportProof.ts"
import * as LogIndex from "./LogIndex.ts"

/** What was written. */
export interface TilesReport {
  readonly directory: string
  /** Entries below the checkpoint: the size of the tree. */
  readonly entries: number
  /** Files, the checkpoint among them. */
  readonly files: number
  readonly bytes: number
  /** Entries that the log has. */
  readonly total: number
  readonly warnings: ReadonlyArray<ExportWarning>
}

export interface Options {
  /** Called from time to time: entries that were read, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code

/** Makes the directory, or takes it when it is empty. Returns whether it was made. */
const prepare = async (directory: string): Promise<boolean> => {
  try {
    await Fs.mkdir(directory, { mode: 0o700 })
    return true
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error
  }
  if ((await Fs.readdir(directory)).length === 0) return false
  throw new OutputFailed({ path: directory, reason: "it is not empty; name a new or an empty directory" })
}

/** Removes what was written. */
const discard = async (directory: string, isOurs: boolean): Promise<void> => {
  await Fs.rm(Path.join(directory, Tiles.checkpointPath), { force: true })
  await Fs.rm(Path.join(directory, "tile"), { force: true, recursive: true })
  if (isOurs) await Fs.rmdir(directory)
}

/** Writes files below the directory, and counts them. Owned by one export. */
class TileFiles {
  readonly #directory: string
  /** Directories that exist. */
  #made = new Set<string>()
  files = 0
  bytes = 0

  constructor(directory: string) {
    this.#directory = directory
  }

  write(path: string, content: Uint8Array): Effect.Effect<void, OutputFailed> {
    const write = async () => {
      const file = Path.join(this.#directory, path)
      const parent = Path.dirname(file)
      if (!this.#made.has(parent)) {
        await Fs.mkdir(parent, { recursive: true, mode: 0o700 })
        if (this.#made.size >= 1000) this.#made.clear()
        this.#made.add(parent)
      }
      await Fs.writeFile(file, content, { flag: "wx", mode: 0o600 })
      this.files++
      this.bytes += content.length
    }
    return Effect.uninterruptible(Effect.tryPromise({ try: write, catch: outputError(this.#directory) }))
  }

  tiles(tiles: ReadonlyArray<Tiles.Tile>): Effect.Effect<void, OutputFailed> {
    return Effect.forEach(
      tiles,
      (tile) => this.write(Tiles.path(Tiles.coordinatesOf(tile)), Tiles.encodeTile(tile.hashes)),
      { discard: true }
    )
  }
}

/** Exports the log below its last checkpoint into a new or empty directory. */
export const tiles = Effect.fn("ExportTiles.tiles")(function* (directory: string, options: Options = {}) {
  const reader = yield* LogReader
  const final = yield* LogIndex.finalCheckpoint(reader)
  const produce = Effect.fnUntraced(function* () {
    const out = new TileFiles(directory)
    const builder = new Tiles.TileBuilder()
    for (let from = 0; from < final.size; from += Tiles.fullWidth) {
      const leaves = yield* reader.leaves(from, Math.min(from + Tiles.fullWidth, final.size))
      const index = from / Tiles.fullWidth
      const entries = yield* Effect.try({
        try: () => Tiles.encodeEntries(leaves.map((leaf) => Buffer.from(leaf, "utf8"))),
        catch: () => LogIndex.otherRoot(reader, final.size) // no entry of the format is that long
      })
      yield* out.write(Tiles.path({ level: "entries", index, width: leaves.length }), entries)
      yield* out.tiles(leaves.flatMap((leaf) => builder.append(LogIndex.hashOf(leaf))))
      options.onProgress?.(from + leaves.length, final.size)
    }
    if (!MerkleTree.sameHash(builder.root, final.root)) return yield* LogIndex.otherRoot(reader, final.size)
    yield* out.tiles(builder.partial)
    yield* out.write(Tiles.checkpointPath, Buffer.from(ExportProof.cosigned(final), "utf8"))
    const warnings: ReadonlyArray<ExportWarning> =
      final.size < reader.size ? [{ _tag: "UnsignedTail", range: [final.size, reader.size - 1] }] : []
    const report: TilesReport = {
      directory,
      entries: final.size,
      files: out.files,
      bytes: out.bytes,
      total: reader.size,
      warnings
    }
    return report
  })
  return yield* Effect.acquireUseRelease(
    Effect.tryPromise({ try: () => prepare(directory), catch: outputError(directory) }),
    produce,
    (isOurs, exit) =>
      exit._tag === "Success" ? Effect.void : Effect.promise(() => discard(directory, isOurs).catch(() => undefined))
  )
})
