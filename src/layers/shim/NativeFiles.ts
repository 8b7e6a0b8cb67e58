/**
 * Finds and checks the native files of this package: `dist/native/<platform>-<arch>/agent-exec` and `libauditshim.so`.
 *
 * Missing files are an answer; files that are there and are not what they must be are an error, because what they do
 * would be recorded as the truth. They are checked once and executed later: whoever may replace them in between could
 * replace agentops itself.
 *
 * @module
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Either from "effect/Either"
import { type InjectedFile, InjectorError } from "../../services/ShimInjector.ts"
import * as Elf from "./Elf.ts"

export interface NativeFiles {
  readonly launcher: InjectedFile
  readonly shim: InjectedFile
}

const names = { launcher: "agent-exec", shim: "libauditshim.so" } as const

/** Where there is native code at all. */
const platforms: ReadonlySet<string> = new Set(["linux-x64", "linux-arm64"])

/** Largest native file that is read, in bytes; the real ones have some 100 KB. */
const maxFileBytes = 64 << 20

/** Group and others may write. */
const foreignWrite = 0o022

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "")

const untrusted = (path: string, what: string, remedy: string) =>
  new InjectorError({ reason: `${path} ${what}; ${remedy}, or run with --record none` })

const rebuild = "make it again with: npm run build:native"

/** What is wrong with the file as a file of that role; undefined when nothing is. */
const problemOf = (role: InjectedFile["role"], elf: Elf.Elf | undefined, arch: string): string | undefined => {
  if (elf === undefined) return "is not an ELF file"
  if (elf.machine !== arch) return `is not for this machine (${arch})`
  if (role === "shim") return elf.kind === "shared" ? undefined : "is not a shared library"
  if (elf.kind === "other") return "is not a program"
  return elf.hasInterpreter ? "is not statically linked" : undefined
}

/** Who owns it may change it: that must be whoever runs agentops, or root. */
const ownershipProblem = (about: Fs.Stats): { readonly what: string; readonly remedy: string } | undefined => {
  if ((about.mode & foreignWrite) !== 0)
    return { what: "can be written by others", remedy: "take that right away (chmod go-w)" }
  const own = process.getuid?.() ?? 0
  if (about.uid !== 0 && about.uid !== own)
    return { what: "belongs to another user", remedy: "install agentops yourself" }
  return undefined
}

const checkFile = (
  directory: string,
  role: InjectedFile["role"],
  arch: string
): Either.Either<InjectedFile, InjectorError> => {
  const path = Path.join(directory, names[role])
  let fd: number
  try {
    fd = Fs.openSync(path, Fs.constants.O_RDONLY | Fs.constants.O_NOFOLLOW | Fs.constants.O_NONBLOCK)
  } catch (error) {
    return Either.left(untrusted(path, `cannot be read (${codeOf(error)})`, rebuild))
  }
  try {
    const about = Fs.fstatSync(fd)
    if (!about.isFile() || about.size > maxFileBytes) return Either.left(untrusted(path, "is no regular file", rebuild))
    const owned = ownershipProblem(about)
    if (owned !== undefined) return Either.left(untrusted(path, owned.what, owned.remedy))
    if (role === "launcher" && (about.mode & 0o111) === 0)
      return Either.left(untrusted(path, "is not executable", rebuild))
    const bytes = Fs.readFileSync(fd)
    const problem = problemOf(role, Elf.read(bytes), arch)
    if (problem !== undefined) return Either.left(untrusted(path, problem, rebuild))
    return Either.right({ role, path, sha256: Crypto.createHash("sha256").update(bytes).digest("hex") })
  } catch (error) {
    return Either.left(untrusted(path, `cannot be read (${codeOf(error)})`, rebuild))
  } finally {
    Fs.closeSync(fd)
  }
}

/** Why there are none, as a sentence. */
export interface NoNativeFiles {
  readonly missing: string
}

/**
 * @param root of the package; symbolic links above the files are followed, once
 * @param target as in the folder's name; another than this machine's is refused by the check of the files
 */
export const find = (
  root: string,
  target: { readonly platform: string; readonly arch: string }
): Either.Either<NativeFiles | NoNativeFiles, InjectorError> => {
  const name = `${target.platform}-${target.arch}`
  if (!platforms.has(name)) return Either.right({ missing: `agentops has no supervisor for ${name}` })
  let directory = Path.join(root, "dist", "native", name)
  const present = Object.values(names).filter((file) => Fs.existsSync(Path.join(directory, file)))
  if (present.length === 0) {
    return Either.right({
      missing: `this installation has no native files for ${name} (npm run build:native makes them)`
    })
  }
  try {
    directory = Fs.realpathSync(directory)
    const owned = ownershipProblem(Fs.statSync(directory))
    if (owned !== undefined) return Either.left(untrusted(directory, owned.what, owned.remedy))
  } catch (error) {
    return Either.left(untrusted(directory, `cannot be read (${codeOf(error)})`, rebuild))
  }
  return Either.all({
    launcher: checkFile(directory, "launcher", target.arch),
    shim: checkFile(directory, "shim", target.arch)
  })
}
