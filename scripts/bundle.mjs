/**
 * Bundles the CLI to dist/cli.cjs and each file of src/layers/workers to dist/workers/NAME.cjs, writes the licences of
 * what was bundled beside them, and leaves a V8 code cache for the Node that runs the build.
 *
 * CommonJS, because V8 can take a whole CommonJS bundle from a code cache, and an ES module graph not. Files are replaced
 * by rename, and only when they change: a process that is starting meanwhile sees the old bundle or the new one.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { mendObjectWrap } from "./objectWrap.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, "dist")
const say = (line) => process.stdout.write(`bundle: ${line}\n`)

/** Natives are found in node_modules at run time; everything else goes into the bundle. */
const external = ["better-sqlite3", "node-pty", "@parcel/watcher", "*.node"]

/** Entry points that exist, as [source, output], both relative to the package root. */
const entryPoints = () => {
  const workers = join(root, "src/layers/workers")
  const names = existsSync(workers) ? readdirSync(workers).filter((name) => name.endsWith(".ts")) : []
  const all = [
    ["src/programs/main.ts", "dist/cli.cjs"],
    ...names.toSorted().map((name) => [`src/layers/workers/${name}`, `dist/workers/${basename(name, ".ts")}.cjs`])
  ]
  return all.filter(([source]) => existsSync(join(root, source)))
}

const replace = (path, bytes) => {
  if (existsSync(path) && readFileSync(path).equals(bytes)) return
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, bytes)
  renameSync(temporary, path)
}

const bundle = async ([source, output]) => {
  const outfile = join(root, output)
  const result = await build({
    absWorkingDir: root,
    entryPoints: [source],
    outfile,
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "cjs",
    target: "node20.19",
    external,
    // import() becomes require(): a script that V8 took from a code cache has no callback for import() (Node 20).
    supported: { "dynamic-import": false },
    define: {
      "import.meta.url": "importMetaUrl",
      "import.meta.filename": "__filename",
      "import.meta.dirname": "__dirname"
    },
    banner: { js: '"use strict";const importMetaUrl=require("node:url").pathToFileURL(__filename).href;' },
    minify: true,
    legalComments: "none",
    sourcemap: "linked",
    sourcesContent: false,
    logLevel: "warning"
  })
  for (const file of result.outputFiles) {
    if (file.path.endsWith(".map")) {
      replace(file.path, Buffer.from(file.contents))
      continue
    }
    // The code cache is named by this hash: V8 itself compares nothing of the source but its length.
    const hash = createHash("sha256").update(file.contents).digest("hex").slice(0, 32)
    replace(file.path, Buffer.concat([Buffer.from(`/*${hash}*/`), file.contents]))
  }
  const bytes = result.outputFiles.reduce(
    (sum, file) => sum + (file.path.endsWith(".map") ? 0 : file.contents.length),
    0
  )
  say(`${source} -> ${output} (${Math.round(bytes / 1024)} KiB)`)
  return Object.keys(result.metafile.inputs)
}

/** Texts of the licences of all packages that went into a bundle, as their authors ask for. */
const licences = (inputs) => {
  /** @type {Set<string>} */
  const folders = new Set()
  for (const input of inputs) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)
    if (found) folders.add(found[1])
  }
  const texts = [...folders].toSorted().map((folder) => {
    const about = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"))
    const file = readdirSync(join(root, folder)).find((name) => /^(licen[cs]e|copying)/i.test(name))
    const text =
      file === undefined ? `Licence: ${about.license}` : readFileSync(join(root, folder, file), "utf8").trim()
    return `${about.name} ${about.version}\n\n${text}\n`
  })
  replace(join(dist, "THIRD-PARTY-LICENSES.txt"), Buffer.from(texts.join(`\n${"-".repeat(80)}\n\n`)))
}

/** Lets the freshly bundled CLI run once, which makes it write its code cache (see bin/agent.cjs). */
const warm = () => {
  const cache = join(dist, "cache")
  const current = readFileSync(join(dist, "cli.cjs"), "latin1").slice(2, 34)
  const files = existsSync(cache) ? readdirSync(cache) : []
  for (const name of files) if (!name.startsWith(current)) rmSync(join(cache, name), { force: true })
  const env = { ...process.env, NODE_OPTIONS: "" }
  const run = spawnSync(process.execPath, [join(root, "bin/agent.cjs"), "--help"], { env, encoding: "utf8" })
  if (run.status !== 0) say(`no code cache: agent --help exited with ${run.status ?? run.signal}\n${run.stderr}`)
}

mendObjectWrap()
const entries = entryPoints()
if (entries.length === 0) say("no entry points: neither src/programs/main.ts nor src/layers/workers/*.ts exists")
const kept = new Set(entries.map(([, output]) => basename(output)))
if (existsSync(join(dist, "workers"))) {
  for (const name of readdirSync(join(dist, "workers"))) {
    if (name.endsWith(".cjs") && !kept.has(name)) rmSync(join(dist, "workers", name))
  }
}
const inputs = (await Promise.all(entries.map(bundle))).flat()
licences(inputs)
if (kept.has("cli.cjs")) warm()
