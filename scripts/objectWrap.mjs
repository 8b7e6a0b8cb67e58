/**
 * Makes a better-sqlite3 that was compiled for Node 24.19 or later fit to be used; any other is left as it is.
 *
 * From that version on, the headers of Node have every node::ObjectWrap remove a hook of its environment in its
 * destructor, which aborts the process when the garbage collector calls it (nodejs/node#65446). better-sqlite3 12 builds
 * its databases, statements and iterators on it, and 13, which does not, cannot be loaded by Node 20. It has always
 * closed what is open at the end by a hook of its own, so here its one C++ file is compiled again without theirs.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const self = fileURLToPath(import.meta.url)
const folder = dirname(createRequire(self).resolve("better-sqlite3/package.json"))
const build = join(folder, "build")
const product = join(build, "Release", "better_sqlite3.node")

/** Whether it calls what only node::ObjectWrap calls. */
const isUnfit = () => existsSync(product) && readFileSync(product).includes("RemoveEnvironmentCleanupHook")

/** Compiles and links, but not SQLite itself, which takes minutes. */
const compile = () => {
  const header = relative(build, join(dirname(self), "ObjectWrap.h"))
  const env = { ...process.env, CXXFLAGS: `${process.env["CXXFLAGS"] ?? ""} -include ${header}` }
  const kept = ["-o", "Release/obj.target/sqlite3/gen/sqlite3/sqlite3.o"]
  const args = ["-C", build, "BUILDTYPE=Release", ...kept, "Release/better_sqlite3.node"]
  const make = spawnSync("make", args, { env, encoding: "utf8" })
  return make.error === undefined ? `${make.stdout}${make.stderr}` : make.error.message
}

/** Compiles again where that is needed; throws when that does not help. */
export const mendObjectWrap = () => {
  if (!isUnfit()) return
  process.stdout.write("better-sqlite3: compiled again, because Node 24.19 and later abort on it\n")
  const said = compile()
  if (isUnfit()) throw new Error(`better-sqlite3 in ${folder} would abort on this Node:\n${said}`)
}

if (process.argv[1] === self) mendObjectWrap()
