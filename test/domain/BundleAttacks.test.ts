import { assert, describe, it } from "@effect/vitest"
import {
  type Attack,
  bundle,
  changed,
  check,
  decode,
  edited,
  entryAt,
  lines,
  log,
  noteAt,
  noteLine,
  relinked,
  sibling,
  text,
  withEntry,
  withLeaves
} from "../fixtures/AttackedLog.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as Logs from "../fixtures/Logs.ts"

const ledgerText = Bundles.read("ok-rotate-ledger.json")

const swapLines = (whole: string, a: number, b: number): string => {
  const all = whole.split("\n")
  return all.with(a, all[b]!).with(b, all[a]!).join("\n")
}

const discloseLate = (): string => {
  const short = Logs.buildLog({ records: [Logs.secret("value")], checkpointEvery: 1 })
  const [open = "", first = "", entry = "", disclosure = "", second = "", ...rest] = Logs.bundleRecords(short)
  assert.isTrue(disclosure.startsWith('{"d":'))
  return Logs.bundleOf(short.origin, [open, first, entry, second, disclosure, ...rest])
}

const editing: ReadonlyArray<Attack> = [
  {
    name: "editing a value",
    text: bundle(withEntry(5, edited(5)[5]!)),
    verdict: "TAMPERED",
    firstBad: [5, 5],
    why: /the next entry's prev is not its hash/
  },
  {
    name: "editing a value right below a checkpoint",
    text: bundle(withEntry(3, edited(3)[3]!)),
    verdict: "TAMPERED",
    firstBad: [3, 3],
    why: /the signed checkpoint of size 4 has another root/
  },
  {
    name: "editing the last entry",
    text: bundle(withEntry(19, log.leaves[19]!.replace('"exit":0', '"exit":1'))),
    verdict: "TAMPERED",
    firstBad: [18, 19],
    why: /the signed checkpoint of size 20 has another root/
  },
  {
    name: "editing a value and linking the chain anew",
    text: withLeaves(relinked(edited(5))),
    verdict: "TAMPERED",
    firstBad: [4, 6],
    why: /size 7 has another root; the chain was linked anew/
  },
  {
    name: "editing prev",
    text: bundle(withEntry(5, changed(log.leaves[5]!, { prev: "0".repeat(64) }))),
    verdict: "TAMPERED",
    firstBad: [5, 5],
    why: /does not fit between its neighbours' hashes/
  },
  {
    name: "editing prev behind a checkpoint",
    text: bundle(withEntry(4, changed(log.leaves[4]!, { prev: "0".repeat(64) }))),
    verdict: "TAMPERED",
    firstBad: [4, 4],
    why: /its prev is not the hash of the entry before, which is signed/
  },
  {
    name: "turning the clock back, chain linked anew",
    text: withLeaves(relinked(log.leaves.with(5, changed(log.leaves[5]!, { ts: "2026-01-02T03:04:05.000Z" })))),
    verdict: "TAMPERED",
    firstBad: [5, 5],
    why: /its ts is lower/
  },
  {
    name: "passing a console line off as the recorder's word",
    text: bundle(withEntry(5, changed(log.leaves[5]!, { type: "log.tick" }))),
    verdict: "TAMPERED",
    firstBad: [5, 5],
    why: /log.tick comes from agent/
  },
  {
    name: "a second log.open",
    text: bundle(withEntry(5, changed(log.leaves[5]!, { type: "log.open", source: "recorder" }))),
    verdict: "TAMPERED",
    firstBad: [5, 5],
    why: /a second log.open/
  },
  {
    name: "white space in a leaf",
    text: bundle(withEntry(5, log.leaves[5]!.replace('"seq":5', '"seq": 5'))),
    verdict: "MALFORMED",
    firstBad: null,
    why: new RegExp(`^line ${entryAt(5) + 2}: .*differs from its RFC 8785 form`)
  },
  {
    name: "a member twice",
    text: bundle(withEntry(5, log.leaves[5]!.replace('"seq":5', '"seq":5,"seq":5'))),
    verdict: "MALFORMED",
    firstBad: null,
    why: new RegExp(`^line ${entryAt(5) + 2}: `)
  },
  {
    name: "an escape for a plain letter",
    text: bundle(withEntry(5, log.leaves[5]!.replace("line 4", "line\\u00204"))),
    verdict: "MALFORMED",
    firstBad: null,
    why: new RegExp(`^line ${entryAt(5) + 2}: `)
  },
  {
    name: "a foreign member in a record",
    text: bundle(lines.with(entryAt(5), lines[entryAt(5)]!.replace(/\}$/, ',"note":"x"}'))),
    verdict: "MALFORMED",
    firstBad: null,
    why: new RegExp(`^line ${entryAt(5) + 2}: not an entry record`)
  }
]

