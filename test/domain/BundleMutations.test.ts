import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { BundleVerifier } from "../../src/domain/BundleVerifier.ts"
import type * as Verdict from "../../src/domain/Verdict.ts"
import * as Jcs from "../../src/domain/Jcs.ts"
import { changed, impostor, relinked } from "../fixtures/AttackedLog.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as Logs from "../fixtures/Logs.ts"

const kinds = FastCheck.array(FastCheck.constantFrom("line", "secret", "withheld"), { minLength: 1, maxLength: 24 })

/** Any log that was closed; counterexamples show this and not the log. */
const anyLog = FastCheck.record({
  kinds,
  checkpointEvery: FastCheck.integer({ min: 1, max: 6 }),
  rotateEvery: FastCheck.option(FastCheck.integer({ min: 2, max: 9 }), { nil: 1000 })
})
type Shape = typeof anyLog extends FastCheck.Arbitrary<infer A> ? A : never

/** Secrets differ: entries that commit to the same salt and value could lend each other their disclosures. */
const build = ({ kinds, ...options }: Shape, run = "run_test") =>
  Logs.buildLog({
    ...options,
    run,
    records: kinds.map((kind, at) =>
      kind === "line" ? Logs.consoleLine(`ligne ${at} ✓`) : Logs.secret(`${run} ${at}`, kind === "withheld")
    )
  })

const pick = FastCheck.nat()

/** A record's line, and the entry that it is, belongs to or ends with. */
interface Line {
  readonly kind: "entry" | "disclosure" | "checkpoint"
  readonly at: number
  readonly text: string
}

const linesOf = (log: Logs.Log): ReadonlyArray<Line> => {
  let at = -1
  return Logs.bundleRecords(log).map((text) => {
    const kind = text.startsWith('{"e":') ? "entry" : text.startsWith('{"d":') ? "disclosure" : "checkpoint"
    if (kind === "entry") at++
    return { kind, at, text }
  })
}

const bundle = (log: Logs.Log, lines: ReadonlyArray<Line>) =>
  Logs.bundleOf(
    log.origin,
    lines.map(({ text }) => text)
  )

const verify = (log: Logs.Log, text: string) => Bundles.verify(text, Logs.trusting(log))

/** Not INTACT; and where a place is named, it is the entry at `at`, a neighbour, or a range with one of them. */
const caught = (report: Verdict.Report, at: number, what: string): void => {
  assert.notStrictEqual(report.verdict, "INTACT", what)
  if (report.firstBad === null) {
    assert.include(["MALFORMED", "INCOMPLETE"], report.verdict, `${what}: ${report.why}`)
    return
  }
  const [first, last] = report.firstBad
  assert.isTrue(
    first <= at + 1 && last >= at - 1,
    `${what}: ${report.verdict} at ${first}..${last}, not at ${at}: ${report.why}`
  )
}

const holds = (log: Logs.Log, range: Verdict.SeqRange | null, at: number, why: string): void => {
  assert.isNotNull(range, why)
  const [first, last] = range ?? [0, 0]
  assert.isTrue(first <= at && at <= last, `${first}..${last} of ${log.leaves.length}, not ${at}: ${why}`)
}

/** The checkpoint below which the entry is the first time, and the one before. */
const signedAround = (log: Logs.Log, seq: number): Verdict.SeqRange => {
  const sizes = [0, ...log.notes.map(({ size }) => size)]
  const next = sizes.findIndex((size) => size > seq)
  return [sizes[next - 1]!, sizes[next]! - 1] // a closed log is signed to its end
}

/** An entry that steers nothing. */
const ordinary = (log: Logs.Log, choice: number): number | undefined => {
  const seqs = log.leaves.flatMap((leaf, seq) => (leaf.includes('"source":"recorder"') ? [] : [seq]))
  return seqs[choice % Math.max(1, seqs.length)]
}

