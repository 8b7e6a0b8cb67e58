/**
 * The host key in a file: `host.key` in the installation's `keys` directory, made at first use.
 *
 * The file is PKCS#8 PEM (RFC 8410), so that `openssl pkey -in host.key -text` reads it. It is created whole under
 * another name and then linked into place: link(2) never replaces, so of two processes that race one wins, and both
 * read the winner's key. A file that others may read is refused, and so is one that is no Ed25519 key; neither is
 * ever replaced, because every log of this installation hangs on that key.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createPrivateKey, randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Ed25519 from "../domain/Ed25519.ts"
import { Signer, SignerError } from "../services/Signer.ts"
import * as SignerMemory from "./SignerMemory.ts"

export { defaultDomain } from "./SignerMemory.ts"

/** Name of the key file in the keys directory. */
export const fileName = "host.key"

export interface Options {
  /** Made with mode 0700 when it is missing. */
  readonly keysDirectory: string
  /** First part of the host key's name; `defaultDomain` when it is not given. */
  readonly domain?: string | undefined
}

/** Largest file that is read as a key, in bytes; a real one has 119. */
const maxFileBytes = 4096

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : ""

const explain = (path: string, cause: unknown): SignerError => {
  if (cause instanceof SignerError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  switch (codeOf(cause)) {
    case "EACCES":
    case "EPERM":
      return new SignerError({ path, reason, advice: "check the owner and the mode of the file and of its directory" })
    case "EROFS":
    case "ENOSPC":
      return new SignerError({ path, reason, advice: "the key needs a home that can be written" })
    default:
      return new SignerError({ path, reason, advice: "check the path" })
  }
}

const parse = (path: string, pem: Buffer): Ed25519.KeyPair => {
  const refuse = () =>
    new SignerError({
      path,
      reason: "it is not an Ed25519 private key in PKCS#8 PEM",
      advice: "put the right file back; logs signed by this key cannot be recovered with another"
    })
  try {
    const privateKey = createPrivateKey(pem)
    if (privateKey.asymmetricKeyType !== "ed25519") throw refuse()
    return Ed25519.fromPrivateKey(privateKey)
  } catch {
    throw refuse()
  } finally {
    pem.fill(0)
  }
}

const read = (path: string): Ed25519.KeyPair => {
  const descriptor = Fs.openSync(path, Fs.constants.O_RDONLY)
  try {
    const stat = Fs.fstatSync(descriptor)
    if (!stat.isFile() || stat.size > maxFileBytes) {
      throw new SignerError({ path, reason: "it is not a key file", advice: "put the right file back" })
    }
    if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0")
      throw new SignerError({
        path,
        reason: `its mode is ${mode}, so that others may read or change it`,
        advice: `run: chmod 600 '${path}' (and consider the key known if others could log in)`
      })
    }
    return parse(path, Fs.readFileSync(descriptor))
  } finally {
    Fs.closeSync(descriptor)
  }
}

const syncDirectory = (directory: string): void => {
  const descriptor = Fs.openSync(directory, Fs.constants.O_RDONLY)
  try {
    Fs.fsyncSync(descriptor)
  } finally {
    Fs.closeSync(descriptor)
  }
}

/** Order: write and fsync a private file, link it into place, fsync the directory, remove the private name. */
const create = (path: string): void => {
  const directory = Path.dirname(path)
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`
  const pem = Ed25519.generate().privateKey.export({ format: "pem", type: "pkcs8" })
  try {
    const descriptor = Fs.openSync(temporary, "wx", 0o600)
    try {
      Fs.writeFileSync(descriptor, pem)
      Fs.fsyncSync(descriptor)
    } finally {
      Fs.closeSync(descriptor)
    }
    try {
      Fs.linkSync(temporary, path)
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST") throw cause
    }
    syncDirectory(directory)
  } finally {
    Fs.rmSync(temporary, { force: true })
  }
}

const load = (path: string): Ed25519.KeyPair => {
  try {
    return read(path)
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause
  }
  Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o700 })
  create(path)
  return read(path)
}

/** Letters, digits, dots and hyphens: it becomes part of key names and origins. */
const domainForm = /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/

/** Reads the host key, or makes it. Fails when the file cannot be read, written or trusted. */
export const make = (options: Options): Effect.Effect<Signer["Type"], SignerError> =>
  Effect.suspend(() => {
    const domain = options.domain ?? SignerMemory.defaultDomain
    const path = Path.join(options.keysDirectory, fileName)
    if (!domainForm.test(domain)) {
      return new SignerError({
        path,
        reason: `the domain ${JSON.stringify(domain)} is not a name`,
        advice: "change it"
      })
    }
    return Effect.try({
      try: () => SignerMemory.fromPair(load(path), domain),
      catch: (cause) => explain(path, cause)
    })
  })

export const layer = (options: Options): Layer.Layer<Signer, SignerError> => Layer.effect(Signer, make(options))
