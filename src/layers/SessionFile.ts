/**
 * Opening a file of lines to append to, so that it never has half a line in its middle.
 *
 * A process that was killed may have left the beginning of a line at the end of its file. It is cut off when the file is
 * opened again, and the caller says how much that was.
 *
 * @module
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.ts"

const lf = 10

/** Bytes that are read at once while the last LF is looked for. */
const blockBytes = 65_536

export interface Opened {
  readonly descriptor: number
  /** Bytes of whole lines. */
  readonly size: number
  /** Bytes that were cut off at the end. */
  readonly cut: number
}

/** Where the last whole line of a file ends. */
const endOfLines = (descriptor: number, size: number): number => {
  const block = Buffer.alloc(Math.min(size, blockBytes))
  for (let end = size; end > 0;) {
    const from = Math.max(0, end - block.length)
    const length = Fs.readSync(descriptor, block, 0, end - from, from)
    const at = block.subarray(0, length).lastIndexOf(lf)
    if (at >= 0) return from + at + 1
    end = from
  }
  return 0
}

/**
 * Opens a file for appending, mode 0600 when it is made. A symbolic link is not followed: what is at its end might be
 * somebody else's, and would be cut.
 *
 * @throws the operating system's error, or one for a path that is no file
 */
export const open = (path: string): Opened => {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = Fs.constants
  const isNew = Fs.lstatSync(path, { throwIfNoEntry: false }) === undefined
  const descriptor = Fs.openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  try {
    const stat = Fs.fstatSync(descriptor)
    if (!stat.isFile()) throw new Error("it is no regular file; choose another path")
    const size = endOfLines(descriptor, stat.size)
    if (size < stat.size) Fs.ftruncateSync(descriptor, size)
    if (isNew) AtomicFile.syncDirectory(Path.dirname(path))
    return { descriptor, size, cut: stat.size - size }
  } catch (error) {
    Fs.closeSync(descriptor)
    throw error
  }
}

/** Appends all of the bytes; what of them is there when that fails is cut off again. */
export const append = (file: Opened, bytes: Buffer, done: (error: Error | null) => void): void => {
  const next = (from: number): void =>
    Fs.write(file.descriptor, bytes, from, bytes.length - from, null, (error, written) => {
      if (error === null && from + written < bytes.length) return next(from + written)
      if (error !== null) Fs.ftruncate(file.descriptor, file.size, () => done(error))
      else done(null)
    })
  next(0)
}