const edited = (log: Logs.Log, seq: number): ReadonlyArray<string> =>
  log.leaves.with(seq, changed(log.leaves[seq]!, { data: { line: "edited" } }))

const runs = (numRuns: number) => ({ fastCheck: { numRuns }, timeout: 60_000 })

describe("any single change to a bundle", () => {
  it.effect.prop("the bundles are INTACT without one", [anyLog], ([options]) =>
    Effect.promise(async () => {
      const log = build(options)
      const report = await verify(log, Logs.bundleText(log))
      assert.strictEqual(report.verdict, "INTACT", report.why)
    })
  )

  it.effect.prop(
    "another byte anywhere is caught, at its entry",
    [anyLog, pick, FastCheck.integer({ min: 1, max: 255 })],
    ([options, choice, flip]) =>
      Effect.promise(async () => {
        const log = build(options)
        const bytes = Buffer.from(Logs.bundleText(log), "utf8")
        const at = choice % bytes.length
        const lineNumber = bytes.subarray(0, at).toString("utf8").split("\n").length
        bytes[at]! ^= flip
        const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) // a reader of bytes refuses what is not UTF-8
        const report = await verify(log, text)
        const line = linesOf(log)[lineNumber - 2]
        caught(report, line?.at ?? 0, `byte ${at} of line ${lineNumber}`)
        if (report.verdict === "MALFORMED") {
          const named = Number(/^line ([0-9]+): /.exec(report.why)?.[1])
          assert.isTrue(named === lineNumber || named === lineNumber + 1, `line ${lineNumber}: ${report.why}`)
        }
      }),
    runs(200)
  )

  it.effect.prop(
    "dropping a record is caught, or withholds a value",
    [anyLog, pick],
    ([options, choice]) =>
      Effect.promise(async () => {
        const log = build(options)
        const lines = linesOf(log)
        const at = choice % lines.length
        const line = lines[at]!
        const report = await verify(log, bundle(log, lines.toSpliced(at, 1)))
        if (line.kind === "disclosure") {
          assert.strictEqual(report.verdict, "INTACT", report.why)
          assert.isAbove(report.counts.withheld, 0)
        } else {
          caught(report, line.at, `${line.kind} ${line.at}: ${report.verdict}, ${report.why}`)
        }
      }),
    runs(100)
  )

  it.effect.prop(
    "a record twice is caught",
    [anyLog, pick],
    ([options, choice]) =>
      Effect.promise(async () => {
        const log = build(options)
        const lines = linesOf(log)
        const at = choice % lines.length
        const report = await verify(log, bundle(log, lines.toSpliced(at, 0, lines[at]!)))
        caught(report, lines[at]!.at, `${lines[at]!.kind} ${lines[at]!.at}`)
      }),
    runs(100)
  )

  it.effect.prop(
    "two records in the other order are caught",
    [anyLog, pick],
    ([options, choice]) =>
      Effect.promise(async () => {
        const log = build(options)
        const lines = linesOf(log)
        const at = choice % (lines.length - 1)
        const swapped = lines.with(at, lines[at + 1]!).with(at + 1, lines[at]!)
        caught(await verify(log, bundle(log, swapped)), lines[at]!.at, `lines ${at} and ${at + 1}`)
      }),
    runs(100)
  )

  it.effect.prop(
    "a record moved elsewhere is caught",
    [anyLog, pick, pick],
    ([options, a, b]) =>
      Effect.promise(async () => {
        const log = build(options)
        const lines = linesOf(log)
        const from = a % lines.length
        const to = b % lines.length
        if (from === to) return
        const moved = lines.toSpliced(from, 1).toSpliced(to, 0, lines[from]!)
        const first = Math.min(from, to)
        const report = await verify(log, bundle(log, moved))
        // A disclosure is missed nowhere: it is bad where it stands now.
        const at = lines[from]!.kind === "disclosure" ? (moved[to - 1]?.at ?? 0) : lines[first]!.at
        caught(report, at, `line ${from} to ${to}`)
      }),
    runs(100)
  )

  it.effect.prop(
    "a record of another run is caught",
    [anyLog, anyLog, pick, pick],
    ([options, other, a, b]) =>
      Effect.promise(async () => {
        const log = build(options)
        const sibling = build(other, "run_other")
        const lines = linesOf(log)
        const others = linesOf(sibling)
        const at = a % lines.length
        const report = await verify(log, bundle(log, lines.toSpliced(at, 0, others[b % others.length]!)))
        caught(report, lines[at]!.at, `${others[b % others.length]!.kind} at line ${at}`)
      }),
    runs(100)
  )

  it.effect.prop(
    "the head of one run with the tail of another is caught",
    [anyLog, anyLog, pick, pick],
    ([options, other, a, b]) =>
      Effect.promise(async () => {
        const log = build(options)
        const sibling = build(other, "run_other")
        const lines = linesOf(log)
        const others = linesOf(sibling)
        const head = lines.slice(0, a % lines.length)
        const tail = others.slice(b % others.length)
        caught(
          await verify(log, bundle(log, [...head, ...tail])),
          head.at(-1)?.at ?? 0,
          `${head.length} and ${tail.length}`
        )
      }),
    runs(100)
  )

  it.effect.prop(
    "deleting any checkpoints, the tail's counts put right, is caught at the first of them",
    [anyLog, FastCheck.array(pick, { minLength: 1, maxLength: 5 })],
    ([options, choices]) =>
      Effect.promise(async () => {
        const log = build(options)
        const gone = new Set(choices.map((choice) => log.notes[choice % log.notes.length]!.size))
        const lines = linesOf(log).filter(({ at, kind }) => kind !== "checkpoint" || !gone.has(at + 1))
        const report = await verify(log, bundle(log, lines))
        assert.include(["TAMPERED", "UNSIGNED TAIL"], report.verdict)
        holds(log, report.firstBad, Math.min(...gone) - 1, report.why)
      }),
    runs(100)
  )

  it.effect.prop(
    "cutting the file is MALFORMED",
    [anyLog, pick],
    ([options, choice]) =>
      Effect.promise(async () => {
        const log = build(options)
        const text = Logs.bundleText(log)
        const report = await verify(log, text.slice(0, choice % (text.length - 1)))
        assert.strictEqual(report.verdict, "MALFORMED", report.why)
      }),
    runs(100)
  )

  it.effect.prop(
    "cutting records off, the tail's counts put right, is never INTACT",
    [anyLog, pick],
    ([options, choice]) =>
      Effect.promise(async () => {
        const log = build(options)
        const lines = linesOf(log)
        const kept = lines.slice(0, choice % lines.length)
        const report = await verify(log, bundle(log, kept))
        assert.include(["MALFORMED", "INCOMPLETE", "UNSIGNED TAIL"], report.verdict, report.why)
        if (report.verdict === "UNSIGNED TAIL") assert.strictEqual(report.firstBad?.[1], kept.at(-1)?.at)
      }),
    runs(100)
  )

  it.effect.prop("an edit is caught at its entry", [anyLog, pick], ([options, choice]) =>
    Effect.promise(async () => {
      const log = build(options)
      const seq = ordinary(log, choice)
      if (seq === undefined) return
      const report = await verify(log, Logs.bundleText({ ...log, leaves: edited(log, seq), disclosures: [] }))
      assert.strictEqual(report.verdict, "TAMPERED")
      assert.deepStrictEqual(report.firstBad, [seq, seq], report.why)
    })
  )

  it.effect.prop(
    "an edit in a chain that was linked anew is caught between the checkpoints around it",
    [anyLog, pick],
    ([options, choice]) =>
      Effect.promise(async () => {
        const log = build(options)
        const seq = ordinary(log, choice)
        if (seq === undefined) return
        const leaves = relinked(edited(log, seq))
        const report = await verify(log, Logs.bundleText({ ...log, leaves, disclosures: [] }))
        assert.strictEqual(report.verdict, "TAMPERED")
        assert.deepStrictEqual(report.firstBad, signedAround(log, seq), report.why)
      })
  )

  it.effect.prop(
    "an edit that is signed anew with another key is caught at the first checkpoint above it",
    [anyLog, pick],
    ([options, choice]) =>
      Effect.promise(async () => {
        const log = build(options)
        const seq = ordinary(log, choice)
        if (seq === undefined) return
        const leaves = relinked(edited(log, seq))
        const notes = log.notes.map((note) =>
          note.size <= seq ? note : { ...note, note: Logs.noteOf(log.origin, leaves.slice(0, note.size), [impostor]) }
        )
        const report = await verify(log, Logs.bundleText({ ...log, leaves, notes, disclosures: [] }))
        assert.strictEqual(report.verdict, "TAMPERED")
        assert.match(report.why, /is not signed by/)
        assert.deepStrictEqual(report.firstBad, signedAround(log, seq))
      })
  )
})

