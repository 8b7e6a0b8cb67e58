/**
 * The ledger's epoch key in files: `ledger.key` signs now, `ledger.key.next` will.
 *
 * Only who holds the write lock of ledger.db touches these files, so that one replacement never meets another.
 *
 * Replacing the key, in order: write and fsync `ledger.key.next` → COMMIT of the `log.key` that names it → overwrite
 * `ledger.key` → rename `ledger.key.next` to `ledger.key`. A kill between any two leaves the key that the database asks
 * for in one of the files; `load` puts it in its place. A `ledger.key.next` that no `log.key` names yet is kept and used
 * by the next replacement, because a COMMIT that failed may still turn out to have reached the disk.
 *
 * @module
 */
import { createPrivateKey } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Ed25519 from "../domain/Ed25519.ts"
import * as Vkey from "../domain/Vkey.ts"
import { LedgerFailed } from "../services/Ledger.ts"
import * as AtomicFile from "./AtomicFile.ts"

export const fileName = "ledger.key"
export const nextFileName = "ledger.key.next"

/** Largest file that is read as a key, in bytes; a real one has 119. */
const maxFileBytes = 4096

export interface EpochKey {
  readonly vkey: Vkey.Vkey
  readonly pair: Ed25519.KeyPair
}

const currentIn = (directory: string) => Path.join(directory, fileName)
const nextIn = (directory: string) => Path.join(directory, nextFileName)

/** Whether there ever was a ledger. */
export const exists = (directory: string): boolean => Fs.existsSync(currentIn(directory))

/** What cannot be parsed counts as absent: the file was overwritten to be replaced, or damaged. */
const parse = (pem: Buffer, origin: string): EpochKey | undefined => {
  try {
    const pair = Ed25519.fromPrivateKey(createPrivateKey(pem))
    return { pair, vkey: Vkey.make(origin, 1, pair.publicKey) }
  } catch {
    return undefined
  } finally {
    pem.fill(0)
  }
}

const read = (path: string, origin: string): EpochKey | undefined => {
  let file: number
  try {
    file = Fs.openSync(path, "r")
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined
    throw cause
  }
  try {
    const stat = Fs.fstatSync(file)
    if (!stat.isFile() || stat.size > maxFileBytes) return undefined
    if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0")
      const detail = `its key file has mode ${mode}, so that others may read or change it (chmod 600 '${path}')`
      throw new LedgerFailed({ path, reason: "permission", detail })
    }
    return parse(Fs.readFileSync(file), origin)
  } finally {
    Fs.closeSync(file)
  }
}

/** Best effort: what a journal or a flash controller keeps is out of reach. */
const overwrite = (path: string): void => {
  if (!Fs.existsSync(path)) return
  const file = Fs.openSync(path, "r+")
  try {
    Fs.writeSync(file, Buffer.alloc(Fs.fstatSync(file).size))
    Fs.fsyncSync(file)
  } finally {
    Fs.closeSync(file)
  }
}

/** Puts `ledger.key.next` in the place of `ledger.key`, whose content is destroyed. */
export const promote = (directory: string): void => {
  overwrite(currentIn(directory))
  Fs.renameSync(nextIn(directory), currentIn(directory))
  const folder = Fs.openSync(directory, "r")
  try {
    Fs.fsyncSync(folder)
  } finally {
    Fs.closeSync(folder)
  }
}

/** The key of this vkey, from whichever file has it; an unfinished replacement is finished. None when neither has. */
export const load = (directory: string, vkey: string, origin: string): EpochKey | undefined => {
  const current = read(currentIn(directory), origin)
  if (current?.vkey.text === vkey) return current
  const next = read(nextIn(directory), origin)
  if (next?.vkey.text !== vkey) return undefined
  promote(directory)
  return next
}

/**
 * The key of the epoch to come, durable in `ledger.key.next` when this returns.
 *
 * @param current vkey of the epoch that it follows, if any
 */
export const prepare = (directory: string, origin: string, current: string | undefined): EpochKey => {
  const waiting = read(nextIn(directory), origin)
  if (waiting !== undefined && waiting.vkey.text !== current) return waiting
  const pair = Ed25519.generate()
  Fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  AtomicFile.replace(nextIn(directory), pair.privateKey.export({ format: "pem", type: "pkcs8" }))
  return { pair, vkey: Vkey.make(origin, 1, pair.publicKey) }
}
