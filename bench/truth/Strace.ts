/**
 * The ground truth: what `strace -ff` wrote of a run, one file for each thread, as `Seen` calls. Every process is followed
 * from its parent, so that for each call the program that made it is known, and with it whether a library can be
 * preloaded there.
 *
 * @module
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Seen from "./Seen.ts"

/** The calls whose lines are read. */
const calls = "execve,execveat,connect,open,openat,openat2,creat,clone,clone3,fork,vfork,chdir,fchdir"

/** What is run before a command, to write one file PREFIX.TID for each of its threads. */
export const command = (prefix: string): ReadonlyArray<string> =>
  `strace -ff -f -qqq --seccomp-bpf -y -xx -v -s 131072 -e signal=none -e trace=${calls} -o`.split(" ").concat(prefix)

/** What a process is, and where. */
interface Process {
  readonly cwd: string
  readonly image: string
}

const text = (hex: string): string => Buffer.from(hex.replaceAll("\\x", ""), "hex").toString("utf8")

/** Strings of a line, in order; undefined where an argument is no string. */
const quoted = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = ""]) => text(hex))

const succeeded = (line: string): boolean => / = \d/.test(line) || line.includes("<pid changed to")

/** strace could not know what became of it; the call is written again when the kernel restarts it. */
const restarts = (line: string): boolean => /= \? ERESTART/.test(line)

/** Of the kernel's linux/socket.h: addresses that are recorded by number, also where they are too short for their family. */
const families: Readonly<Record<string, number>> = {
  AF_UNSPEC: 0,
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  AF_VSOCK: 40
}

const connection = (line: string): string | undefined => {
  const family = /sa_family=(\w+)/.exec(line)?.[1]
  if (family === undefined) return undefined
  const port = /htons\((\d+)\)/.exec(line)?.[1]
  const strings = quoted(line)
  if (family.startsWith("AF_INET") && port === undefined) return `other:${families[family]}`
  if (family === "AF_INET") return `inet:${strings[0]}:${port}`
  if (family === "AF_INET6") return `inet6:${strings[0]}:${port}`
  if (family !== "AF_UNIX") return `other:${families[family] ?? family}`
  return `unix:${line.includes("sun_path=@") ? "@" : ""}${strings[0] ?? ""}`
}

/** The call that a line tells of, without its caller. */
const parse = (line: string): Omit<Seen.Seen, "caller"> | undefined => {
  if (restarts(line)) return undefined
  const failed = !succeeded(line)
  const name = line.slice(0, line.indexOf("("))
  const below = !/^\w+\(AT_FDCWD/.test(line)
  if (name === "connect") {
    const key = connection(line)
    return key === undefined ? undefined : { kind: "connect", key: Seen.normalise(key), failed }
  }
  if (name === "execve" || name === "execveat") {
    const [path, ...strings] = quoted(line.replaceAll(/<[^<>"]*>/g, ""))
    const argc = quoted(/\[(.*?)\]/.exec(line)?.[1] ?? "").length
    if (path === undefined || !new RegExp(`^${name}\\((?:[^",]*, )?"`).test(line)) return undefined
    // Below a descriptor, and of an empty path (fexecve), the record has the file's name, as -y shows it here.
    const key = Seen.normalise(name === "execveat" && below ? Path.resolve(descriptor(line), path) : path)
    return { kind: "exec", key, failed, argv: strings.slice(0, argc).map(Seen.normalise) }
  }
  const path = quoted(line)[0]
  const pointer = new RegExp(`^${name}\\((?:[^",]*, )?"`)
  if (path === undefined || !pointer.test(line)) return undefined
  const flags = /(?:", |flags=)(O_[\w|]+)/.exec(line)?.[1] ?? "O_RDONLY"
  const kind = name === "creat" ? "write" : Seen.purpose(Seen.flagsOf(flags))
  const relative = (name === "openat" || name === "openat2") && below
  return { kind, key: Seen.normalise(Seen.openPath(path, relative)), failed }
}

/** The file of the first descriptor of a line. */
const descriptor = (line: string): string => text(/<((?:\\x[0-9a-f]{2})*)>/.exec(line)?.[1] ?? "")

const moved = (line: string, process: Process): Process => {
  if (!succeeded(line)) return process
  const where = line.startsWith("chdir") ? quoted(line)[0] : descriptor(line)
  return where === undefined ? process : { ...process, cwd: Path.resolve(process.cwd, where) }
}

/**
 * All calls of a run, from the files that strace wrote with this prefix. The first exec, which strace itself made of the
 * command, is among them.
 */
export const read = (prefix: string, cwd: string): ReadonlyArray<Seen.Seen> => {
  const directory = Path.dirname(prefix)
  const files = Fs.readdirSync(directory).filter((name) => name.startsWith(`${Path.basename(prefix)}.`))
  const lines = new Map(
    files.map((name) => [
      Number(name.slice(name.lastIndexOf(".") + 1)),
      Fs.readFileSync(Path.join(directory, name), "latin1").split("\n")
    ])
  )
  const seen: Array<Seen.Seen> = []
  const followed = new Set<number>()
  const loaders = new Map<string, boolean>()
  const caller = (image: string): Seen.Caller => {
    const known = loaders.get(image) ?? Seen.hasLoader(image)
    loaders.set(image, known)
    return known ? "dynamic" : "static"
  }
  const follow = (pid: number, start: Process): void => {
    if (followed.has(pid)) return
    followed.add(pid)
    let now = start
    let refused: Seen.Seen | undefined
    for (const line of lines.get(pid) ?? []) {
      const child = /^(?:clone3?|v?fork)\(.* = (\d+)/.exec(line)?.[1]
      if (child !== undefined) follow(Number(child), now)
      else if (/^f?chdir\(/.test(line)) now = moved(line, now)
      else if (/^[a-z]\w*\(/.test(line)) {
        const call = parse(line)
        if (call === undefined) continue
        const known: Seen.Seen = { ...call, ...asked(call, refused), caller: caller(now.image) }
        refused = known.failed === true ? known : undefined
        seen.push(known)
        if (call.kind === "exec" && call.failed === false) now = { ...now, image: executed(line, now) ?? now.image }
      }
    }
  }
  const children = new Set(
    [...lines.values()].flatMap((of) =>
      of.flatMap((line) => /^(?:clone3?|v?fork)\(.* = (\d+)/.exec(line)?.[1] ?? []).map(Number)
    )
  )
  for (const pid of lines.keys()) if (!children.has(pid)) follow(pid, { cwd, image: "/bin/sh" })
  for (const pid of lines.keys()) if (!followed.has(pid)) throw new Error(`strace: ${pid} has no parent`)
  return seen
}

/** A script without an interpreter line: execvp gives it to the shell after the kernel has refused it. */
const asked = (call: Omit<Seen.Seen, "caller">, refused: Seen.Seen | undefined): { readonly asked?: string } =>
  call.kind === "exec" && call.failed === false && refused?.kind === "exec" && call.argv?.[1] === refused.key
    ? { asked: refused.key }
    : {}

/** The file that became the program of a process. */
const executed = (line: string, { cwd }: Process): string | undefined => {
  const path = quoted(line.replaceAll(/<[^<>"]*>/g, ""))[0] ?? ""
  if (path === "/proc/self/exe") return undefined
  return Path.resolve(line.startsWith("execveat(") ? descriptor(line) : cwd, path)
}