describe("BundleVerifier on arbitrary input", () => {
  const bundles = ["ok-rotate-ledger.json", "ok-subset.json", "ok-five-tsa.json", "incomplete-recovered.json"].map(
    Bundles.read
  )

  it.effect.prop(
    "answers any lines with a verdict and never throws",
    [FastCheck.array(FastCheck.string({ unit: "binary" }))],
    ([lines]) =>
      Effect.promise(async () => {
        const verifier = new BundleVerifier(Bundles.trusting)
        for (const line of lines) verifier.line(line)
        const report = await verifier.finish()
        assert.strictEqual(report.verdict, "MALFORMED")
      })
  )

  it.effect.prop(
    "answers any JSON in the place of a record with a verdict and never throws",
    [
      FastCheck.constantFrom("full", "subset"),
      FastCheck.array(FastCheck.json()),
      FastCheck.constantFrom("e", "c", "d", "ledger", "")
    ],
    ([kind, values, member]) =>
      Effect.promise(async () => {
        const verifier = new BundleVerifier(Bundles.trusting)
        verifier.line(`{"format":"agent-audit-bundle/1","kind":"${kind}","origin":"x","records":[`)
        for (const value of values) {
          const text = Jcs.encode(JSON.parse(value))
          verifier.line(member === "" ? `${text},` : `{"${member}":${text}},`)
        }
        assert.notStrictEqual((await verifier.finish()).verdict, "INTACT")
      })
  )

  it.effect.prop(
    "answers real bundles with pieces cut out, repeated or put in with a verdict and never throws",
    [
      FastCheck.constantFrom(...bundles),
      pick,
      FastCheck.nat(200),
      FastCheck.oneof(FastCheck.string({ unit: "binary" }), pick)
    ],
    ([text, choice, length, piece]) =>
      Effect.promise(async () => {
        const at = choice % text.length
        const put = typeof piece === "string" ? piece : text.slice(piece % text.length, (piece % text.length) + length)
        for (const options of [Bundles.trusting, Bundles.withPolicy("policy.txt")]) {
          const report = await Bundles.verify(text.slice(0, at) + put + text.slice(at + length), options)
          assert.isString(report.verdict)
        }
      }),
    runs(100)
  )

  it.effect.prop(
    "answers real records in any order with a verdict and never throws",
    [FastCheck.constantFrom(...bundles), FastCheck.array(pick, { maxLength: 40 })],
    ([text, choices]) =>
      Effect.promise(async () => {
        const [header = "", ...lines] = text.trimEnd().split("\n")
        const all = [...lines, ...bundles.flatMap((other) => other.trimEnd().split("\n"))]
        const report = await Bundles.verify([header, ...choices.map((choice) => all[choice % all.length]!)].join("\n"))
        assert.isString(report.verdict)
      })
  )
})
