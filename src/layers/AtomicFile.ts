/**
 * Files that are there whole or not at all: write beside, fsync, rename, fsync the directory.
 *
 * @module
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Makes the names in the directory of `path` durable. */
export const syncDirectory = (path: string): void => {
  const directory = Fs.openSync(path, "r")
  try {
    Fs.fsyncSync(directory)
  } finally {
    Fs.closeSync(directory)
  }
}

/** A name for the unfinished file, beside the real one and never the same twice. */
export const temporaryName = (path: string): string => `${path}.${Crypto.randomBytes(6).toString("hex")}.partial`

/**
 * Replaces the file at `path` by `text`, mode 0600, durable when this returns. Leaves nothing behind when it throws.
 *
 * @throws the operating system's error
 */
export const replace = (path: string, text: string | Uint8Array): void => {
  const temporary = temporaryName(path)
  try {
    const file = Fs.openSync(temporary, "wx", 0o600)
    try {
      Fs.writeFileSync(file, text)
      Fs.fsyncSync(file)
    } finally {
      Fs.closeSync(file)
    }
    Fs.renameSync(temporary, path)
  } catch (error) {
    Fs.rmSync(temporary, { force: true })
    throw error
  }
  syncDirectory(Path.dirname(path))
}
