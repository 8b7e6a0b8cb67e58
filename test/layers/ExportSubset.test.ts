import { assert, describe, it } from "@effect/vitest"
import canonicalize from "canonicalize"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ExportSubset from "../../src/layers/ExportSubset.ts"
import { LogDamaged } from "../../src/services/LogReader.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as LogReaderArrays from "../fixtures/LogReaderArrays.ts"
import * as Logs from "../fixtures/Logs.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"

const logOf = (name: string) => LogReaderArrays.fromBundle(Bundles.read(name))
const rotate = logOf("ok-rotate.json")

const exported = (log: LogReaderArrays.LogArrays, selection: ExportSubset.Selection) =>
  Effect.scoped(
    Effect.gen(function* () {
      const target = Path.join(yield* temporaryDirectory, "subset.json")
      const report = yield* ExportSubset.subset(target, selection).pipe(Effect.provide(LogReaderArrays.layer(log)))
      return { report, text: Fs.readFileSync(target, "utf8") }
    })
  )

const verified = (log: LogReaderArrays.LogArrays, selection: ExportSubset.Selection) =>
  Effect.gen(function* () {
    const { report, text } = yield* exported(log, selection)
    return { report, text, verdict: yield* Effect.promise(() => Bundles.verify(text)) }
  })

const message = (selection: ExportSubset.Selection) =>
  Effect.map(Effect.flip(exported(rotate, selection)), (error) => error.message)

