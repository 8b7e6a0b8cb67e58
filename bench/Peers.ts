/**
 * Programs of others, for comparison. What is not installed comes as a Debian package, unpacked into `dist/bench`: nothing
 * on the machine changes, no service is started, and packages that exclude each other stand side by side.
 *
 * @module
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Programs from "./Programs.ts"

/** Where the files of a package are. */
export interface Peer {
  /** "" when it is installed. Put before `/usr/...`. */
  readonly prefix: string
  /** For its programs: finds the libraries that came with it. */
  readonly env: NodeJS.ProcessEnv
}

const multiarch = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu"

export const libraries = `/usr/lib/${multiarch}`

const download = (packages: ReadonlyArray<string>, archives: string): void => {
  const options = ["Debug::NoLocking=1", `Dir::Cache::archives=${archives}`].flatMap((option) => ["-o", option])
  const install = ["apt-get", "install", "-y", "--download-only", "--no-install-recommends", ...options, ...packages]
  Fs.mkdirSync(Path.join(archives, "partial"), { recursive: true })
  try {
    Programs.run(install)
  } catch (error) {
    if (error instanceof Programs.Missing) throw error
    // A new machine has no package lists; only root may fetch them.
    Programs.run(["apt-get", "update"])
    Programs.run(install)
  }
}

/**
 * Finds `program` (an absolute path), or gets it by unpacking `packages` and what they need.
 *
 * @throws Missing when neither can be had
 */
export const obtain = (program: string, packages: ReadonlyArray<string>): Peer => {
  if (Fs.existsSync(program)) return { prefix: "", env: process.env }
  const prefix = Path.join(Programs.root, "dist/bench/peers", packages.join("+"))
  if (!Fs.existsSync(prefix + program)) {
    const archives = `${prefix}.archives`
    try {
      download(packages, archives)
      for (const name of Fs.readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
        Programs.run(["dpkg-deb", "-x", Path.join(archives, name), prefix])
      }
    } catch (error) {
      throw new Programs.Missing(`MISSING: install ${packages.join(" and ")} (${String(error)})`)
    } finally {
      Fs.rmSync(archives, { recursive: true, force: true })
    }
  }
  const folders = [libraries, `/lib/${multiarch}`, "/usr/lib/syslog-ng"].map((folder) => prefix + folder)
  return { prefix, env: { ...process.env, LD_LIBRARY_PATH: folders.join(":") } }
}
