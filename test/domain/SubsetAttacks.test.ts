import { describe } from "@effect/vitest"
import { type Attack, bundle, check, entryAt, lines, text } from "../fixtures/AttackedLog.ts"
import * as Bundles from "../fixtures/Bundles.ts"

const subsetLines = Bundles.read("ok-subset.json")
  .trimEnd()
  .split("\n")
  .slice(1, -1)
  .map((line) => line.replace(/,$/, ""))
const subset = (edited: ReadonlyArray<string>) => {
  const count = (start: string) => edited.filter((line) => line.startsWith(start)).length
  const [header = ""] = Bundles.read("ok-subset.json").split("\n")
  const tail = `],"tail":{"checkpoints":${count('{"c":')},"entries":${count('{"e":')}}}`
  return `${header}\n${edited.join(",\n")}\n${tail}\n`
}

const onSubsets: ReadonlyArray<Attack> = [
  {
    name: "editing a shown entry",
    text: subset(subsetLines.with(7, subsetLines[7]!.replace('"status"', '"commit"'))),
    verdict: "TAMPERED",
    firstBad: [2, 2],
    why: /it is not in the tree of the checkpoint of size 13/
  },
  {
    name: "showing an entry twice in a subset",
    text: subset(subsetLines.toSpliced(7, 0, subsetLines[7]!)),
    verdict: "TAMPERED",
    firstBad: [2, 2],
    why: /it stands behind entry 2/
  },
  {
    name: "swapping shown entries",
    text: subset(subsetLines.with(7, subsetLines[8]!).with(8, subsetLines[7]!)),
    verdict: "TAMPERED",
    firstBad: [2, 2],
    why: /it stands behind entry 6/
  },
  {
    name: "leaving out the opening checkpoint",
    text: subset(subsetLines.slice(1)),
    verdict: "MALFORMED",
    firstBad: null,
    why: /an entry before the first checkpoint/
  },
  {
    name: "leaving out log.open",
    text: subset(subsetLines.toSpliced(1, 1)),
    verdict: "TAMPERED",
    firstBad: [0, 0],
    why: /a second checkpoint before log.open/
  },
  {
    name: "leaving out a link of the succession of keys",
    text: subset(subsetLines.toSpliced(5, 1)),
    verdict: "TAMPERED",
    firstBad: [9, 12],
    why: /the checkpoint of size 13 is not signed by the key of epoch 1/
  },
  {
    name: "leaving out the last checkpoint of an epoch",
    text: subset(subsetLines.toSpliced(2, 1)),
    verdict: "TAMPERED",
    firstBad: [4, 4],
    why: /it is not in the tree of the checkpoint of size 1/
  },
  {
    name: "leaving out the last entry",
    text: subset(subsetLines.slice(0, -1)),
    verdict: "INCOMPLETE",
    firstBad: null,
    why: /the log's last entry is not shown to be log.close/
  },
  {
    name: "an entry without its proof",
    text: subset(subsetLines.with(7, subsetLines[7]!.replace(/,"p":\[[^\]]*\]/, ""))),
    verdict: "MALFORMED",
    firstBad: null,
    why: /entry 2 lacks its inclusion proof/
  },
  {
    name: "a checkpoint without its proof",
    text: subset(subsetLines.with(2, subsetLines[2]!.replace(/,"k":\[[^\]]*\]/, ""))),
    verdict: "MALFORMED",
    firstBad: null,
    why: /the checkpoint of size 5 lacks its consistency proof/
  },
  {
    name: "an inclusion proof of another entry",
    text: subset(subsetLines.with(7, subsetLines[7]!.replace(/"p":.*$/, /"p":.*$/.exec(subsetLines[8]!)![0]))),
    verdict: "TAMPERED",
    firstBad: [2, 2],
    why: /it is not in the tree/
  },
  {
    name: "a proof in a full bundle",
    text: bundle(lines.with(entryAt(5), lines[entryAt(5)]!.replace(/\}$/, ',"p":[]}'))),
    verdict: "MALFORMED",
    firstBad: null,
    why: new RegExp(`^line ${entryAt(5) + 2}: an inclusion proof in a full bundle`)
  },
  {
    name: "calling a full bundle a subset",
    text: text.replace('"kind":"full"', '"kind":"subset"'),
    verdict: "MALFORMED",
    firstBad: null,
    why: /an entry before the first checkpoint/
  }
]

describe("attacks on a subset", () => {
  check(
    "subset",
    onSubsets.map((attack) => ({ options: Bundles.trusting, ...attack }))
  )
})
