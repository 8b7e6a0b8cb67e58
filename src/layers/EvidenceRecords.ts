/**
 * Rows of an audit database in the order in which a bundle has its lines: each entry, its disclosures, then the
 * checkpoint that ends with it.
 *
 * @module
 */
import type Database from "./BetterSqlite.ts"
import type * as Bundle from "../domain/Bundle.ts"
import * as BundleFormat from "../domain/Bundle.ts"
import * as Commitment from "../domain/Commitment.ts"
import * as Entry from "../domain/Entry.ts"
import * as Jcs from "../domain/Jcs.ts"
import type { Verifier } from "../domain/Verifier.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"

/** Most bytes of a note, a disclosure, a witness line or a token: a bundle's line could not carry more. */
const maxBodyBytes = BundleFormat.maxLineBytes

/** Bounds of a look ahead at notes. */
const maxUsualNoteBytes = 4096
const maxNotes = 2048

/** `seq`, the leaf's bytes unless it is no text or too long, and the length of a text. */
export type LeafRow = readonly [seq: number, leaf: Buffer | null, bytes: number | null]

const leafQuery = `SELECT seq, ${EvidenceDatabase.boundedText("leaf", Entry.maxLeafBytes)},
  CASE typeof(leaf) WHEN 'text' THEN octet_length(leaf) END FROM entries`

/** One step ahead of a statement, so that rows of several tables can be merged. */
class Cursor<Row> {
  readonly #start: () => Iterator<Row>
  #rows: Iterator<Row> | undefined
  #next: Row | undefined

  constructor(start: () => Iterator<Row>) {
    this.#start = start
  }

  /** The row that comes next, if any. */
  get next(): Row | undefined {
    if (this.#rows === undefined) {
      this.#rows = this.#start()
      this.advance()
    }
    return this.#next
  }

  advance(): void {
    const result = this.#rows?.next()
    this.#next = result === undefined || result.done === true ? undefined : result.value
  }

  /** An open statement would keep the connection from closing. */
  close(): void {
    this.#rows?.return?.()
  }
}

type CheckpointRow = readonly [size: number, note: Buffer | null]
type DisclosureRow = readonly [seq: number, body: Buffer | null]

/** Owned by one verification. Every call of SQLite may throw. */
export class RecordReader {
  readonly #database: Database.Database
  readonly #checkpoints: Cursor<CheckpointRow>
  readonly #disclosures: Cursor<DisclosureRow>
  readonly #cosignatures: Database.Statement<Array<unknown>, readonly [Buffer | null]>
  readonly #timestamps: Database.Statement<Array<unknown>, readonly [Buffer | null]>

