import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Cli from "../fixtures/Cli.ts"
import { fixture, vectors } from "../fixtures/Vectors.ts"

interface Expected {
  readonly bundle: string
  readonly args: ReadonlyArray<string>
  readonly verdict: string
  readonly first_bad: readonly [number, number] | null
}

/** docs/format.md, section 6; not taken from the code. */
const statuses: Readonly<Record<string, number>> = {
  INTACT: 0,
  TAMPERED: 1,
  MALFORMED: 3,
  TRUNCATED: 4,
  INCOMPLETE: 5,
  "UNSIGNED TAIL": 6,
  "KEY UNKNOWN": 7,
  FORKED: 8,
  "WRONG RUN": 9,
  UNWITNESSED: 10
}

const bundles = fileURLToPath(fixture("bundles/"))
const expected: ReadonlyArray<Expected> = JSON.parse(Fs.readFileSync(Path.join(bundles, "expected.json"), "utf8"))
const inBundles = { cwd: bundles, home: "/nonexistent/home" }

/** Writes a bundle of these lines, each a record. */
const bundleOf = (origin: string, records: ReadonlyArray<string>, entries: number, checkpoints: number): string => {
  const path = Path.join(Cli.scratch(), "bundle.json")
  const head = `{"format":"agent-audit-bundle/1","kind":"full","origin":"${origin}","records":[\n`
  const tail = `\n],"tail":{"checkpoints":${checkpoints},"entries":${entries}}}\n`
  Fs.writeFileSync(path, `${head}${records.join(",\n")}${tail}`)
  return path
}

const policy = ["--policy", Path.join(bundles, "policy-nowitness.txt")]

describe("the format's bundles through the CLI", { timeout: 120_000 }, () => {
  it("are all there", () => {
    assert.lengthOf(expected, 28)
    const named = new Set(expected.map(({ bundle }) => bundle))
    const files = Fs.readdirSync(bundles).filter((name) => name.endsWith(".json") && name !== "expected.json")
    assert.deepStrictEqual([...named].toSorted(), files.toSorted())
  })

  it.each(expected)("$bundle $args: $verdict", async ({ args, bundle, first_bad, verdict }) => {
    const { report, status, stderr } = await Cli.audit(["--verify", bundle, ...args], inBundles)
    assert.deepStrictEqual(
      [report.verdict, report.first_bad, status, stderr],
      [verdict, first_bad, statuses[verdict] ?? -1, ""]
    )
    const words = await Cli.agent(["audit", "--verify", bundle, ...args], inBundles)
    assert.strictEqual(words.status, status)
    assert.isTrue(words.stdout.startsWith(`${verdict}: `), words.stdout)
    assert.isFalse(Fs.existsSync(inBundles.home))
  })

  it("are read from standard input like from a file", async () => {
    const stdin = Fs.readFileSync(Path.join(bundles, "tampered-edit.json"))
    const { report, status } = await Cli.audit(["--verify", "-", ...policy], { ...inBundles, stdin })
    assert.deepStrictEqual([report.verdict, report.first_bad, status], ["TAMPERED", [2, 2], 1])
  })
})

describe("the format's vectors through the CLI", { timeout: 120_000 }, () => {
  const logs = [
    ["five", vectors.five],
    ["rotate", vectors.rotate]
  ] as const

  it.each(logs)("the log %s as a bundle is INTACT", async (_name, log) => {
    const notes = new Map(log.checkpoints.map(({ note, size }) => [size, note]))
    const records = log.leaves.flatMap((leaf, seq) => {
      const note = notes.get(seq + 1)
      return [`{"e":${leaf}}`, ...(note === undefined ? [] : [JSON.stringify({ c: note })])]
    })
    const path = bundleOf(log.origin, records, log.leaves.length, notes.size)
    const { report, status } = await Cli.audit(["--verify", path, ...policy], inBundles)
    assert.deepStrictEqual([report.verdict, status], ["INTACT", 0])
    assert.strictEqual(report.counts["entries"], log.leaves.length)
    const vkey = await Cli.audit(["--verify", path, "--policy", vectors.keys.host.vkey], inBundles)
    assert.deepStrictEqual([vkey.report.verdict, vkey.status], ["INTACT", 0])
    const evil = await Cli.audit(["--verify", path, "--policy", vectors.keys.evil_host.vkey], inBundles)
    assert.deepStrictEqual([evil.report.verdict, evil.status], ["KEY UNKNOWN", 7])
  })

  it.each(vectors.leaf_reject)("a leaf that is refused ($why) is never INTACT", async ({ leaf }) => {
    const { leaves, origin } = vectors.five
    const [first = "", , ...rest] = leaves
    const notes = new Map(vectors.five.checkpoints.map(({ note, size }) => [size, note]))
    const all = [first, leaf, ...rest]
    const records = all.flatMap((text, seq) => {
      const note = notes.get(seq + 1)
      return [`{"e":${text.replaceAll("\n", "\\n")}}`, ...(note === undefined ? [] : [JSON.stringify({ c: note })])]
    })
    const path = bundleOf(origin, records, all.length, notes.size)
    const { report } = await Cli.audit(["--verify", path, ...policy], inBundles)
    assert.include(["TAMPERED", "MALFORMED"], report.verdict)
    if (report.verdict === "TAMPERED") assert.deepStrictEqual(report.first_bad, [1, 1])
  })
})
