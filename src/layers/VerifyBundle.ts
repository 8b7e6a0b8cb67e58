/**
 * Verifies a bundle file.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs/promises"
import { BundleVerifier } from "../domain/BundleVerifier.ts"
import type * as Verdict from "../domain/Verdict.ts"
import type { VerifyOptions } from "../domain/VerifyOptions.ts"
import * as VerifyIo from "./VerifyIo.ts"

/** The simple, complete path: every line is decoded and fed to the verifier. */
const readSimply = async (
  file: Fs.FileHandle,
  options: VerifyOptions,
  settings: VerifyIo.Settings,
  signal: AbortSignal
): Promise<Verdict.Report> => {
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

/** Verifies the bundle at `path`; "-" is the standard input. A file that is no bundle is a report, not an error. */
export const verifyFile = Effect.fn("VerifyBundle.verifyFile")(function* (
  path: string,
  options: VerifyOptions,
  settings: VerifyIo.Settings = {}
): Effect.fn.Return<Verdict.Report, VerifyIo.VerifyIoError> {
  const failed = VerifyIo.ioError(path)
  return yield* Effect.acquireUseRelease(
    Effect.tryPromise({ try: () => Fs.open(path === "-" ? "/dev/stdin" : path, "r"), catch: failed }),
    (file) => Effect.tryPromise({ try: (signal) => readSimply(file, options, settings, signal), catch: failed }),
    (file) => Effect.promise(() => file.close().catch(() => undefined))
  )
})
