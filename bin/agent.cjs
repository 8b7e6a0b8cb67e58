#!/usr/bin/env node
"use strict"
/**
 * The command. Answers --version by itself and otherwise runs dist/cli.cjs, taken from a V8 code cache where there is
 * one: compiling the bundle costs more than everything else that a short command does.
 *
 * The cache is dist/cache/SOURCE-VERSION-ARCH, where SOURCE is the hash that the build wrote into the bundle's first
 * line. Loading it is running it, so it is read from this package's own directory only, where whoever
 * could change it could change the bundle too. V8 checks that it fits (version, flags, length); one that does not fit,
 * cannot be read or cannot be written costs time and nothing else.
 */
const fs = require("node:fs")
const path = require("node:path")

const root = path.dirname(__dirname)
const dist = path.join(root, "dist")
const flag = process.argv.length === 3 ? process.argv[2] : undefined

if (flag === "--version" || flag === "-v") {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
  process.stdout.write(`${version}\n`)
} else {
  start()
}

/** @param {string} file */
function read(file) {
  try {
    return fs.readFileSync(file)
  } catch {
    return undefined
  }
}

function start() {
  const vm = require("node:vm")
  const filename = path.join(dist, "cli.cjs")
  const source = read(filename)?.latin1Slice()
  if (source === undefined) {
    process.stderr.write(`agent: ${filename} is missing; run \`npm run build\` in ${root}\n`)
    process.exitCode = 125
    return
  }
  const cache = path.join(dist, "cache", `${source.slice(2, 34)}-${process.version}-${process.arch}`)
  const cachedData = read(cache)
  const script = new vm.Script(`(function(exports,require,module,__filename,__dirname){${source}\n})`, {
    filename,
    cachedData
  })
  if (cachedData === undefined || script.cachedDataRejected === true) remember(script, cache)
  const module = { exports: {}, id: filename, filename, loaded: false, children: [], paths: [] }
  const load = require("node:module").createRequire(filename)
  script.runInThisContext()(module.exports, load, module, filename, dist)
}

/**
 * Writes the cache when the process ends: only then are the functions in it that the command used. Not under flags of
 * one's own, which would only fit the next run with the same flags.
 *
 * @param {import("node:vm").Script} script
 * @param {string} cache
 */
function remember(script, cache) {
  if (process.execArgv.length > 0 || process.env.NODE_OPTIONS) return
  try {
    fs.accessSync(dist, fs.constants.W_OK)
  } catch {
    return
  }
  process.once("exit", () => {
    const temporary = `${cache}.${process.pid}.tmp`
    try {
      fs.mkdirSync(path.dirname(cache), { recursive: true })
      fs.writeFileSync(temporary, script.createCachedData(), { flag: "wx" })
      fs.renameSync(temporary, cache)
    } catch {
      fs.rmSync(temporary, { force: true })
    }
  })
}
