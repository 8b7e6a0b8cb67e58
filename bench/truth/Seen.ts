/**
 * One call that a program made, as strace saw it or as the record has it, and the key by which the two are compared.
 *
 * A key is the kind, what the call named and, of opens, whether for writing. It has no process id and no result: a
 * supervisor sees a call before the kernel answers it. Paths are compared as the program gave them, because that is what
 * is recorded; a relative path below a directory descriptor has `@` before it.
 *
 * @module
 */
import * as Fs from "node:fs"

/** What is promised and counted apart. */
export type Kind = "exec" | "connect" | "write" | "read"

export const kinds: ReadonlyArray<Kind> = ["exec", "connect", "write", "read"]

/** Who made a call: a program that a preloaded library is in, or one that none can be in. */
export type Caller = "dynamic" | "static"

export interface Seen {
  readonly kind: Kind
  readonly key: string
  /** The kernel refused it. Undefined where that is not known. */
  readonly failed?: boolean
  readonly caller: Caller
  /** The key that the program itself gave, where its libc then called with another. */
  readonly asked?: string
  /** The arguments of an exec, where all of them are known. */
  readonly argv?: ReadonlyArray<string>
}

/** Linux on x86-64 and aarch64, asm-generic/fcntl.h; the numbers that decide what an open is for. */
const openFlags = { O_WRONLY: 0o1, O_RDWR: 0o2, O_CREAT: 0o100, O_TRUNC: 0o1000, O_PATH: 0o10000000 } as const

/** What an open with these flags is for: it writes when it can write, make or empty a file. */
export const purpose = (flags: number): "write" | "read" => {
  const { O_CREAT, O_PATH, O_RDWR, O_TRUNC, O_WRONLY } = openFlags
  if ((flags & O_PATH) !== 0) return "read"
  return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) === 0 ? "read" : "write"
}

/** The number of flags that strace printed by name; names that do not decide are dropped. */
export const flagsOf = (names: string): number =>
  names
    .split("|")
    .reduce((flags, name) => flags | (Object.entries(openFlags).find(([known]) => known === name)?.[1] ?? 0), 0)

/** The key of an open. */
export const openPath = (path: string, below: boolean): string => (below && !path.startsWith("/") ? `@${path}` : path)

/**
 * Names that differ from run to run although the program does the same. Everything else is compared byte by byte, for
 * every run of a workload has the same directory, ports and environment.
 */
const fleeting: ReadonlyArray<readonly [RegExp, string]> = [
  [/^\/proc\/\d+(?=\/|$)/, "/proc/PID"],
  [/^\/proc\/(PID|self)\/task\/\d+/, "/proc/$1/task/TID"],
  [/\/cc[A-Za-z0-9]{6}(?=\.|$)/, "/ccRANDOM"], // gcc, collect2
  [/\b(st|sd|sed|sort|sh-thd[.-]|sh-np[.-])[A-Za-z0-9]{6,}$/, "$1RANDOM"],
  [/\/rustc[A-Za-z0-9]{6}(?=\/|$)/, "/rustcRANDOM"],
  [/\/(tmp_(?:obj|pack|idx|rev|mtimes|graph)_|incoming-)[A-Za-z0-9]{6}/, "/$1RANDOM"], // git
  [/\/\.tmp-\d+-/, "/.tmp-PID-"], // git repack
  [/\/\.(merge_file|git_vtag)_[A-Za-z0-9]{6}/, "/.$1_RANDOM"],
  [/\/_logs\/[^/]*$/, "/_logs/TIME"], // npm
  [/\/_cacache\/tmp\/[^/]+/, "/_cacache/tmp/RANDOM"],
  [/\.[A-Za-z0-9]{8,}(?=\/|$)(?<=node_modules\/(?:\.[^/]*|@[^/]+\/\.[^/]*))/, ".RANDOM"],
  [/\.(json|js|tgz|idx|lock)\.\d{4,}(?:\.\d+)?$/, ".$1.RANDOM"], // write-file-atomic
  [/\.pyc\.\d+$/, ".pyc.RANDOM"],
  [/\/tmp\.[A-Za-z0-9]{10}/, "/tmp.RANDOM"], // mktemp
  [/\/tmp[a-z0-9_]{8}(?=\/|$)/, "/tmpRANDOM"], // Python's tempfile
  [/\/run\/tmp\/[a-z0-9_]{8}$/, "/run/tmp/RANDOM"],
  [/\/(pymp-)[a-z0-9_]{8}/, "/$1RANDOM"],
  [/\/tmpf[A-Za-z0-9]{6}$/, "/tmpfRANDOM"], // libc's tmpfile where there is no O_TMPFILE
  [/\/(dpkg-deb[.-])[A-Za-z0-9]{6}/, "/$1RANDOM"],
  [/^([nm][1-4]|directory)-[A-Za-z0-9]{6}/, "$1-RANDOM"], // the workloads' own mkstemp and mkdtemp
  [/^\/dev\/shm\/sem\.(?:mp-[a-z0-9_]{8}|[A-Za-z0-9]{6})$/, "/dev/shm/sem.RANDOM"], // Python's multiprocessing
  [/\.git\/t[A-Za-z0-9]{6}$/, ".git/tRANDOM"], // git init asks whether there are links
  [/\.git\/index\.stash\.\d+/, ".git/index.stash.PID"],
  [/\.git\/(info\/refs|objects\/info\/packs)_[A-Za-z0-9]{6}$/, ".git/$1_RANDOM"],
  [/^[0-9a-f]{8,40}\.tmp$/, "RANDOM.tmp"], // curl's cookies
  [/\/target[A-Za-z0-9]{6}\//, "/targetRANDOM/"], // cargo
  [/\/rmeta[A-Za-z0-9]{6}(?=\/|$)/, "/rmetaRANDOM"],
  [/\.tmp[0-9a-f]{6,8}$/, ".tmpRANDOM"], // rustc
  [/\/tmpfile_[A-Za-z0-9]{6}$/, "/tmpfile_RANDOM"], // musl
  [/\/[A-Za-z0-9_]{10}(?=$)(?<=\/tmp\/[A-Za-z0-9_]{10})/, "/RANDOM"] // Perl's File::Temp
]

/** A path, argument or address without what is by chance. */
export const normalise = (text: string): string =>
  fleeting.reduce((path, [pattern, replacement]) => path.replace(pattern, replacement), text)

/** Whether an executable file asks for a loader (an ELF program header of type PT_INTERP), so that one can preload. */
export const hasLoader = (path: string): boolean => {
  let bytes: Buffer
  try {
    const fd = Fs.openSync(path, "r")
    bytes = Buffer.alloc(4096)
    Fs.readSync(fd, bytes, 0, bytes.length, 0)
    Fs.closeSync(fd)
  } catch {
    return true
  }
  if (bytes.toString("latin1", 0, 2) === "#!") {
    const interpreter = /^#!\s*(\S+)/.exec(bytes.toString("latin1"))?.[1]
    return interpreter === undefined || hasLoader(interpreter)
  }
  if (bytes.toString("latin1", 0, 4) !== "\u007fELF") return true // libc gives it to the shell
  const [at, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)]
  for (let n = 0; n < count; n++) if (bytes.readUInt32LE(at + n * size) === 3) return true
  return false
}
