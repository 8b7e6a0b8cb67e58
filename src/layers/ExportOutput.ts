/**
 * Where exports go: a file that is there whole or not at all, or standard output.
 *
 * Durability, in order: write `<file>.partial-<random>` (mode 0600) beside the target, fsync, rename, fsync the
 * directory. A failure or an interruption before the rename removes the partial file.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { Writable } from "node:stream"
import { OutputFailed } from "./ExportError.ts"

/** The target that means standard output. */
export const standardOutput = "-"

/**
 * Takes the next part of the export; completes when there is room for more. The bytes stay in use until the write after
 * it has completed.
 */
export type Write = (part: Uint8Array) => Effect.Effect<void, OutputFailed>

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "its directory does not exist; make it first",
  ENOTDIR: "a part of its path is not a directory",
  EACCES: "permission denied; choose another place",
  EPERM: "permission denied; choose another place",
  EROFS: "the file system is read-only; choose another place",
  EISDIR: "it is a directory; name a file in it",
  ENOSPC: "the disk is full; make room and try again",
  EDQUOT: "the disk quota is used up; make room and try again",
  EFBIG: "the file system cannot hold a file this large",
  ENAMETOOLONG: "its name is too long",
  EPIPE: "the reader went away"
}

/** Any failure of the file system as the typed error. */
export const outputError =
  (path: string) =>
  (cause: unknown): OutputFailed => {
    if (cause instanceof OutputFailed) return cause
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
    return new OutputFailed({ path, reason: reasons[code] ?? (cause instanceof Error ? cause.message : String(cause)) })
  }

/** The regular file that `target` names or would name: symbolic links are followed, devices and the like refused. */
const resolve = async (target: string): Promise<string> => {
  try {
    const path = await Fs.realpath(target)
    const found = await Fs.stat(path)
    if (found.isFile()) return path
    const what = found.isDirectory() ? "it is a directory; name a file in it" : "it is not a regular file; use - and >"
    throw new OutputFailed({ path: target, reason: what })
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return Path.resolve(target)
    throw error
  }
}

/** An open partial file. */
interface Partial {
  readonly path: string
  readonly final: string
  readonly file: Fs.FileHandle
  /** The write that is under way: the next part is gathered meanwhile. */
  pending: Promise<void>
}

const open = async (target: string): Promise<Partial> => {
  const final = await resolve(target)
  const path = `${final}.partial-${Crypto.randomBytes(6).toString("hex")}`
  return { path, final, file: await Fs.open(path, "wx", 0o600), pending: Promise.resolve() }
}

const append = async (partial: Partial, part: Uint8Array): Promise<void> => {
  await partial.pending
  partial.pending = partial.file.appendFile(part)
  partial.pending.catch(() => undefined) // whoever awaits it is told
}

const finish = async ({ file, final, path, pending }: Partial): Promise<void> => {
  await pending
  await file.sync()
  await file.close()
  await Fs.rename(path, final)
  const directory = await Fs.open(Path.dirname(final), "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Nothing is left of it; after `finish` there is nothing to do. */
const discard = async ({ file, path, pending }: Partial): Promise<void> => {
  await pending.catch(() => undefined)
  await file.close().catch(() => undefined)
  await Fs.rm(path, { force: true })
}

const intoFile = <A, E, R>(
  target: string,
  produce: (write: Write) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | OutputFailed, R> => {
  const attempt = <B>(act: () => Promise<B>) => Effect.tryPromise({ try: act, catch: outputError(target) })
  return Effect.acquireUseRelease(
    attempt(() => open(target)),
    (partial) =>
      produce((part) => Effect.uninterruptible(attempt(() => append(partial, part)))).pipe(
        Effect.zipLeft(Effect.uninterruptible(attempt(() => finish(partial))))
      ),
    (partial) => Effect.promise(() => discard(partial).catch(() => undefined))
  )
}

/** The callback of `write` has told it already; without a listener the process would die. */
const ignore = (): void => undefined

const intoStream = <A, E, R>(
  stream: Writable,
  produce: (write: Write) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | OutputFailed, R> => {
  const toError = outputError("standard output")
  const write: Write = (part) =>
    Effect.async<void, OutputFailed>((resume) => {
      stream.write(Buffer.from(part), (error) => resume(error ? Effect.fail(toError(error)) : Effect.void))
    })
  return Effect.acquireUseRelease(
    Effect.sync(() => stream.on("error", ignore)),
    () => produce(write),
    () => Effect.sync(() => stream.off("error", ignore))
  )
}

/**
 * Runs `produce` with a way to write to `target`; the target is complete when this succeeds and untouched when it fails
 * or is interrupted (standard output keeps what it got).
 *
 * @param target path of the file, or `-`
 */
export const into = <A, E, R>(
  target: string,
  produce: (write: Write) => Effect.Effect<A, E, R>,
  stdout: Writable = process.stdout
): Effect.Effect<A, E | OutputFailed, R> =>
  target === standardOutput ? intoStream(stdout, produce) : intoFile(target, produce)
