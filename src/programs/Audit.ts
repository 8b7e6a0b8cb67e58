/**
 * Checks a log: of a run of this installation, or in a file from anywhere.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { unreadable } from "../domain/BundleVerifier.ts"
import type * as Verdict from "../domain/Verdict.ts"
import type * as VerifyOptions from "../domain/VerifyOptions.ts"
import * as RunLogEnd from "../layers/RunLogEnd.ts"
import * as VerifyBundle from "../layers/VerifyBundle.ts"
import * as VerifyDatabase from "../layers/VerifyDatabase.ts"
import * as VerifyIo from "../layers/VerifyIo.ts"
import type * as Ledger from "../services/Ledger.ts"
import type * as RunStorage from "../services/RunStorage.ts"

/** What the installation's ledger says about a run, or why it could not be asked. */
export type LedgerAnswer =
  | { readonly _tag: "evidence"; readonly records: ReadonlyArray<Ledger.LedgerEvidence> }
  | { readonly _tag: "unreadable"; readonly reason: string }

/** The largest size that ledger evidence names. The leaves come from our own ledger, which the verifier checks apart. */
const largestSize = (records: ReadonlyArray<Ledger.LedgerEvidence>): number =>
  Math.max(0, ...records.map(({ leaf }) => Number(/"size":(\d+)/.exec(leaf)?.[1] ?? 1)))

/** A run whose log is gone, and of which the ledger knows. */
const goneReport = (origin: string, size: number): Verdict.Report => ({
  ...unreadable(`the log is gone; the ledger names ${size} entries`),
  verdict: "TRUNCATED",
  firstBad: [0, size - 1],
  origin
})

/** The report on a run of which nothing but the ledger's records is left; undefined when it has none. */
export const auditGone = (origin: string, ledger: LedgerAnswer): Verdict.Report | undefined =>
  ledger._tag === "evidence" && ledger.records.length > 0 ? goneReport(origin, largestSize(ledger.records)) : undefined

/** Whether the recorder was killed before its first transaction. */
const isBlank = (run: RunStorage.StoredRun) =>
  Effect.orElseSucceed(RunLogEnd.isBlank(run.auditDb, { readonly: true }), () => false)

/** Checks the log of a run of this installation against its own signatures and against the ledger. */
export const auditRun = Effect.fn("Audit.auditRun")(function* (
  run: RunStorage.StoredRun,
  options: VerifyOptions.VerifyOptions,
  ledger: LedgerAnswer,
  settings: VerifyIo.Settings
): Effect.fn.Return<Verdict.Report, VerifyIo.VerifyIoError> {
  const records = ledger._tag === "evidence" ? ledger.records : []
  const asked = { ...options, run: options.run ?? run.id }
  const reason = run.about?.state === "running" ? "nothing is recorded yet" : "nothing was recorded"
  const nothing = new VerifyIo.VerifyIoError({ path: run.auditDb, reason, isMissing: true })
  const report = yield* VerifyDatabase.verifyFile(run.auditDb, asked, { ...settings, ledger: records }).pipe(
    Effect.flatMap((report) =>
      report.verdict === "MALFORMED"
        ? Effect.if(isBlank(run), { onTrue: () => nothing, onFalse: () => Effect.succeed(report) })
        : Effect.succeed(report)
    ),
    Effect.catchTag("VerifyIoError", (error) => {
      if (!error.isMissing) return Effect.fail(error)
      const gone = auditGone(run.about?.origin ?? "", ledger)
      return gone === undefined ? nothing : Effect.succeed(gone)
    })
  )
  if (records.length > 0) return report
  const finding =
    ledger._tag === "evidence"
      ? "the ledger of this home says nothing about this run: one of them was replaced"
      : `the ledger was not used: ${ledger.reason}`
  return { ...report, findings: [finding, ...report.findings] }
})

/** First bytes of every SQLite database (https://www.sqlite.org/fileformat.html, section 1.3.1). */
const databaseMagic = Buffer.from("SQLite format 3\0")

/** Whether the file is a database, by its first bytes. What cannot be looked at is left to who reads it. */
const isDatabase = (path: string): boolean => {
  const head = Buffer.alloc(databaseMagic.length)
  try {
    if (!Fs.statSync(path).isFile()) return false
    const file = Fs.openSync(path, "r")
    try {
      return Fs.readSync(file, head, 0, head.length, 0) === head.length && head.equals(databaseMagic)
    } finally {
      Fs.closeSync(file)
    }
  } catch {
    return false
  }
}

/** Checks a bundle, or an audit.db from anywhere. */
export const auditFile = (path: string, options: VerifyOptions.VerifyOptions, settings: VerifyIo.Settings = {}) =>
  Effect.suspend(() =>
    isDatabase(path)
      ? VerifyDatabase.verifyFile(path, options, settings)
      : VerifyBundle.verifyFile(path, options, settings)
  )
