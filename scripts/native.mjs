/**
 * Builds what runs beside the guest (native/) with cc and make, into dist/native/<platform>-<arch>/, which is what a
 * package ships.
 *
 * Files are replaced by rename, and only when they change: a run that is starting meanwhile sees the old file or the new
 * one, and one that is being executed can still be replaced. Their modes are set here, whatever the umask: agentops
 * executes nothing that others may write.
 */
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const target = `${process.platform}-${process.arch}`
const say = (line) => process.stdout.write(`native: ${line}\n`)

/** With the mode that each has in the package. */
const products = { "agent-exec": 0o755, "libauditshim.so": 0o644 }

const work = join(root, "dist", "native-build", target)
const staged = join(work, "out")
const destination = join(root, "dist", "native", target)

/** Runs make, one at a time where flock(1) is: test runs that start together share the objects. */
const build = () => {
  mkdirSync(staged, { recursive: true })
  const make = ["make", "-C", join(root, "native"), `OUT=${staged}`, `BUILD=${join(work, "objects")}`]
  const [command, ...args] = ["flock", join(work, "lock"), ...make]
  const options = { stdio: ["ignore", "pipe", "inherit"] }
  const locked = spawnSync(command, args, options)
  const run = locked.error === undefined ? locked : spawnSync("make", make.slice(1), options)
  if (run.error !== undefined)
    return `make: ${run.error.message}; a C compiler and make are needed (Debian: build-essential)`
  if (run.status !== 0) {
    process.stderr.write(run.stdout ?? "")
    return `make failed with status ${run.status ?? run.signal}`
  }
  return undefined
}

const replace = (name, mode) => {
  const bytes = readFileSync(join(staged, name))
  const path = join(destination, name)
  if (!existsSync(path) || !readFileSync(path).equals(bytes)) {
    const temporary = `${path}.${process.pid}.tmp`
    writeFileSync(temporary, bytes)
    chmodSync(temporary, mode)
    renameSync(temporary, path)
  }
  chmodSync(path, mode)
  say(`dist/native/${target}/${name} (${Math.round(bytes.length / 1024)} KiB)`)
}

const main = () => {
  if (target !== "linux-x64" && target !== "linux-arm64") {
    say(`nothing to build for ${target}: recording beyond the console needs Linux on x64 or arm64`)
    return 0
  }
  const problem = build()
  if (problem !== undefined) {
    process.stderr.write(`native: ${problem}\n`)
    return 1
  }
  mkdirSync(destination, { recursive: true })
  chmodSync(destination, 0o755)
  const made = new Set(readdirSync(staged))
  const missing = Object.keys(products).filter((name) => !made.has(name))
  for (const [name, mode] of Object.entries(products)) if (made.has(name)) replace(name, mode)
  if (missing.length === 0) return 0
  process.stderr.write(`native: make did not make ${missing.join(" and ")}\n`)
  return 1
}

process.exitCode = main()
