/**
 * Verifies an audit.db: its rows, in the order of a bundle, through the same verifier.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs/promises"
import { unreadable } from "../domain/BundleVerifier.ts"
import * as Entry from "../domain/Entry.ts"
import * as Jcs from "../domain/Jcs.ts"
import * as FastRange from "../domain/FastRange.ts"
import type * as MerkleTree from "../domain/MerkleTree.ts"
import type * as Verdict from "../domain/Verdict.ts"
import { Verifier } from "../domain/Verifier.ts"
import type { VerifyOptions } from "../domain/VerifyOptions.ts"
import { DatabaseReader } from "./DatabaseReader.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"
import { RecordReader } from "./EvidenceRecords.ts"
import type * as Piece from "./Piece.ts"
import * as PiecePool from "./PiecePool.ts"
import { SignaturesAhead } from "./SignaturesAhead.ts"
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

/** Rows between two looks at the event loop, where they are read one by one. */
const rowsPerTurn = 1024

/** Entries that a thread takes at a time, unless told otherwise. */
const pieceEntries = 16_384

/** One verification of an open database. */
class Verification {
  readonly #evidence: EvidenceDatabase.Evidence
  readonly #settings: Settings
  readonly #signal: AbortSignal
  readonly #records: RecordReader
  readonly #verifier: Verifier
  readonly #total: number
  #isLeft = false

