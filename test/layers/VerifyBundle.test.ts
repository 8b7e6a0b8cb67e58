import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, beforeAll } from "vitest"
import * as Bundle from "../../src/domain/Bundle.ts"
import * as Evidence from "../../src/domain/Evidence.ts"
import type * as Verdict from "../../src/domain/Verdict.ts"
import * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import * as VerifyBundle from "../../src/layers/VerifyBundle.ts"
import type * as VerifyIo from "../../src/layers/VerifyIo.ts"
import { changedBundle, changes, logOptions } from "../fixtures/LogMutations.ts"
import * as Logs from "../fixtures/Logs.ts"

let directory = ""
beforeAll(() => {
  directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-test-"))
})
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

const write = (bytes: Uint8Array | string, name = "bundle.json"): string => {
  const path = Path.join(directory, name)
  Fs.writeFileSync(path, bytes)
  return path
}

const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)

const verify = (path: string, options = VerifyOptions.nothing, settings: VerifyIo.Settings = {}) =>
  run(VerifyBundle.verifyFile(path, options, settings))

const other = Logs.buildLog({ seed: "other", records: [Logs.consoleLine("one"), Logs.consoleLine("two")] })

/** All paths say the same of a file; returns what they say. */
const agree = async (
  path: string,
  options: VerifyOptions.VerifyOptions,
  threads: ReadonlyArray<VerifyIo.Settings>
): Promise<Verdict.Report> => {
  const simple = await run(VerifyBundle.verifyFileSimply(path, options))
  for (const settings of threads) {
    // oxlint-disable-next-line no-await-in-loop
    assert.deepStrictEqual(await verify(path, options, settings), simple, JSON.stringify(settings))
  }
  return simple
}

/** A log of many ordinary entries, and a note that somebody kept in the middle of it. */
const longLog = () => {
  const records = Array.from({ length: 3000 }, (_, at) => Logs.consoleLine(`line ${at} ${"·".repeat(at % 50)}`))
  const log = Logs.buildLog({ records, checkpointEvery: 700, rotateEvery: 1300 })
  const known = Either.getOrThrow(
    Evidence.parseKnown(Logs.noteOf(log.origin, log.leaves.slice(0, 1000), [log.epochs[0]!]))
  )
  return { log, options: { ...Logs.trusting(log), known: [known] } }
}