  constructor(database: Database.Database) {
    this.#database = database
    const statement = <Row extends ReadonlyArray<unknown>>(sql: string) => EvidenceDatabase.rows<Row>(database, sql)
    const most = BundleFormat.maxAttachments + 1
    this.#cosignatures = statement(
      `SELECT ${EvidenceDatabase.boundedText("line", maxBodyBytes)} FROM cosignatures WHERE size=? ORDER BY line LIMIT ${most}`
    )
    this.#timestamps = statement(
      `SELECT CASE WHEN typeof(token)='blob' AND length(token)<=${maxBodyBytes} THEN token END
         FROM timestamps WHERE size=? ORDER BY token LIMIT ${most}`
    )
    this.#checkpoints = new Cursor(() =>
      statement<CheckpointRow>(
        `SELECT size, ${EvidenceDatabase.boundedText("note", maxBodyBytes)} FROM checkpoints ORDER BY size`
      ).iterate()
    )
    this.#disclosures = new Cursor(() =>
      statement<DisclosureRow>(
        `SELECT seq, ${EvidenceDatabase.boundedText("body", maxBodyBytes)} FROM disclosures ORDER BY seq, body`
      ).iterate()
    )
  }

  get firstLeaf(): string | undefined {
    const bytes = EvidenceDatabase.rows<LeafRow>(this.#database, `${leafQuery} WHERE seq = 0`).get()?.[1]
    return bytes === null || bytes === undefined ? undefined : EvidenceDatabase.textOf(bytes)
  }

  /** Entries by the greatest `seq`, or 0 when there is a negative one: for progress and for planning. */
  get entryCount(): number {
    const sql = "SELECT (SELECT min(seq) FROM entries), (SELECT max(seq) FROM entries)"
    const row = EvidenceDatabase.rows<[number | null, number | null]>(this.#database, sql).get()
    return (row?.[0] ?? 0) < 0 ? 0 : (row?.[1] ?? -1) + 1
  }

  /** Rows of entries, by growing seq: all, or those from `from` on. */
  leaves(from?: number): IterableIterator<LeafRow> {
    return from === undefined
      ? EvidenceDatabase.rows<LeafRow>(this.#database, `${leafQuery} ORDER BY seq`).iterate()
      : EvidenceDatabase.rows<LeafRow>(this.#database, `${leafQuery} WHERE seq >= ? ORDER BY seq`).iterate(from)
  }

  /** Usual notes of checkpoints with a size above `from`, up to `to`: a look ahead, which moves nothing. */
  notes(from: number, to: number): ReadonlyArray<string> {
    const usual = EvidenceDatabase.boundedText("note", maxUsualNoteBytes)
    const sql = `SELECT ${usual} FROM checkpoints WHERE size > ? AND size <= ? LIMIT ${maxNotes}`
    const found = EvidenceDatabase.rows<readonly [Buffer | null]>(this.#database, sql).all(from, to)
    return found.flatMap(([note]) => (note === null ? [] : (EvidenceDatabase.textOf(note) ?? [])))
  }

  /** Smallest entry index behind which a checkpoint or a disclosure waits; Infinity when none does. */
  get nextIndex(): number {
    const size = this.#checkpoints.next?.[0] ?? Number.POSITIVE_INFINITY
    const seq = this.#disclosures.next?.[0] ?? Number.POSITIVE_INFINITY
    return Math.min(size - 1, seq)
  }

  /** What claims to stand before the first entry. */
  feedBefore(verifier: Verifier): void {
    this.feedAfter(verifier, -1)
  }

  /** @param leaf stored bytes, or a text that is known to be theirs */
  feedEntry(verifier: Verifier, seq: number, leaf: Uint8Array | string): void {
    const text = typeof leaf === "string" ? leaf : EvidenceDatabase.textOf(leaf)
    if (text === undefined) verifier.refuseEntry("leaf: not UTF-8")
    else if (seq === verifier.size) verifier.entry(text)
    else verifier.refuseEntry(`it is stored under the seq ${seq}`)
  }

  /** Disclosures and the checkpoint that stand behind entry `at`. */
  feedAfter(verifier: Verifier, at: number): void {
    for (let row = this.#disclosures.next; row !== undefined && row[0] <= at; row = this.#disclosures.next) {
      this.#feedDisclosure(verifier, row)
      this.#disclosures.advance()
    }
    for (let row = this.#checkpoints.next; row !== undefined && row[0] - 1 <= at; row = this.#checkpoints.next) {
      this.#feedCheckpoint(verifier, row)
      this.#checkpoints.advance()
    }
  }

  /** Checkpoints of more entries than there are. */
  feedEnd(verifier: Verifier): void {
    for (let row = this.#checkpoints.next; row !== undefined; row = this.#checkpoints.next) {
      if (verifier.isDecided) return
      this.#feedCheckpoint(verifier, row)
      this.#checkpoints.advance()
    }
  }

  /** The first disclosure of an entry that is not there, once everything was fed. */
  get orphan(): number | undefined {
    return this.#disclosures.next?.[0]
  }

  close(): void {
    this.#checkpoints.close()
    this.#disclosures.close()
  }

  #feedDisclosure(verifier: Verifier, [seq, body]: DisclosureRow): void {
    const text = body === null ? undefined : EvidenceDatabase.textOf(body)
    const refuse = () => verifier.malformed(`a disclosure of entry ${seq} has not the form [salt,value]`)
    if (text === undefined || seq < 0) return refuse()
    try {
      const disclosure = Commitment.decode(Jcs.parseCanonical(text))
      if (disclosure === undefined) refuse()
      else verifier.disclosure(disclosure)
    } catch (error) {
      if (!(error instanceof Jcs.JcsError)) throw error
      refuse()
    }
  }

  #feedCheckpoint(verifier: Verifier, [size, body]: CheckpointRow): void {
    const note = body === null ? undefined : EvidenceDatabase.textOf(body)
    const attached = this.#attachments(size)
    if (note === undefined) verifier.malformed(`the checkpoint of size ${size} is not text, or is too long`)
    else if (typeof attached === "string") verifier.malformed(attached)
    else {
      verifier.checkpoint(note, attached)
      // A note that is sound may still be stored under a size that is not its own, where nobody would look for it.
      const own = note.split("\n", 2)[1]
      if (!verifier.isDecided && own !== String(size)) {
        verifier.malformed(`the checkpoint of size ${own ?? "?"} is stored under the size ${size}`)
      }
    }
  }

  #attachments(size: number): Bundle.Attachments | string {
    const witnesses: Array<string> = []
    for (const [line] of this.#cosignatures.iterate(size)) {
      const text = line === null ? undefined : EvidenceDatabase.textOf(line)
      if (text === undefined) return `a cosignature of size ${size} is not text, or is too long`
      witnesses.push(text)
    }
    const timestamps: Array<string> = []
    for (const [token] of this.#timestamps.iterate(size)) {
      if (token === null) return `a time stamp of size ${size} is not bytes, or is too long`
      timestamps.push(token.toString("base64"))
    }
    const most = BundleFormat.maxAttachments
    return witnesses.length > most || timestamps.length > most
      ? `more than ${most} cosignatures or time stamps of size ${size}`
      : { timestamps, witnesses }
  }
}
