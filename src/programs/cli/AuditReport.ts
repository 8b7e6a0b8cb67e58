/**
 * A report in words: the verdict first, then what it rests on.
 *
 * @module
 */
import * as Verdict from "../../domain/Verdict.ts"

const meaning: Record<Verdict.Verdict, string> = {
  INTACT: "closed, signed to the end by a trusted key, and unchanged since",
  TAMPERED: "this log was changed after it was written",
  MALFORMED: "this is not a log that can be read",
  TRUNCATED: "entries are missing at the end",
  INCOMPLETE: "the log was never closed by its recorder; what is here is signed",
  "UNSIGNED TAIL": "the last entries carry no signature",
  "KEY UNKNOWN": "consistent in itself, but signed by a key that you do not trust",
  FORKED: "its own keys signed two different histories",
  "WRONG RUN": "this is another run's log",
  UNWITNESSED: "not enough of the witnesses that the policy asks for have cosigned it"
}

const advice = (report: Verdict.Report): string | undefined => {
  switch (report.verdict) {
    case "KEY UNKNOWN":
      return `if you know this key from its owner, trust it: agent trust add ${report.host ?? "VKEY"}`
    case "FORKED":
      return "keep both notes: together they prove the fork"
    case "INCOMPLETE":
    case "UNSIGNED TAIL":
      return "a killed run looks like this, and so does one whose end was removed"
    default:
      return undefined
  }
}

const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US").replaceAll(",", " ")} ${count === 1 ? one : many}`

const checked = ({ counts }: Verdict.Report): string => {
  const parts = [
    plural(counts.entries, "entry", "entries"),
    plural(counts.checkpoints, "checkpoint"),
    plural(counts.epochs, "epoch key")
  ]
  if (counts.total !== counts.entries) parts.unshift(`a subset of ${plural(counts.total, "entry", "entries")}`)
  if (counts.disclosed + counts.withheld > 0) {
    parts.push(`${counts.disclosed} committed values disclosed, ${counts.withheld} withheld`)
  }
  return parts.join(", ")
}

const holds = (report: Verdict.Report): string | undefined => {
  if (report.verdict === "INTACT" || report.verdict === "MALFORMED") return undefined
  return report.holdsBefore === 0
    ? "nothing: no valid checkpoint stands before that"
    : `${Verdict.describeRange([0, report.holdsBefore - 1])}: covered by a valid checkpoint`
}

/** Control characters of a hostile log must not reach the terminal. */
const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (unit) => `\\u${unit.codePointAt(0)!.toString(16).padStart(4, "0")}`)

/** Lines of the report, without LF. */
export const lines = (report: Verdict.Report): ReadonlyArray<string> => {
  const { anchors, findings, firstBad, host, origin, supports, verdict, why } = report
  const where = firstBad === null ? "" : `${Verdict.describeRange(firstBad)}: `
  const rows: Array<readonly [string, string]> = [["log", origin === "" ? "(unknown)" : origin]]
  if (why !== "") rows.push(["why", `${where}${why}`])
  const kept = holds(report)
  if (kept !== undefined) rows.push(["holds", kept])
  rows.push(["checked", checked(report)])
  if (host !== null) rows.push(["host key", host])
  for (const support of supports) rows.push(["ledger", support])
  for (const anchor of anchors) rows.push(["anchored", anchor])
  if (anchors.length === 0) {
    rows.push(["anchored", "nowhere else: who holds the host key could have written this log anew"])
  }
  for (const finding of findings) rows.push(["note", finding])
  const hint = advice(report)
  if (hint !== undefined) rows.push(["try", hint])
  const anchored = anchors.length === 0 ? "; anchored: none" : ""
  return [
    `${verdict}: ${meaning[verdict]}${anchored}`,
    ...rows.map(([label, text]) => `  ${label.padEnd(9)}${printable(text)}`)
  ]
}
