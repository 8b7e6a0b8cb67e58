/**
 * Makes the programs that benchmarks start: TypeScript as one file, C with the system's compiler. All of it goes below
 * `dist/bench`, where natives and workers are found.
 *
 * @module
 */
import { build, type Plugin } from "esbuild"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("..", import.meta.url))
const folder = Path.join(root, "dist/bench")

/**
 * Bundles `bench/NAME.ts`; gives the path of the program. From a bundle, because a TypeScript loader gives every closure
 * a name when it is made, which costs as much as a record.
 *
 * @param variant of the program, with other plugins; part of the file's name
 */
export const bundle = async (name: string, variant?: { readonly name: string; readonly plugin: Plugin }) => {
  const outfile = Path.join(folder, `${variant === undefined ? name : `${name}-${variant.name}`}.cjs`)
  await build({
    absWorkingDir: root,
    entryPoints: [`bench/${name}.ts`],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20.19",
    external: ["better-sqlite3", "hypercore"],
    define: { "import.meta.url": "importMetaUrl" },
    banner: { js: `const importMetaUrl = require("node:url").pathToFileURL(__filename).href` },
    plugins: variant === undefined ? [] : [variant.plugin],
    logLevel: "error"
  })
  return outfile
}

/** What a benchmark needs from the machine and does not find. */
export class Missing extends Error {}

/** Runs a command to its end; gives its standard output. */
export const run = (
  command: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}
): string => {
  const [file = "", ...args] = command
  const { error, signal, status, stderr, stdout } = spawnSync(file, args, {
    ...options,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1024 * 1024 * 1024
  })
  if (error !== undefined) throw new Missing(`${file}: ${error.message}`)
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status ?? signal}: ${stderr.slice(0, 2000)}`)
  return stdout
}

/** Compiles `bench/NAME.c`; gives the path of the program. */
export const compile = (name: string): string => {
  const program = Path.join(folder, name)
  Fs.mkdirSync(Path.dirname(program), { recursive: true })
  run(["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-o", program, Path.join(root, "bench", `${name}.c`)])
  return program
}

/** The native half of agentops, built when it is not. */
export const native = (): { readonly launcher: string; readonly shim: string } => {
  run(["make", "-s", "-C", Path.join(root, "native")])
  const directory = Path.join(root, `dist/native/linux-${process.arch}`)
  const launcher = Path.join(directory, "agent-exec")
  const shim = Path.join(directory, "libauditshim.so")
  for (const file of [launcher, shim]) if (!Fs.existsSync(file)) throw new Missing(`${file}: not built`)
  return { launcher, shim }
}
