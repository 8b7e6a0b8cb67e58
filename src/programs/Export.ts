/**
 * Writes what proves a run: a bundle, a subset of it, the proof of one entry, or the log as tiles.
 *
 * @module
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Verdict from "../domain/Verdict.ts"
import * as ExportBundle from "../layers/ExportBundle.ts"
import * as ExportError from "../layers/ExportError.ts"
import * as ExportProof from "../layers/ExportProof.ts"
import * as ExportSubset from "../layers/ExportSubset.ts"
import * as ExportTiles from "../layers/ExportTiles.ts"
import * as LogReaderSqlite from "../layers/LogReaderSqlite.ts"
import type * as RunStorage from "../services/RunStorage.ts"
import type * as Audit from "./Audit.ts"

/** What to write. */
export interface Wanted {
  /** Target of a bundle; `-` is standard output. */
  readonly bundle: string | undefined
  /** Only these entries, both ends included. */
  readonly entries: Verdict.SeqRange | undefined
  /** Only entries of this type. */
  readonly type: string | undefined
  /** Entry whose proof goes to standard output. */
  readonly proof: number | undefined
  /** Directory for tiles. */
  readonly tiles: string | undefined
}

/** Writes everything that is wanted; completes with remarks for the user. */
export const write = Effect.fn("Export.write")(function* (
  run: RunStorage.StoredRun,
  ledger: Audit.LedgerAnswer,
  wanted: Wanted,
  onProgress: (done: number, total: number) => void
) {
  const remarks: Array<string> = []
  const records = ledger._tag === "evidence" ? ledger.records : []
  const said = (report: { readonly warnings: ReadonlyArray<ExportError.ExportWarning> }) =>
    remarks.push(...report.warnings.map(ExportError.describeWarning))
  const { bundle, entries, proof, tiles, type } = wanted
  // A log that cannot be exported has its verdict all the same.
  if ((bundle ?? proof ?? tiles) === undefined) return remarks
  yield* Effect.gen(function* () {
    if (bundle !== undefined) {
      const isSubset = entries !== undefined || type !== undefined
      const selection = { ranges: entries && [entries], type }
      const options = { ledger: records, onProgress }
      said(yield* isSubset ? ExportSubset.subset(bundle, selection, options) : ExportBundle.full(bundle, options))
      if (bundle !== "-") remarks.push(`wrote ${bundle}; anyone checks it with: agent audit --verify ${bundle}`)
    }
    if (proof !== undefined) yield* Console.log((yield* ExportProof.text(proof)).trimEnd())
    if (tiles !== undefined) {
      said(yield* ExportTiles.tiles(tiles, { onProgress }))
      remarks.push(`wrote the log as tiles to ${tiles}`)
    }
  }).pipe(Effect.provide(LogReaderSqlite.layer(run.auditDb)))
  return remarks
})
