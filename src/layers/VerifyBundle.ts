/**
 * Verifies a bundle file.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import { fstatSync } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Bundle from "../domain/Bundle.ts"
import { BundleVerifier } from "../domain/BundleVerifier.ts"
import * as FastRange from "../domain/FastRange.ts"
import type * as MerkleTree from "../domain/MerkleTree.ts"
import type * as Verdict from "../domain/Verdict.ts"
import type { Verifier } from "../domain/Verifier.ts"
import type { VerifyOptions } from "../domain/VerifyOptions.ts"
import { BundleReader } from "./BundleReader.ts"
import type * as Piece from "./Piece.ts"
import * as PiecePool from "./PiecePool.ts"
import { SignaturesAhead } from "./SignaturesAhead.ts"
import * as StandardInput from "./StandardInput.ts"
import * as VerifyIo from "./VerifyIo.ts"

type Read = (
  file: VerifyIo.EvidenceFile,
  options: VerifyOptions,
  settings: VerifyIo.Settings,
  signal: AbortSignal
) => Promise<Verdict.Report>

/** The simple, complete path: every line is decoded and fed to the verifier. */
const readSimply: Read = async (file, options, settings, signal) => {
  const { size } = await file.stat()
  const verifier = new BundleVerifier(options)
  const lines = new VerifyIo.LineSplitter(verifier)
  let done = 0
  await VerifyIo.readChunks(file, signal, async (chunk) => {
    lines.push(chunk)
    done += chunk.length
    settings.onProgress?.(done, Math.max(size, done))
    if (verifier.wantsToSettle) await verifier.settle()
    return !lines.isDone
  })
  lines.end()
  return verifier.finish()
}

/** Bytes that a thread takes at a time, unless told otherwise. */
const pieceBytes = 4 * 1024 * 1024

/**
 * Has threads check pieces of the file from `start` on, and joins what they found.
 *
 * @returns offset of the first line that was not read: the end, unless something there needs an explanation
 */
const readPieces = async (
  path: string,
  size: number,
  start: number,
  verifier: BundleVerifier,
  full: Verifier,
  threads: number,
  settings: VerifyIo.Settings,
  signal: AbortSignal
): Promise<number> => {
  const piece = settings.piece ?? pieceBytes
  const pool = PiecePool.open(
    {
      _tag: "bundle",
      path,
      start,
      pieceBytes: piece,
      maxLineBytes: Bundle.maxLineBytes,
      claimedSizes: full.claimedSizes
    },
    threads
  )
  let at = start
  const joinItem = (base: MerkleTree.CompactRange, item: Piece.Item): boolean => {
    at = item.at
    if (item._tag === "line") verifier.line(item.text)
    else if (verifier.canSkip && FastRange.join(full, base, item.stretch)) verifier.countSkipped(item.stretch.count)
    else return false
    return !verifier.isDecided
  }
  const signatures = new SignaturesAhead(full.currentKeys)
  const prepare = (result: Piece.Result) =>
    Promise.all(result.items.flatMap((item) => (item._tag === "line" ? [signatures.line(item.text)] : [])))
  try {
    await PiecePool.joinAll(pool, Math.ceil((size - start) / piece), threads, prepare, async (result) => {
      signal.throwIfAborted()
      if (result.first === undefined) return true
      if (result.first !== at) return false
      const base = full.range
      if (!result.items.every((item) => joinItem(base, item))) return false
      at = result.end
      settings.onProgress?.(at, size)
      if (verifier.wantsToSettle) await verifier.settle()
      return result.isWhole
    })
  } finally {
    await pool.close()
  }
  return at
}

const read = async (
  path: string,
  file: VerifyIo.EvidenceFile,
  options: VerifyOptions,
  settings: VerifyIo.Settings,
  signal: AbortSignal
): Promise<Verdict.Report> => {
  const stat = await file.stat()
  const verifier = new BundleVerifier(options)
  const onProgress = (done: number) => settings.onProgress?.(done, Math.max(stat.size, done))
  const threads = stat.isFile() ? VerifyIo.threadsFor(settings, stat.size) : 1
  const reader = new BundleReader(verifier)
  const start = await reader.read(file, stat.isFile() ? 0 : null, threads > 1, signal, onProgress)
  if (threads > 1 && !reader.isDone) {
    const full = verifier.canSkip ? verifier.full : undefined
    const at =
      full === undefined ? start : await readPieces(path, stat.size, start, verifier, full, threads, settings, signal)
    if (!verifier.isDecided) await new BundleReader(verifier).read(file, at, false, signal, onProgress)
  }
  return verifier.finish()
}

/** Standard input that is a file can be read by threads, like any other. */
const standardInput = "/dev/stdin"
const nameOf = (path: string): string => (path === "-" ? standardInput : path)

const open = (path: string): Promise<VerifyIo.EvidenceFile> =>
  path === "-" && !fstatSync(0).isFile() ? Promise.resolve(StandardInput.open()) : Fs.open(nameOf(path), "r")

const verifyWith = (path: string, options: VerifyOptions, settings: VerifyIo.Settings, work: Read) => {
  const failed = VerifyIo.ioError(path)
  return Effect.acquireUseRelease(
    Effect.tryPromise({ try: () => open(path), catch: failed }),
    (file) =>
      Effect.mapError(
        VerifyIo.attempt((signal) => {
          // A pipe may never bring anything: closing it ends the waiting.
          if (path === "-") signal.addEventListener("abort", () => void file.close())
          return work(file, options, settings, signal)
        }),
        failed
      ),
    (file) => Effect.promise(() => file.close().catch(() => undefined))
  )
}

/** Verifies the bundle at `path`; "-" is the standard input. A file that is no bundle is a report, not an error. */
export const verifyFile = Effect.fn("VerifyBundle.verifyFile")(
  (
    path: string,
    options: VerifyOptions,
    settings: VerifyIo.Settings = {}
  ): Effect.Effect<Verdict.Report, VerifyIo.VerifyIoError> =>
    verifyWith(path, options, settings, (...rest) => read(nameOf(path), ...rest))
)

/** As `verifyFile`, through the complete path alone: what the fast paths are held against. */
export const verifyFileSimply = Effect.fn("VerifyBundle.verifyFileSimply")(
  (
    path: string,
    options: VerifyOptions,
    settings: VerifyIo.Settings = {}
  ): Effect.Effect<Verdict.Report, VerifyIo.VerifyIoError> => verifyWith(path, options, settings, readSimply)
)
