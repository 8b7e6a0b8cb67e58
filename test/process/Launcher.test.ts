import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** A bundle as the build writes it, hash first, that tells what it sees and exits with its last argument. */
const bundle = (hash: string) => `/*${hash}*/"use strict";
const lazy = () => ["a", "b"].map((letter) => letter.toUpperCase()).join("")
process.stdout.write(JSON.stringify({ args: process.argv.slice(2), lazy: lazy(), __filename, os: typeof require("node:os").cpus }))
process.exit(Number(process.argv.at(-1) ?? 0))
`

describe("bin/agent.cjs", () => {
  let home = ""
  const at = (...path: ReadonlyArray<string>) => join(home, ...path)
  const agent = (
    args: ReadonlyArray<string>,
    options: { readonly env?: NodeJS.ProcessEnv; readonly bin?: string } = {}
  ) =>
    spawnSync(process.execPath, [options.bin ?? at("bin/agent.cjs"), ...args], {
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "", ...options.env }
    })
  const caches = () => readdirSync(at("dist/cache"))
  const cache = () => at("dist/cache", caches()[0] ?? "none")

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "agentops-launcher-"))
    mkdirSync(at("bin"))
    mkdirSync(at("dist"))
    for (const name of ["package.json", "bin/agent.cjs"]) copyFileSync(join(root, name), at(name))
    writeFileSync(at("dist/cli.cjs"), bundle("0".repeat(32)))
  })
  afterEach(() => {
    chmodSync(at("dist"), 0o700)
    rmSync(home, { recursive: true })
  })

  it.each(["--version", "-v"])("answers %s with the package's version, without the bundle", (flag) => {
    rmSync(at("dist/cli.cjs"))
    const { status, stdout } = agent([flag])
    const { version }: { readonly version: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    assert.deepStrictEqual([status, stdout], [0, `${version}\n`])
  })

  it("says in one line what to do when there is no bundle", () => {
    rmSync(at("dist/cli.cjs"))
    const { status, stderr } = agent(["list"])
    assert.strictEqual(status, 125)
    assert.match(stderr, /^agent: .*cli\.cjs is missing; run `npm run build` in .*\n$/)
  })

  it("hands over arguments and exit status unchanged, with and without a cache", () => {
    for (const status of [0, 7, 125]) {
      const run = agent(["run", "--", "x y", "--version", String(status)])
      const seen: unknown = JSON.parse(run.stdout)
      const args = ["run", "--", "x y", "--version", String(status)]
      assert.deepStrictEqual(seen, { args, lazy: "AB", __filename: at("dist/cli.cjs"), os: "function" })
      assert.deepStrictEqual([run.status, run.stderr], [status, ""])
    }
  })

  it("writes its cache once, for this source and this Node", () => {
    agent(["0"])
    assert.deepStrictEqual(caches(), [`${"0".repeat(32)}-${process.version}-${process.arch}`])
    const { ino } = statSync(cache())
    agent(["0"])
    assert.strictEqual(statSync(cache()).ino, ino)
  })

  it("does not use the cache of another bundle of the same length", () => {
    agent(["0"])
    writeFileSync(at("dist/cli.cjs"), bundle("1".repeat(32)).replace("toUpperCase", "toLowerCase"))
    assert.include(agent(["0"]).stdout, `"lazy":"ab"`)
    assert.lengthOf(caches(), 2)
  })

  it("replaces a cache that is torn, empty or changed in any place", () => {
    agent(["0"])
    const whole = readFileSync(cache())
    const places = [0, 63, 64, 70, whole.length >> 1, whole.length - 1]
    const changed = places.map((place) => {
      const copy = Buffer.from(whole)
      copy.writeUInt8(copy.readUInt8(place) ^ 0xff, place)
      return copy
    })
    for (const bytes of [Buffer.alloc(0), whole.subarray(0, 63), whole.subarray(0, whole.length - 1), ...changed]) {
      writeFileSync(cache(), bytes)
      const { ino } = statSync(cache())
      const run = agent(["3"])
      assert.deepStrictEqual([run.status, run.stderr], [3, ""])
      assert.notStrictEqual(statSync(cache()).ino, ino)
      assert.lengthOf(caches(), 1)
    }
  })

  it("leaves the cache alone under flags that would not fit the next run", () => {
    assert.strictEqual(agent(["0"], { env: { NODE_OPTIONS: "--max-old-space-size=200" } }).status, 0)
    assert.deepStrictEqual(readdirSync(at("dist")), ["cli.cjs"])
  })

  it("works where it cannot write", () => {
    writeFileSync(at("dist/cache"), "in the way of the directory")
    const run = agent(["4"])
    assert.deepStrictEqual([run.status, run.stderr], [4, ""])
  })

  it("finds its package through the link that npm puts on the PATH", () => {
    symlinkSync(at("bin/agent.cjs"), at("agent"))
    assert.strictEqual(agent(["5"], { bin: at("agent") }).status, 5)
  })
})