/** Sequence numbers of the entries in a bundle, in order. */
const shownIn = (text: string) =>
  [...text.matchAll(/^\{"e":[^\n]*?,"seq":([0-9]+),"source"/gm)].map((match) => Number(match[1]))

describe("ExportSubset", () => {
  it.effect("writes ok-subset.json byte for byte", () =>
    Effect.gen(function* () {
      const ranges = [
        [2, 2],
        [6, 6]
      ] as const
      const { text } = yield* exported(logOf("ok-shredded.json"), { ranges })
      assert.strictEqual(text, Bundles.read("ok-subset.json"))
      assert.strictEqual(text.replaceAll("\n", ""), canonicalize(JSON.parse(text)))
    })
  )

  it.effect.prop(
    "any range of any log is proven, with the succession of keys and the last entry, and nothing is shown twice",
    [
      FastCheck.constantFrom("ok-rotate.json", "ok-rotate-ledger.json", "ok-five.json"),
      FastCheck.nat(),
      FastCheck.nat()
    ],
    ([name, a, b]) =>
      Effect.gen(function* () {
        const log = logOf(name)
        const size = log.leaves.length
        const from = Math.min(a % size, b % size)
        const to = Math.max(a % size, b % size)
        const { text, verdict } = yield* verified(log, { ranges: [[from, to]] })
        assert.strictEqual(verdict.verdict, "INTACT", verdict.why)
        const shown = shownIn(text)
        const links = log.leaves.flatMap((leaf, seq) => (/"type":"log.(?:open|key)"\}$/.test(leaf) ? [seq] : []))
        const chosen = Array.from({ length: to - from + 1 }, (_, at) => from + at)
        assert.deepStrictEqual(
          shown.toSorted((x, y) => x - y),
          [...new Set([...links, ...chosen, size - 1])].toSorted((x, y) => x - y)
        )
        assert.deepStrictEqual(shown.slice(0, links.length), links)
      }),
    { fastCheck: { numRuns: 40 }, timeout: 30_000 }
  )

  it.effect("proves what it shows of a log of many blocks and epochs, in a block's middle and at its edges", () =>
    Effect.gen(function* () {
      const records = Array.from({ length: 1300 }, (_, at) =>
        at % 50 === 7 ? Logs.secret(`value ${at}`) : Logs.consoleLine(`line ${at}`)
      )
      for (const end of ["close", "abort", "killed"] as const) {
        const built = Logs.buildLog({ records, rotateEvery: 290, checkpointEvery: 60, end })
        const log = LogReaderArrays.fromBundle(Logs.bundleText(built))
        const signed = built.notes.at(-1)!.size
        const last = signed - 1
        for (const ranges of [
          [[0, last]],
          [
            [255, 257],
            [511, 512],
            [1023, 1024]
          ],
          [[700, 700]],
          [[1280, last]]
        ] as const) {
          const { report, text } = yield* exported(log, { ranges: [...ranges] })
          const verdict = yield* Effect.promise(() => Bundles.verify(text, Logs.trusting(built)))
          assert.strictEqual(verdict.verdict, end === "close" ? "INTACT" : "INCOMPLETE", verdict.why)
          assert.strictEqual(verdict.counts.total, signed)
          assert.strictEqual(report.warnings.length, end === "killed" ? 1 : 0)
        }
        const secrets = yield* exported(log, { type: "credential" })
        const verdict = yield* Effect.promise(() => Bundles.verify(secrets.text, Logs.trusting(built)))
        assert.strictEqual(verdict.counts.disclosed, 26)
        assert.strictEqual(verdict.counts.withheld, 0)
      }
    })
  )

  it.effect("shows the entries of one type, inside the ranges", () =>
    Effect.gen(function* () {
      const all = yield* verified(rotate, { type: "console" })
      assert.strictEqual(all.verdict.verdict, "INTACT")
      assert.deepStrictEqual(shownIn(all.text), [0, 4, 8, 1, 5, 10, 12])
      const some = yield* verified(rotate, { type: "console", ranges: [[2, 9]] })
      assert.deepStrictEqual(shownIn(some.text), [0, 4, 8, 5, 12])
    })
  )

  it.effect("carries disclosures behind their entries, and none of the others", () =>
    Effect.gen(function* () {
      const disclosed = yield* verified(rotate, { type: "credential" })
      assert.strictEqual(disclosed.verdict.counts.disclosed, 1)
      assert.strictEqual((yield* verified(rotate, { type: "exec" })).verdict.counts.disclosed, 0)
    })
  )

  it.effect("of a recovered log ends with the host's checkpoint and is INCOMPLETE", () =>
    Effect.gen(function* () {
      const { text, verdict } = yield* verified(logOf("incomplete-recovered.json"), { ranges: [[1, 1]] })
      assert.strictEqual(verdict.verdict, "INCOMPLETE", verdict.why)
      assert.include(verdict.why, "killed")
      assert.strictEqual(shownIn(text).at(-1), 11)
    })
  )

  it.effect("of a log with an unsigned tail reaches to the last checkpoint, and says so", () =>
    Effect.gen(function* () {
      const log = logOf("unsigned-tail.json")
      const { report, text, verdict } = yield* verified(log, { ranges: [[2, 10]] })
      assert.strictEqual(verdict.verdict, "INCOMPLETE", verdict.why)
      assert.deepStrictEqual(report.warnings, [{ _tag: "UnsignedTail", range: [9, 10] }])
      assert.deepStrictEqual(shownIn(text), [0, 4, 2, 3, 5, 6, 7, 8])
      const error = yield* Effect.flip(exported(log, { ranges: [[9, 10]] }))
      assert.strictEqual(error._tag, "NotSigned")
      assert.strictEqual(
        error.message,
        "entries 9..10 cannot be proven: not below the last checkpoint (it covers entries 0..8)"
      )
    })
  )

  it.effect("of a log whose only checkpoint is the opening one shows log.open", () =>
    Effect.gen(function* () {
      const log = { ...rotate, leaves: rotate.leaves.slice(0, 1), checkpoints: rotate.checkpoints.slice(0, 1) }
      const { text, verdict } = yield* verified(log, { type: "log.open" })
      assert.strictEqual(verdict.verdict, "INCOMPLETE", verdict.why)
      assert.deepStrictEqual(shownIn(text), [0])
    })
  )

  it.effect("refuses a range outside the log and a type that does not exist, saying what there is", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* message({ ranges: [[5, 13]] }), "entries 5..13 outside the log; it holds entries 0..12")
      assert.strictEqual(yield* message({ ranges: [[5, 4]] }), "5..4 is not a range: write the lower number first")
      assert.strictEqual(
        yield* message({ type: "network" }),
        "there is no entry of type network; there are console (3), credential (1), exec (1), http (1), log.anchor (1), " +
          "log.close (1), log.drop (1), log.key (2), log.open (1), log.tick (1)"
      )
      assert.strictEqual(
        yield* message({ type: "exec", ranges: [[0, 1]] }),
        "there is no entry of type exec; there are console (1), log.open (1)"
      )
    })
  )

  it.effect("refuses a log that does not lead to its own checkpoints, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const edited = rotate.leaves.with(3, rotate.leaves[3]!.replace("200", "201"))
      const [opening, ...others] = rotate.checkpoints
      const damaged = [
        { ...rotate, leaves: edited },
        { ...rotate, leaves: rotate.leaves.slice(0, 12) },
        { ...rotate, checkpoints: others },
        { ...rotate, checkpoints: rotate.checkpoints.filter(({ size }) => size !== 9) },
        { ...rotate, checkpoints: [{ ...opening!, note: "x" }, ...others] },
        { ...rotate, checkpoints: [{ ...opening!, note: others[0]!.note }, ...others] },
        {
          ...rotate,
          checkpoints: rotate.checkpoints.with(2, {
            ...others[1]!,
            note: others[1]!.note.replace(/\n[^\n]*=\n\n/, "\nM7Z8js20ihcydH7AoaWwDzR5Ioj/Umg55ZWZzxdxvcB=\n\n")
          })
        },
        {
          ...rotate,
          checkpoints: rotate.checkpoints.with(2, { ...others[1]!, note: others[1]!.note.replace("\nM", "\nN") })
        }
      ]
      for (const [at, log] of damaged.entries()) {
        const error = yield* Effect.flip(exported(log, { ranges: [[1, 2]] }))
        assert.instanceOf(error, LogDamaged, `case ${at}: ${error.message}`)
      }
    })
  )

  it.effect("needs a checkpoint", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(exported({ ...rotate, checkpoints: [] }, { ranges: [[1, 2]] }))
      assert.strictEqual(error._tag, "NotSigned")
    })
  )
})