const reordering: ReadonlyArray<Attack> = [
  {
    name: "dropping an entry",
    text: bundle(lines.toSpliced(entryAt(5), 1)),
    verdict: "TAMPERED",
    firstBad: [5, 5],
    why: /its seq is 6/
  },
  {
    name: "dropping an entry, numbered and linked anew",
    text: withLeaves(relinked(log.leaves.toSpliced(5, 1))),
    verdict: "TAMPERED",
    firstBad: [4, 6],
    why: /linked anew/
  },
  {
    name: "dropping log.open",
    text: bundle(lines.slice(1)),
    verdict: "TAMPERED",
    firstBad: [0, 0],
    why: /a checkpoint before log.open/
  },
  {
    name: "dropping log.key",
    text: bundle(lines.toSpliced(entryAt(8), 1)),
    verdict: "TAMPERED",
    firstBad: [8, 8],
    why: /a checkpoint of size 9 stands before this entry/
  },
  {
    name: "dropping log.close",
    text: bundle(lines.toSpliced(entryAt(19), 1)),
    verdict: "TRUNCATED",
    firstBad: [19, 19],
    why: /a signed checkpoint covers 20 entries/
  },
  {
    name: "showing an entry twice",
    text: bundle(lines.toSpliced(entryAt(5), 0, lines[entryAt(5)]!)),
    verdict: "TAMPERED",
    firstBad: [6, 6],
    why: /its seq is 5/
  },
  {
    name: "swapping two entries",
    text: bundle(lines.with(entryAt(5), lines[entryAt(6)]!).with(entryAt(6), lines[entryAt(5)]!)),
    verdict: "TAMPERED",
    firstBad: [5, 5],
    why: /its seq is 6/
  },
  {
    name: "swapping two entries, numbered and linked anew",
    text: withLeaves(relinked(log.leaves.with(1, changed(log.leaves[2]!, { ts: decode(log.leaves[1]!).ts })))),
    verdict: "TAMPERED",
    firstBad: [1, 3],
    why: /linked anew/
  },
  {
    name: "inserting an entry",
    text: bundle(lines.toSpliced(entryAt(5), 0, `{"e":${changed(log.leaves[5]!, { data: { line: "new" } })}}`)),
    verdict: "TAMPERED",
    firstBad: [6, 6],
    why: /its seq is 5/
  },
  {
    name: "inserting an entry, numbered and linked anew",
    text: withLeaves(relinked(log.leaves.toSpliced(5, 0, log.leaves[5]!))),
    verdict: "TAMPERED",
    firstBad: [4, 6],
    why: /linked anew/
  },
  {
    name: "an entry behind log.close",
    text: bundle([...lines, `{"e":${relinked([...log.leaves, log.leaves[18]!])[20]!}}`]),
    verdict: "TAMPERED",
    firstBad: [20, 20],
    why: /an entry after log.close/
  },
  {
    name: "moving a checkpoint before its last entry",
    text: bundle(lines.toSpliced(noteAt(7), 1).toSpliced(entryAt(6), 0, lines[noteAt(7)]!)),
    verdict: "TAMPERED",
    firstBad: [6, 6],
    why: /a checkpoint of size 7 stands before this entry/
  },
  {
    name: "moving a checkpoint behind the next entry",
    text: bundle(lines.toSpliced(entryAt(7) + 1, 0, lines[noteAt(7)]!).toSpliced(noteAt(7), 1)),
    verdict: "TAMPERED",
    firstBad: [4, 6],
    why: /a checkpoint of size 7 stands behind entry 7/
  },
  {
    name: "showing a checkpoint twice",
    text: bundle(lines.toSpliced(noteAt(7), 0, lines[noteAt(7)]!)),
    verdict: "TAMPERED",
    firstBad: [6, 6],
    why: /a checkpoint of size 7 stands behind one of size 7/
  }
]