describe("VerifyBundle", () => {
  it.effect.prop(
    "the fast path says of any log and any single change of it what the simple path says",
    [logOptions, changes],
    ([options, change]) =>
      Effect.promise(async () => {
        const log = Logs.buildLog(options)
        const path = write(changedBundle(log, other, change))
        const report = await agree(path, Logs.trusting(log), [{ threads: 1 }])
        if (change.kind === "none" && options.end === "close") assert.strictEqual(report.verdict, "INTACT", report.why)
      }),
    { fastCheck: { numRuns: 100 }, timeout: 60_000 }
  )

  it.effect.prop(
    "threads say the same, however the file falls into pieces",
    [logOptions, changes, FastCheck.constantFrom(300, 1000, 5000)],
    ([options, change, piece]) =>
      Effect.promise(async () => {
        const log = Logs.buildLog(options)
        const path = write(changedBundle(log, other, change))
        await agree(path, Logs.trusting(log), [{ threads: 2, piece }])
      }),
    { fastCheck: { numRuns: 20 }, timeout: 60_000 }
  )

  it("a long log is INTACT on every path, with a note that was kept from the middle", async () => {
    const { log, options } = longLog()
    const path = write(Logs.bundleText(log))
    const report = await agree(path, options, [{}, { threads: 1 }, { threads: 3, piece: 65_536 }])
    assert.strictEqual(report.verdict, "INTACT", report.why)
    assert.strictEqual(report.counts.entries, log.leaves.length)
    assert.deepStrictEqual(report.anchors, ["the kept checkpoint of size 1000 agrees at size 1000"])
  })

  it("a changed byte of a long log is found at its entry on every path", async () => {
    const { log, options } = longLog()
    const bytes = Buffer.from(Logs.bundleText(log), "utf8")
    for (const seq of [1, 999, 1000, 1500, 2990]) {
      const at = bytes.indexOf(log.leaves[seq]!) + '{"data":{"line":"'.length
      const changed = Buffer.from(bytes)
      changed[at] = changed[at]! ^ 1
      // oxlint-disable-next-line no-await-in-loop
      const report = await agree(write(changed), options, [{ threads: 1 }, { threads: 3, piece: 100_000 }])
      assert.strictEqual(report.verdict, "TAMPERED")
      assert.deepStrictEqual(report.firstBad, [seq, seq])
    }
  })

  it("refuses a line without end without reading on", async () => {
    const path = Path.join(directory, "long.json")
    Fs.writeFileSync(path, `${Bundle.headerLine({ kind: "full", origin: "agent.example/x/y" })}\n{"e":`)
    Fs.truncateSync(path, 2 * 1024 * 1024 * 1024)
    const report = await agree(path, VerifyOptions.nothing, [{}, { threads: 2 }])
    assert.strictEqual(report.verdict, "MALFORMED")
    assert.match(report.why, /line 2: longer than 1048576 bytes/)
    Fs.rmSync(path)
  })

  it("takes the longest line that is allowed, and no longer one", async () => {
    const { log, options } = longLog()
    const lines = Logs.bundleText(log).split("\n")
    const padded = (length: number) => [...lines.slice(0, 500), "x".repeat(length), ...lines.slice(500)].join("\n")
    const settings = [{ threads: 1 }, { threads: 2, piece: 70_000 }]
    assert.match((await agree(write(padded(Bundle.maxLineBytes - 1)), options, settings)).why, /not canonical JSON/)
    assert.match((await agree(write(padded(Bundle.maxLineBytes)), options, settings)).why, /longer than/)
  })

  it("refuses bytes that are not UTF-8 at their line", async () => {
    const { log, options } = longLog()
    const bytes = Buffer.from(Logs.bundleText(log), "utf8")
    bytes[bytes.indexOf('"line 2000')] = 0xff
    const report = await agree(write(bytes), options, [{ threads: 1 }, { threads: 2, piece: 70_000 }])
    assert.match(report.why, /^line \d+: not UTF-8$/)
  })

  it("reports progress up to the end of the file", async () => {
    const { log, options } = longLog()
    const path = write(Logs.bundleText(log))
    const { size } = Fs.statSync(path)
    for (const threads of [1, 2]) {
      const seen: Array<number> = []
      const onProgress = (done: number, total: number) => {
        assert.strictEqual(total, size)
        seen.push(done)
      }
      // oxlint-disable-next-line no-await-in-loop
      await verify(path, options, { threads, piece: 100_000, onProgress })
      assert.deepStrictEqual(
        seen,
        seen.toSorted((a, b) => a - b)
      )
      assert.strictEqual(seen.at(-1), size)
    }
  })

  it("says what is wrong with a path that cannot be read", async () => {
    const missing = await run(Effect.flip(VerifyBundle.verifyFile(Path.join(directory, "none"), VerifyOptions.nothing)))
    assert.strictEqual(missing.isMissing, true)
    assert.match(missing.message, /there is no such file/)
    const folder = await run(Effect.flip(VerifyBundle.verifyFile(directory, VerifyOptions.nothing)))
    assert.match(folder.message, /it is a directory/)
  })

  it("says MALFORMED of an empty file and of any other text", async () => {
    for (const text of ["", "\n", "{}", "not a bundle\n", "x".repeat(3_000_000)]) {
      // oxlint-disable-next-line no-await-in-loop
      const report = await agree(write(text), VerifyOptions.nothing, [{}, { threads: 2, piece: 1000 }])
      assert.strictEqual(report.verdict, "MALFORMED")
    }
  })
})
