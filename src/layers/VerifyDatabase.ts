/**
 * Verifies an audit.db: its rows, in the order of a bundle, through the same verifier.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { unreadable } from "../domain/BundleVerifier.ts"
import * as Entry from "../domain/Entry.ts"
import * as Jcs from "../domain/Jcs.ts"
import type * as Verdict from "../domain/Verdict.ts"
import { Verifier } from "../domain/Verifier.ts"
import type { VerifyOptions } from "../domain/VerifyOptions.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"
import { RecordReader } from "./EvidenceRecords.ts"
import * as VerifyIo from "./VerifyIo.ts"

/** An entry of the installation's ledger about this log. */
export interface LedgerEvidence {
  /** Stored leaf text of the ledger's entry. */
  readonly leaf: string
  /** c2sp.org/tlog-proof text. */
  readonly proof: string
}

export interface Settings extends VerifyIo.Settings {
  /** In the ledger's order; none unless told. */
  readonly ledger?: ReadonlyArray<LedgerEvidence> | undefined
}

/** What a bundle's header would claim: the origin that the first entry names. */
const originOf = (leaf: string | undefined): string => {
  const entry = leaf === undefined ? undefined : Either.getOrUndefined(Entry.decode(leaf))
  const origin = entry?.data["origin"]
  return typeof origin === "string" ? origin : ""
}

const feedLedger = (verifier: Verifier, ledger: ReadonlyArray<LedgerEvidence>): void => {
  for (const { leaf, proof } of ledger) {
    try {
      verifier.ledger(Jcs.parseCanonical(leaf), proof)
    } catch (error) {
      if (!(error instanceof Jcs.JcsError)) throw error
      verifier.malformed(`ledger evidence: ${error.message}`)
    }
  }
}

const graver: ReadonlySet<Verdict.Verdict> = new Set(["TAMPERED", "MALFORMED", "FORKED", "TRUNCATED", "WRONG RUN"])

/** A disclosure without its entry is no part of a log, unless entries were removed, which weighs more. */
const withOrphan = (report: Verdict.Report, orphan: number | undefined): Verdict.Report =>
  orphan === undefined || graver.has(report.verdict)
    ? report
    : { ...report, verdict: "MALFORMED", firstBad: null, why: `a disclosure of entry ${orphan}, which is not there` }

/** Rows between two looks at the event loop. */
const rowsPerTurn = 2048

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** The simple, complete path: every row is decoded and fed to the verifier. */
const readSimply = async (
  evidence: EvidenceDatabase.Evidence,
  options: VerifyOptions,
  settings: Settings,
  signal: AbortSignal
): Promise<Verdict.Report> => {
  const records = new RecordReader(evidence.database)
  const verifier = new Verifier(originOf(records.firstLeaf), options)
  feedLedger(verifier, settings.ledger ?? [])
  const total = records.entryCount
  let orphan: number | undefined
  try {
    records.feedBefore(verifier)
    for (const [seq, leaf, bytes] of records.leaves()) {
      if (verifier.isDecided) break
      const at = verifier.size
      if (leaf === null) verifier.refuseEntry(`leaf: ${bytes === null ? "not text" : `${bytes} bytes long`}`)
      else records.feedEntry(verifier, seq, leaf)
      records.feedAfter(verifier, at)
      if (at % rowsPerTurn === rowsPerTurn - 1) {
        // Rows are read in turn: memory stays flat.
        // oxlint-disable-next-line no-await-in-loop
        await turn()
        signal.throwIfAborted()
        settings.onProgress?.(at + 1, total)
        // oxlint-disable-next-line no-await-in-loop
        if (verifier.wantsToSettle) await verifier.settle()
      }
    }
    records.feedEnd(verifier)
    orphan = records.orphan
  } catch (error) {
    if (!EvidenceDatabase.isDamage(error)) throw error
    verifier.malformed(`the database is damaged: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    records.close()
  }
  return withOrphan(await verifier.finish(), orphan)
}

/** Verifies the database at `path`. A file that is no audit database is a report, not an error. */
export const verifyFile = Effect.fn("VerifyDatabase.verifyFile")(function* (
  path: string,
  options: VerifyOptions,
  settings: Settings = {}
): Effect.fn.Return<Verdict.Report, VerifyIo.VerifyIoError> {
  const failed = VerifyIo.ioError(path)
  const report = Effect.acquireUseRelease(
    Effect.try({ try: () => EvidenceDatabase.open(path), catch: (error) => error }),
    (evidence) => VerifyIo.attempt((signal) => readSimply(evidence, options, settings, signal)),
    (evidence) => Effect.sync(() => evidence.close())
  )
  return yield* Effect.catchAll(report, (error) =>
    error instanceof EvidenceDatabase.NotAnAuditDatabase
      ? Effect.succeed(unreadable(`not an audit database: ${error.message}`))
      : EvidenceDatabase.isDamage(error)
        ? Effect.succeed(
            unreadable(`not a readable database: ${error instanceof Error ? error.message : String(error)}`)
          )
        : failed(error)
  )
})