  constructor(evidence: EvidenceDatabase.Evidence, options: VerifyOptions, settings: Settings, signal: AbortSignal) {
    this.#evidence = evidence
    this.#settings = settings
    this.#signal = signal
    this.#records = new RecordReader(evidence.database)
    this.#verifier = new Verifier(originOf(this.#records.firstLeaf), options)
    this.#total = this.#records.entryCount
    feedLedger(this.#verifier, settings.ledger ?? [])
  }

  /** Whether `read` stopped at a row that its paths do not take: this verification says nothing. */
  get isLeft(): boolean {
    return this.#isLeft
  }

  /** Feeds everything, the entries by `read`. */
  async run(read: () => Promise<void>): Promise<Verdict.Report> {
    let orphan: number | undefined
    try {
      this.#records.feedBefore(this.#verifier)
      await read()
      this.#records.feedEnd(this.#verifier)
      orphan = this.#records.orphan
    } catch (error) {
      if (!EvidenceDatabase.isDamage(error)) throw error
      this.#verifier.malformed(`the database is damaged: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      this.#records.close()
    }
    return withOrphan(await this.#verifier.finish(), orphan)
  }

  /** Lets the event loop and the verifier's waiting work go on. */
  readonly #turn = async (seq: number): Promise<void> => {
    await VerifyIo.turn()
    this.#signal.throwIfAborted()
    this.#settings.onProgress?.(Math.min(seq, this.#total), this.#total)
    if (this.#verifier.wantsToSettle) await this.#verifier.settle()
  }

  /** The simple, complete path: every row is decoded and fed to the verifier. */
  async readSimply(): Promise<void> {
    const verifier = this.#verifier
    for (const [seq, leaf, bytes] of this.#records.leaves()) {
      if (verifier.isDecided) return
      const at = verifier.size
      if (leaf === null) verifier.refuseEntry(`leaf: ${bytes === null ? "not text" : `${bytes} bytes long`}`)
      else this.#records.feedEntry(verifier, seq, leaf)
      this.#records.feedAfter(verifier, at)
      // Rows are read in turn: memory stays flat.
      if (at % rowsPerTurn === rowsPerTurn - 1) await this.#turn(at + 1)
    }
  }

  /**
   * The fast paths, which take plain leaves only. What they meet beside these may be damage of the file, and of a damaged
   * page SQLite says something else to who seeks in it, or reads it a second time, than to who reads all in order: then
   * it is for the simple path to say what there is, from the start and through a connection of its own.
   */
  async read(bytes: number): Promise<void> {
    this.#isLeft = true // also when reading ends with an error of SQLite
    const threads = VerifyIo.threadsFor(this.#settings, bytes)
    const total = this.#total
    const reader = new DatabaseReader(this.#verifier, this.#records, this.#evidence)
    let next = await reader.read(0, total, threads > 1, this.#turn)
    if (threads > 1 && this.#verifier.canSkip && next < total) {
      await this.#readPieces(next, threads)
      next = await reader.read(this.#verifier.size, total, false, this.#turn)
    }
    // Where there are rows before the first entry, nothing was planned.
    this.#isLeft = total === 0 || (next < total && !this.#verifier.isDecided)
  }

  /** Has threads check pieces from `start` on and joins what they found, up to what needs an explanation. */
  async #readPieces(start: number, threads: number): Promise<void> {
    const piece = this.#settings.piece ?? pieceEntries
    const verifier = this.#verifier
    const pool = PiecePool.open(
      {
        _tag: "database",
        path: this.#evidence.source.path,
        start,
        end: this.#total,
        pieceEntries: piece,
        claimedSizes: verifier.claimedSizes
      },
      threads
    )
    const signatures = new SignaturesAhead(verifier.currentKeys)
    const prepare = (result: Piece.Result) => {
      for (const item of result.items) if (item._tag === "line") signatures.entry(item.text)
      const notes = this.#records.notes(result.first ?? result.end, result.end)
      return Promise.all(notes.map((note) => signatures.note(note)))
    }
    try {
      await PiecePool.joinAll(pool, Math.ceil((this.#total - start) / piece), threads, prepare, async (result) => {
        this.#signal.throwIfAborted()
        const base = verifier.range
        if (!result.items.every((item) => this.#join(base, item))) return false
        await this.#turn(result.end)
        return result.isWhole
      })
    } finally {
      await pool.close()
    }
  }

  #join(base: MerkleTree.CompactRange, item: Piece.Item): boolean {
    const verifier = this.#verifier
    if (item.at !== verifier.size) return false
    if (item._tag === "line") {
      this.#records.feedEntry(verifier, item.at, item.text)
      this.#records.feedAfter(verifier, item.at)
    } else {
      const last = item.at + item.stretch.count - 1
      if (this.#records.nextIndex < last || !FastRange.join(verifier, base, item.stretch)) return false
      this.#records.feedAfter(verifier, last)
    }
    return !verifier.isDecided
  }
}

type Work<A> = (
  evidence: EvidenceDatabase.Evidence,
  options: VerifyOptions,
  settings: Settings,
  signal: AbortSignal
) => Promise<A>

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const verifyWith = <A>(
  path: string,
  options: VerifyOptions,
  settings: Settings,
  work: Work<A>
): Effect.Effect<A | Verdict.Report, VerifyIo.VerifyIoError> => {
  // A file that is no audit database has a report; one that cannot be read has none.
  const judge = (error: unknown): Effect.Effect<Verdict.Report, VerifyIo.VerifyIoError> => {
    if (error instanceof EvidenceDatabase.NotAnAuditDatabase) {
      return Effect.succeed(unreadable(`not an audit database: ${error.message}`))
    }
    return EvidenceDatabase.isDamage(error)
      ? Effect.succeed(unreadable(`not a readable database: ${words(error)}`))
      : VerifyIo.ioError(path)(error)
  }
  return Effect.acquireUseRelease(
    Effect.sync(() => Either.try(() => EvidenceDatabase.open(path))),
    Either.match({
      onLeft: judge,
      onRight: (evidence) =>
        Effect.catchAll(
          VerifyIo.attempt((signal) => work(evidence, options, settings, signal)),
          judge
        )
    }),
    (opened) => Effect.sync(() => (Either.isRight(opened) ? opened.right.close() : undefined))
  )
}

/** As `verifyFile`, through the complete path alone: what the fast paths are held against. */
export const verifyFileSimply = Effect.fn("VerifyDatabase.verifyFileSimply")(
  (path: string, options: VerifyOptions, settings: Settings = {}) =>
    verifyWith(path, options, settings, async (...open) => {
      const verification = new Verification(...open)
      return verification.run(() => verification.readSimply())
    })
)

/** Verifies the database at `path`. A file that is no audit database is a report, not an error. */
export const verifyFile = Effect.fn("VerifyDatabase.verifyFile")(
  (path: string, options: VerifyOptions, settings: Settings = {}) =>
    verifyWith(path, options, settings, async (...open) => {
      const verification = new Verification(...open)
      const { size } = await Fs.stat(path)
      const report = await verification.run(() => verification.read(size))
      return verification.isLeft ? undefined : report
    }).pipe(
      Effect.flatMap((report) =>
        report === undefined ? verifyFileSimply(path, options, settings) : Effect.succeed(report)
      )
    )
)
