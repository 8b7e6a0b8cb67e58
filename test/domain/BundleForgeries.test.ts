import { describe } from "@effect/vitest"
import * as Either from "effect/Either"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import {
  type Attack,
  attacker,
  bundle,
  check,
  edited,
  entryAt,
  impostor,
  known,
  lines,
  log,
  noteAt,
  noteLine,
  relinked,
  resigned,
  text
} from "../fixtures/AttackedLog.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as Logs from "../fixtures/Logs.ts"

const ledgerText = Bundles.read("ok-rotate-ledger.json")

const flipSignature = (line: string): string => {
  const note: string = JSON.parse(line).c
  const [signature] = Either.getOrThrow(SignedNote.parse(note)).signatures
  const { keyId, name, signature: bytes } = signature!
  const flipped = Uint8Array.from(bytes, (byte, at) => (at === 10 ? byte ^ 1 : byte))
  return noteLine(note.replace(signature!.line, SignedNote.signatureLine(name, keyId, flipped)))
}

const cutBelowLedger = (): string => {
  const all = ledgerText.split("\n")
  const end = all.findIndex((line) => line.includes("run_rotate\\n9\\n"))
  return `${all.slice(0, end).join("\n")}\n${all[end]!.replace(/,$/, "")}\n],"tail":{"checkpoints":5,"entries":9}}\n`
}

const signing: ReadonlyArray<Attack> = [
  {
    name: "signing an edited log with another key under the log's name",
    text: resigned(relinked(edited(5)), (epoch, size) => (size < 6 ? [log.epochs[epoch]!, log.host] : [impostor])),
    verdict: "TAMPERED",
    firstBad: [4, 6],
    why: /the checkpoint of size 7 is not signed by the key of epoch 0/
  },
  {
    name: "naming another epoch key in log.open, without the host's signature",
    text: resigned(
      relinked(log.leaves.with(0, log.leaves[0]!.replace(log.epochs[0]!.vkey.text, impostor.vkey.text))),
      () => [impostor]
    ),
    verdict: "TAMPERED",
    firstBad: [0, 0],
    why: /not signed by the host key/
  },
  {
    name: "naming another epoch key in log.key",
    text: resigned(
      relinked(log.leaves.with(8, log.leaves[8]!.replace(log.epochs[1]!.vkey.text, impostor.vkey.text))),
      (epoch, size) => (epoch === 0 && size < 9 ? [log.epochs[0]!, log.host] : [impostor])
    ),
    verdict: "TAMPERED",
    firstBad: [7, 8],
    why: /the checkpoint of size 9 is not signed by the key of epoch 0/
  },
  {
    name: "signing on with the stolen key of an epoch that is over",
    text: resigned(relinked(edited(11)), (epoch, size) =>
      size === 1 ? [log.epochs[0]!, log.host] : [log.epochs[epoch === 1 && size > 9 ? 0 : epoch]!]
    ),
    verdict: "TAMPERED",
    firstBad: [9, 11],
    why: /the checkpoint of size 12 is not signed by the key of epoch 1/
  },
  {
    name: "rewriting an epoch that is over with its stolen key",
    text: Logs.bundleText({
      ...log,
      leaves: [...relinked(edited(5)).slice(0, 9), ...log.leaves.slice(9)],
      notes: log.notes.map((note) =>
        note.epoch === 0 && note.size > 4
          ? { ...note, note: Logs.noteOf(log.origin, relinked(edited(5)).slice(0, note.size), [log.epochs[0]!]) }
          : note
      )
    }),
    verdict: "TAMPERED",
    firstBad: [9, 9],
    why: /its prev is not the hash of the entry before, which is signed/
  },
  {
    name: "rewriting an epoch that is over with its stolen key, and linking what follows",
    text: Logs.bundleText({
      ...log,
      leaves: relinked(edited(5)),
      notes: log.notes.map((note) =>
        note.epoch === 0 && note.size > 4
          ? { ...note, note: Logs.noteOf(log.origin, relinked(edited(5)).slice(0, note.size), [log.epochs[0]!]) }
          : note
      )
    }),
    verdict: "TAMPERED",
    firstBad: [9, 11],
    why: /the signed checkpoint of size 12 has another root/
  },
  {
    name: "signing the whole log under another host",
    text: Logs.bundleText(attacker),
    verdict: "KEY UNKNOWN",
    firstBad: null,
    why: /the policy does not name the host key/
  },
  {
    name: "naming the trusted host over another key",
    text: Logs.bundleText(attacker).replaceAll(attacker.host.vkey.name, log.host.vkey.name),
    verdict: "TAMPERED",
    firstBad: [0, 0],
    why: /the host key is refused/
  },
  {
    name: "a checkpoint whose signature has another bit",
    text: bundle(lines.with(noteAt(7), flipSignature(lines[noteAt(7)]!))),
    verdict: "TAMPERED",
    firstBad: [4, 6],
    why: /the signature of the key of epoch 0 on the checkpoint of size 7 does not verify/
  },
  {
    name: "two checkpoints of one size, both signed by the log's key",
    text: bundle(
      lines.toSpliced(
        noteAt(7) + 1,
        0,
        noteLine(Logs.noteOf(log.origin, relinked(edited(5)).slice(0, 7), [log.epochs[0]!]))
      )
    ),
    verdict: "FORKED",
    firstBad: null,
    why: /two signed checkpoints of size 7 have different roots/
  },
  {
    name: "a fork of a kept checkpoint",
    text,
    verdict: "FORKED",
    firstBad: null,
    why: /the kept checkpoint of size 7 and the log's own checkpoint have different roots/,
    options: known(Logs.noteOf(log.origin, relinked(edited(5)).slice(0, 7), [log.epochs[0]!]))
  }
]