const splicing: ReadonlyArray<Attack> = [
  {
    name: "another run under this run's header",
    text: Logs.bundleOf(log.origin, Logs.bundleRecords(sibling)),
    verdict: "TAMPERED",
    firstBad: [0, 0],
    why: /the header claims the origin/
  },
  {
    name: "another run instead of the one that was asked for",
    text: Logs.bundleText(sibling),
    verdict: "WRONG RUN",
    firstBad: null,
    why: /this is the log of run_other, not of run_test/,
    options: { ...Logs.trusting(log), run: "run_test" }
  },
  {
    name: "going on with another run's entries",
    text: bundle([...lines.slice(0, noteAt(9) + 1), ...Logs.bundleRecords(sibling).slice(noteAt(9) + 1)]),
    verdict: "TAMPERED",
    firstBad: [9, 9],
    why: /its prev is not the hash of the entry before, which is signed/
  },
  {
    name: "going on with another run's entries, linked anew",
    text: Logs.bundleText({
      ...log,
      leaves: relinked([...log.leaves.slice(0, 9), ...sibling.leaves.slice(9, 19), log.leaves[19]!]),
      disclosures: []
    }),
    verdict: "TAMPERED",
    firstBad: [9, 11],
    why: /the signed checkpoint of size 12 has another root; the chain was linked anew/
  },
  {
    name: "a checkpoint of another run",
    text: bundle(lines.with(noteAt(7), noteLine(sibling.notes[2]!.note))),
    verdict: "TAMPERED",
    firstBad: [4, 6],
    why: /a checkpoint of .*run_other/
  },
  {
    name: "ledger evidence of another run",
    text: Logs.bundleOf(log.origin, [ledgerText.split("\n")[1]!.replace(/,$/, ""), ...lines]),
    verdict: "TAMPERED",
    firstBad: null,
    why: /the ledger's entry 2 is about .*run_rotate/
  },
  {
    name: "ledger evidence behind an entry",
    text: Logs.bundleOf(log.origin, [lines[0]!, ledgerText.split("\n")[1]!.replace(/,$/, ""), ...lines.slice(1)]),
    verdict: "MALFORMED",
    firstBad: null,
    why: /ledger evidence after the first entry/
  },
  {
    name: "ledger evidence in another order",
    text: swapLines(ledgerText, 1, 2),
    verdict: "TAMPERED",
    firstBad: null,
    why: /ledger records are not in the ledger's order/,
    options: Bundles.trusting
  },
  {
    name: "ledger evidence that was edited",
    text: ledgerText.replace('"state":"closed"', '"state":"closed."'),
    verdict: "TAMPERED",
    firstBad: null,
    why: /the ledger's entry 4 is not in the tree of its checkpoint/,
    options: Bundles.trusting
  }
]

const disclosing: ReadonlyArray<Attack> = [
  {
    name: "disclosing another value",
    text: bundle(lines.with(entryAt(4) + 1, lines[entryAt(4) + 1]!.replace("value 3", "value 4"))),
    verdict: "TAMPERED",
    firstBad: [4, 4],
    why: /a disclosed value is not the one that the entry commits to/
  },
  {
    name: "disclosing a value twice",
    text: bundle(lines.toSpliced(entryAt(4) + 1, 0, lines[entryAt(4) + 1]!)),
    verdict: "TAMPERED",
    firstBad: [4, 4],
    why: /a disclosed value is not the one/
  },
  {
    name: "disclosing a value behind another entry",
    text: bundle(lines.toSpliced(entryAt(5) + 1, 0, lines[entryAt(4) + 1]!).toSpliced(entryAt(4) + 1, 1)),
    verdict: "TAMPERED",
    firstBad: [5, 5],
    why: /a disclosed value is not the one/
  },
  {
    name: "disclosing a value behind the checkpoint of its entry",
    text: discloseLate(),
    verdict: "MALFORMED",
    firstBad: null,
    why: /a disclosure that does not follow its entry/
  }
]

describe("attacks on a bundle", () => {
  it("the bundle is INTACT before them", async () => {
    const report = await Bundles.verify(text, Logs.trusting(log))
    assert.strictEqual(report.verdict, "INTACT", report.why)
    assert.deepStrictEqual(
      log.notes.map(({ size }) => size),
      [1, 4, 7, 9, 12, 15, 18, 20]
    )
  })

  check("editing", editing)
  check("dropping, repeating and moving", reordering)
  check("splicing runs", splicing)
  check("disclosing", disclosing)
})
