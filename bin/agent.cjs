#!/usr/bin/env node
"use strict"
/**
 * The command. Answers --version by itself and otherwise runs dist/cli.cjs, taken from a V8 code cache where there is
 * one: compiling the bundle costs more than everything else that a short command does.
 *
 * The cache is dist/cache/SOURCE-VERSION-ARCH, where SOURCE is the hash that the build wrote into the bundle's first
 * line. Loading it is running it, so it is read from this package's own directory only, where whoever could change it
 * could change the bundle too. V8 checks that it fits (version, flags, length) but not that it is whole, and crashes on
 * one that is not: it begins with the SHA-256 of the rest. A cache that is torn, does not fit, cannot be read or cannot
 * be written costs time and nothing else.
 */
const fs = require("node:fs")
const path = require("node:path")

const root = path.dirname(__dirname)
const dist = path.join(root, "dist")

/** Characters of the SHA-256 (hex) before the data; a multiple of 8, so that the data stays aligned. */
const sealLength = 64

/** @param {string} file */
function read(file) {
  try {
    return fs.readFileSync(file)
  } catch {
    return undefined
  }
}

/** @param {ReturnType<typeof read>} sealed */
function unseal(sealed) {
  const data = sealed?.subarray(sealLength)
  return data && sealed.toString("latin1", 0, sealLength) === seal(data) ? data : undefined
}

/** @param {Uint8Array} data */
function seal(data) {
  return require("node:crypto").hash("sha256", data, "hex")
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
  const cachedData = unseal(read(cache))
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
      const data = script.createCachedData()
      fs.writeFileSync(temporary, Buffer.concat([Buffer.from(seal(data)), data]), { flag: "wx" })
      fs.renameSync(temporary, cache)
    } catch {
      discard(temporary)
    }
  })
}

/** @param {string} file */
function discard(file) {
  try {
    fs.rmSync(file, { force: true })
  } catch {
    // Nothing is lost but the room that it takes, and the command's own exit status matters more.
  }
}

const flag = process.argv.length === 3 ? process.argv[2] : undefined

if (flag === "--version" || flag === "-v") {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
  process.stdout.write(`${version}\n`)
} else {
  start()
}
