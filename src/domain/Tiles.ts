/**
 * C2SP tlog-tiles: the names and the bytes of a log's static files. Tiles hold 256 hashes of a tree level that is a
 * multiple of 8, entry bundles hold 256 entries; the rightmost ones may be partial.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as MerkleTree from "./MerkleTree.ts"
import * as Sha256 from "./Sha256.ts"

/** Hashes of a full tile, entries of a full bundle. */
export const fullWidth = 256

/** Highest level that the specification has a path for. */
export const maxLevel = 63

/** Longest entry: its length is a big-endian uint16. */
export const maxEntryBytes = 65_535

/** Where the signed note is served. */
export const checkpointPath = "checkpoint"

/** A tile of hashes, or a bundle of entries. */
export interface Coordinates {
  /** Level of the hashes; "entries" for an entry bundle. */
  readonly level: number | "entries"
  /** Index within the level, from 0. */
  readonly index: number
  /** 1 to 256; less than 256 is a partial one. */
  readonly width: number
}

/** Hashes or entries that are not a tile's. */
export class TileError extends Data.TaggedError("TileError")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

const refuse = (reason: string) => Either.left(new TileError({ reason }))

/** Index in three-digit path elements, all but the last with an `x`: 1234067 is `x001/x234/067`. */
const indexPath = (index: number): string => {
  const elements = [String(index % 1000).padStart(3, "0")]
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    elements.unshift(`x${String(rest % 1000).padStart(3, "0")}`)
  }
  return elements.join("/")
}

/** Path below the log's prefix, such as `tile/0/x001/234.p/17`. */
export const path = ({ index, level, width }: Coordinates): string =>
  `tile/${level}/${indexPath(index)}${width === fullWidth ? "" : `.p/${width}`}`

const pathForm = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/

/** Reads a path; only the one spelling that `path` writes is accepted. */
export const parsePath = (text: string): Either.Either<Coordinates, TileError> => {
  const match = pathForm.exec(text)
  if (match === null) return refuse("not the path of a tile or of an entry bundle")
  const [, levelText = "", elements = "", widthText] = match
  const level = levelText === "entries" ? levelText : Number(levelText)
  const index = Number(elements.replaceAll(/[x/]/g, ""))
  const width = widthText === undefined ? fullWidth : Number(widthText)
  if (level !== "entries" && level > maxLevel) return refuse(`a level above ${maxLevel}`)
  if (!Number.isSafeInteger(index)) return refuse("an index above 2^53 - 1")
  const coordinates: Coordinates = { level, index, width }
  return (widthText !== undefined && width >= fullWidth) || path(coordinates) !== text
    ? refuse("a path in another spelling than the canonical one")
    : Either.right(coordinates)
}

/** Bytes of a tile: its hashes one after the other. */
export const encodeTile = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => Buffer.concat(hashes)

/** Hashes of a tile of `width`. */
export const decodeTile = (bytes: Uint8Array, width: number): Either.Either<ReadonlyArray<Uint8Array>, TileError> =>
  bytes.length === width * Sha256.digestBytes
    ? Either.right(
        Array.from({ length: width }, (_, at) => bytes.subarray(at * Sha256.digestBytes, (at + 1) * Sha256.digestBytes))
      )
    : refuse(`a tile of ${width} hashes has ${width * Sha256.digestBytes} bytes, not ${bytes.length}`)

/**
 * Bytes of an entry bundle: each entry behind its length.
 *
 * @throws TileError for an entry longer than `maxEntryBytes`
 */
export const encodeEntries = (entries: ReadonlyArray<Uint8Array>): Uint8Array => {
  let total = 0
  for (const { length } of entries) {
    if (length > maxEntryBytes) throw new TileError({ reason: `an entry of ${length} bytes` })
    total += 2 + length
  }
  const bytes = Buffer.allocUnsafe(total)
  let at = 0
  for (const entry of entries) {
    bytes.writeUInt16BE(entry.length, at)
    bytes.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bytes
}

/** Entries of a bundle of `width`. */
export const decodeEntries = (
  bytes: Uint8Array,
  width: number
): Either.Either<ReadonlyArray<Uint8Array>, TileError> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: Array<Uint8Array> = []
  let at = 0
  while (at < bytes.length && entries.length < width) {
    if (at + 2 > bytes.length) return refuse(`entry ${entries.length} of the bundle is cut`)
    const end = at + 2 + view.getUint16(at)
    if (end > bytes.length) return refuse(`entry ${entries.length} of the bundle is cut`)
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  return entries.length === width && at === bytes.length
    ? Either.right(entries)
    : refuse(`the bundle does not hold exactly ${width} entries`)
}

/** A tile of hashes that is complete for the size in question. */
export interface Tile {
  readonly level: number
  readonly index: number
  readonly hashes: ReadonlyArray<Uint8Array>
}

/** Coordinates of a tile. */
export const coordinatesOf = (tile: Tile): Coordinates => ({
  level: tile.level,
  index: tile.index,
  width: tile.hashes.length
})

interface Level {
  /** Tiles of this level that are full and gone. */
  done: number
  hashes: Array<Uint8Array>
}

/**
 * Makes the tiles of a log while it is read from the left. Holds the unfinished tile of each level and nothing else.
 * Mutable, owned by whoever appends.
 */
export class TileBuilder {
  readonly #levels: Array<Level> = []

  /** Appends a leaf hash; returns the tiles that it made full, lowest level first. */
  append(leafHash: Uint8Array): ReadonlyArray<Tile> {
    const full: Array<Tile> = []
    let hash = leafHash
    for (let level = 0; ; level++) {
      const into = (this.#levels[level] ??= { done: 0, hashes: [] })
      into.hashes.push(hash)
      if (into.hashes.length < fullWidth) return full
      full.push({ level, index: into.done, hashes: into.hashes })
      hash = MerkleTree.root(into.hashes)
      into.done++
      into.hashes = []
    }
  }

  /** Root at the present size. */
  get root(): Uint8Array {
    const tree = new MerkleTree.Accumulator()
    for (let level = this.#levels.length - 1; level >= 0; level--) {
      for (const hash of this.#levels[level]?.hashes ?? []) tree.appendSubtree(hash, fullWidth ** level)
    }
    return tree.root()
  }

  /** The partial tiles at the present size, lowest level first. Empty ones don't exist. */
  get partial(): ReadonlyArray<Tile> {
    return this.#levels.flatMap(({ done, hashes }, level) =>
      hashes.length === 0 ? [] : [{ level, index: done, hashes: [...hashes] }]
    )
  }
}
