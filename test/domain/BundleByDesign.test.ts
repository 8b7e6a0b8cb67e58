import { assert, describe, it } from "@effect/vitest"
import { bundle, lines, log, noteAt, text } from "../fixtures/AttackedLog.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as Logs from "../fixtures/Logs.ts"

const ledgerText = Bundles.read("ok-rotate-ledger.json")

/** The record on a line, without its comma. */
const recordAt = (whole: string, at: number): string => (whole.split("\n")[at] ?? "").replace(/,$/, "")

/** The text with one line gone or another in its place, the tail's counts put right. */
const withLine = (whole: string, at: number, line: string | undefined): string => {
  const [header = "", ...others] = whole.trimEnd().split("\n")
  const edited = others.slice(0, -1).map((other) => other.replace(/,$/, ""))
  const records = line === undefined ? edited.toSpliced(at - 1, 1) : edited.with(at - 1, line)
  const count = (start: string) => records.filter((record) => record.startsWith(start)).length
  const tail = `],"tail":{"checkpoints":${count('{"c":')},"entries":${count('{"e":')}}}`
  return `${header}\n${records.join(",\n")}\n${tail}\n`
}

const lineOf = (whole: string, part: string): number => whole.split("\n").findIndex((line) => line.includes(part))

describe("changes that leave a log INTACT by design", () => {
  const rotate = Bundles.read("ok-rotate.json")

  it("deleting a disclosure withholds its value, for ever, and is counted", async () => {
    const before = (await Bundles.verify(rotate)).counts
    const report = await Bundles.verify(withLine(rotate, lineOf(rotate, '{"d":'), undefined))
    assert.strictEqual(report.verdict, "INTACT", report.why)
    assert.strictEqual(report.counts.withheld, before.withheld + 1)
    assert.strictEqual(report.counts.disclosed, before.disclosed - 1)
  })

  it("deleting ledger evidence leaves less to hold the log against", async () => {
    const before = await Bundles.verify(ledgerText)
    for (const line of [1, 2, 3]) {
      const report = await Bundles.verify(withLine(ledgerText, line, undefined))
      assert.strictEqual(report.verdict, "INTACT", report.why)
      assert.strictEqual(report.counts.ledger, before.counts.ledger - 1)
    }
  })

  it("the line of a witness whom the reader doesn't know says nothing, whatever it says", async () => {
    const at = lineOf(rotate, "run_rotate\\n7\\n")
    const line = recordAt(rotate, at)
    const without = line.replace(/,"w":\[.*\]/, "")
    const other = line.replace("AAAABpVzWotIym", "AAAABpVzWotIyn")
    assert.notStrictEqual(other, line)
    for (const changedLine of [without, other]) {
      const report = await Bundles.verify(withLine(rotate, at, changedLine))
      assert.strictEqual(report.verdict, "INTACT", report.why)
    }
    const policy = Bundles.withPolicy("policy.txt")
    const report = await Bundles.verify(withLine(rotate, at, other), policy)
    assert.strictEqual(report.verdict, "TAMPERED", "a reader who knows the witness is told")
    assert.deepStrictEqual(report.firstBad, [5, 6])
  })

  it("the final line of a witness whom the reader's policy needs is missed", async () => {
    const policy = Bundles.withPolicy("policy.txt")
    const at = lineOf(rotate, "run_rotate\\n13\\n")
    const line = recordAt(rotate, at).replace(/,"w":\[.*\]/, "")
    assert.strictEqual((await Bundles.verify(rotate, policy)).verdict, "INTACT")
    assert.strictEqual((await Bundles.verify(withLine(rotate, at, line), policy)).verdict, "UNWITNESSED")
  })

  it("a signature line of an unknown key in a note is ignored, as C2SP signed-note wants it", async () => {
    const added = lines[noteAt(7)]!.replace(/"\}$/, '— somebody.example AAAAAAAA\\n"}')
    const report = await Bundles.verify(bundle(lines.with(noteAt(7), added)), Logs.trusting(log))
    assert.strictEqual(report.verdict, "INTACT", report.why)
  })

  it("deleting a time stamp anchors the log to less", async () => {
    const stamped = Bundles.read("ok-five-tsa.json")
    const at = lineOf(stamped, '"t":[')
    const line = recordAt(stamped, at).replace(/,"t":\[[^\]]*\]/, "")
    const report = await Bundles.verify(withLine(stamped, at, line))
    assert.strictEqual(report.verdict, "INTACT", report.why)
  })

  it("a recorder that does not count its checkpoints cannot miss one inside an epoch", async () => {
    const report = await Bundles.verify(withLine(rotate, lineOf(rotate, "run_rotate\\n7\\n"), undefined))
    assert.strictEqual(report.verdict, "INTACT", report.why)
    const counted = await Bundles.verify(bundle(lines.toSpliced(noteAt(7), 1)), Logs.trusting(log))
    assert.strictEqual(counted.verdict, "TAMPERED", "ours does")
  })

  it("a subset may show fewer of the entries that were chosen", async () => {
    const subset = Bundles.read("ok-subset.json")
    const report = await Bundles.verify(withLine(subset, lineOf(subset, '"seq":6,'), undefined))
    assert.strictEqual(report.verdict, "INTACT", report.why)
    assert.strictEqual(report.counts.entries, 5)
    assert.include(report.findings, "a subset: 5 of 13 entries are shown")
  })

  it("the last line may lack its line feed", async () => {
    assert.strictEqual((await Bundles.verify(text.slice(0, -1), Logs.trusting(log))).verdict, "INTACT")
  })
})