const removing: ReadonlyArray<Attack> = [
  {
    name: "deleting a checkpoint inside an epoch",
    text: bundle(lines.toSpliced(noteAt(12), 1)),
    verdict: "TAMPERED",
    firstBad: [9, 16],
    why: /6 checkpoints were stored before entry 17 and 5 are here/
  },
  {
    name: "deleting a checkpoint inside the last epoch's predecessor and the first",
    text: bundle(lines.toSpliced(noteAt(12), 1).toSpliced(noteAt(4), 1)),
    verdict: "TAMPERED",
    firstBad: [0, 7],
    why: /3 checkpoints were stored before entry 8 and 2 are here/
  },
  {
    name: "deleting the opening checkpoint",
    text: bundle(lines.toSpliced(noteAt(1), 1)),
    verdict: "TAMPERED",
    firstBad: [0, 0],
    why: /the opening checkpoint is missing/
  },
  {
    name: "deleting the last checkpoint of an epoch",
    text: bundle(lines.toSpliced(noteAt(9), 1)),
    verdict: "TAMPERED",
    firstBad: [8, 8],
    why: /log.key without the closing checkpoint/
  },
  {
    name: "deleting the last checkpoint",
    text: bundle(lines.toSpliced(noteAt(20), 1)),
    verdict: "UNSIGNED TAIL",
    firstBad: [18, 19],
    why: /entries 18..19 carry no signature/
  },
  {
    name: "deleting every checkpoint",
    text: bundle(lines.filter((line) => !line.startsWith('{"c":'))),
    verdict: "TAMPERED",
    firstBad: [0, 7],
    why: /3 checkpoints were stored before entry 8 and 0 are here/
  },
  {
    name: "cutting the log at a checkpoint",
    text: bundle(lines.slice(0, noteAt(12) + 1)),
    verdict: "INCOMPLETE",
    firstBad: null,
    why: /no log.close/
  },
  {
    name: "cutting the log between checkpoints",
    text: bundle(lines.slice(0, entryAt(13) + 1)),
    verdict: "UNSIGNED TAIL",
    firstBad: [12, 13],
    why: /entries 12..13 carry no signature/
  },
  {
    name: "cutting the log below a kept checkpoint",
    text: bundle(lines.slice(0, noteAt(12) + 1)),
    verdict: "TRUNCATED",
    firstBad: [12, 19],
    why: /the kept checkpoint of size 20 names 20 entries/,
    options: known(log.notes.at(-1)!.note)
  },
  {
    name: "cutting entries off and keeping the last checkpoint",
    text: bundle([...lines.slice(0, noteAt(12) + 1), lines[noteAt(18)]!]),
    verdict: "TRUNCATED",
    firstBad: [12, 17],
    why: /a signed checkpoint covers 18 entries/
  },
  {
    name: "cutting entries off with the log.key of the last checkpoint's key",
    text: bundle([...lines.slice(0, noteAt(12) + 1), lines[noteAt(20)]!]),
    verdict: "TAMPERED",
    firstBad: [12, 12],
    why: /the checkpoint of size 20 is not signed by the key of epoch 1/
  },
  {
    name: "cutting the log below the ledger's word",
    text: cutBelowLedger(),
    verdict: "TRUNCATED",
    firstBad: [9, 12],
    why: /the ledger's run.close \(entry 4\) names 13 entries/,
    options: Bundles.trusting
  },
  {
    name: "cutting the file inside a line",
    text: text.slice(0, Math.floor(text.length / 2)),
    verdict: "MALFORMED",
    firstBad: null,
    why: new RegExp(`^line ${text.slice(0, Math.floor(text.length / 2)).split("\n").length}: `)
  },
  {
    name: "cutting the file between lines",
    text: text.split("\n").slice(0, 9).join("\n"),
    verdict: "MALFORMED",
    firstBad: null,
    why: /^line 9: the file ends without its tail: it was cut/
  },
  {
    name: "cutting the header off",
    text: text.slice(text.indexOf("\n") + 1),
    verdict: "MALFORMED",
    firstBad: null,
    why: /^line 1: not the header/
  },
  {
    name: "cutting the tail off",
    text: text.slice(0, text.lastIndexOf("]")),
    verdict: "MALFORMED",
    firstBad: null,
    why: /the file ends without its tail/
  },
  {
    name: "a tail that counts something else",
    text: text.replace('"entries":20}', '"entries":21}'),
    verdict: "MALFORMED",
    firstBad: null,
    why: /the tail counts 21 entries and 8 checkpoints; there are 20 entries and 8 checkpoints/
  },
  {
    name: "text behind the tail",
    text: `${text}{}\n`,
    verdict: "MALFORMED",
    firstBad: null,
    why: /text after the tail/
  },
  { name: "an empty file", text: "", verdict: "MALFORMED", firstBad: null, why: /the file is empty/ }
]

describe("forgeries of a bundle", () => {
  check("signing with other keys", signing)
  check("removing checkpoints and cutting", removing)
})
