/**
 * The name of a Unix socket: short enough for the kernel, and not in use by anybody.
 *
 * A path longer than the kernel takes becomes a symbolic link to a socket in a short private directory. What a dead
 * process left at the path is removed; a socket on which somebody listens never is, nor any other file.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import type { CollectorFailed } from "../../services/Collector.ts"
import * as SystemFailure from "./SystemFailure.ts"

/** Longest path of a socket, in bytes: `sun_path` without its NUL (unix(7); 104 with it on macOS and the BSDs). */
export const maxPathBytes = process.platform === "linux" ? 107 : 103

/** Names of the private directories begin like this. */
const privatePrefix = "agentops-"
const privateName = "audit.sock"

/** Whether somebody listens on a socket; a full queue is somebody, too. */
const isLive = (path: string): Effect.Effect<boolean, CollectorFailed> =>
  Effect.async((resume) => {
    const socket = Net.connect({ path })
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.on("error", (error) => {
      const code = SystemFailure.codeOf(error)
      if (code === "ECONNREFUSED" || code === "ENOENT") resume(Effect.succeed(false))
      else if (code === "EAGAIN") resume(Effect.succeed(true))
      else resume(SystemFailure.of(path, error))
    })
    return Effect.sync(() => socket.destroy())
  })

/** Whether a path is one that `privateFor` made. */
const isPrivate = (path: string): boolean =>
  Path.isAbsolute(path) &&
  Path.basename(path) === privateName &&
  Path.basename(Path.dirname(path)).startsWith(privatePrefix)

const removePrivate = (path: string): void => {
  Fs.rmSync(path, { force: true })
  try {
    Fs.rmdirSync(Path.dirname(path))
  } catch {
    // Gone already, or something else is in it: not ours to remove.
  }
}

const lstat = (path: string) => Fs.lstatSync(path, { throwIfNoEntry: false })

const attempt = <A>(path: string, body: () => A): Effect.Effect<A, CollectorFailed> =>
  Effect.try({ try: body, catch: (error) => SystemFailure.of(path, error) })

const inUse = (path: string) =>
  SystemFailure.because(path, "another collector listens there; stop it or choose another path")

/** False: another collector was quicker. */
const moveAside = (path: string, aside: string): boolean => {
  try {
    Fs.renameSync(path, aside)
    return true
  } catch (error) {
    if (SystemFailure.codeOf(error) === "ENOENT") return false
    throw error
  }
}

/**
 * Makes way at `path`. What looks dead is moved aside before it is removed, and looked at again there: of two collectors
 * that start at once, the second may have met the first one's new socket.
 */
const makeWay = (path: string): Effect.Effect<void, CollectorFailed> =>
  Effect.gen(function* () {
    const found = yield* attempt(path, () => lstat(path))
    if (found === undefined) return
    if (found.isSymbolicLink()) {
      const target = yield* attempt(path, () => Fs.readlinkSync(path))
      if (!isPrivate(target))
        return yield* SystemFailure.because(path, "there is a symbolic link of somebody else; choose another path")
      if (lstat(target) !== undefined && (yield* isLive(target))) return yield* inUse(path)
      yield* attempt(path, () => {
        Fs.rmSync(path, { force: true })
        removePrivate(target)
      })
      return
    }
    if (!found.isSocket())
      return yield* SystemFailure.because(path, "there is a file that is no socket; choose another path")
    if (yield* isLive(path)) return yield* inUse(path)
    const aside = Path.join(Path.dirname(path), `.${randomBytes(4).toString("hex")}`)
    const moved = yield* attempt(path, () => moveAside(path, aside))
    if (!moved) return
    if (Buffer.byteLength(aside) <= maxPathBytes && (yield* isLive(aside))) {
      yield* attempt(path, () => Fs.linkSync(aside, path))
      yield* attempt(path, () => Fs.rmSync(aside, { force: true }))
      return yield* inUse(path)
    }
    yield* attempt(path, () => Fs.rmSync(aside, { force: true }))
  })

/** A short path in a directory that nobody else can enter. */
const privateFor = (path: string): string => {
  const places = [process.env["XDG_RUNTIME_DIR"], Os.tmpdir(), "/tmp"]
  for (const place of places) {
    const example = Path.join(place ?? "", `${privatePrefix}XXXXXX`, privateName)
    if (place === undefined || !Path.isAbsolute(place) || Buffer.byteLength(example) > maxPathBytes) continue
    try {
      return Path.join(Fs.mkdtempSync(Path.join(place, privatePrefix)), privateName)
    } catch {
      // The next one may do.
    }
  }
  throw SystemFailure.because(
    path,
    `a socket's path may have ${maxPathBytes} bytes, and no shorter place can be made for it`
  )
}

/** Where to listen for `path`; removed, together with `path`, when the scope closes. */
export const acquire = (path: string): Effect.Effect<string, CollectorFailed, Scope.Scope> =>
  Effect.gen(function* () {
    yield* makeWay(path)
    if (Buffer.byteLength(path) <= maxPathBytes) {
      yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(path, { force: true })))
      return path
    }
    const short = yield* Effect.acquireRelease(
      attempt(path, () => privateFor(path)),
      (short) => Effect.sync(() => removePrivate(short))
    )
    yield* Effect.acquireRelease(
      attempt(path, () => Fs.symlinkSync(short, path)),
      () => Effect.sync(() => Fs.rmSync(path, { force: true }))
    )
    return short
  })
