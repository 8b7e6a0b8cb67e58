/**
 * What the ledger's tables say, checked: an open transaction's view of entries, checkpoints and tree.
 *
 * Everything here throws `LedgerFailed` with reason `corrupt` when the ledger contradicts itself, and SQLite's errors.
 *
 * @module
 */
import type Database from "./BetterSqlite.ts"
import * as Either from "effect/Either"
import * as Checkpoint from "../domain/Checkpoint.ts"
import * as Entry from "../domain/Entry.ts"
import * as LogIdentity from "../domain/LogIdentity.ts"
import * as MerkleTree from "../domain/MerkleTree.ts"
import * as Sha256 from "../domain/Sha256.ts"
import * as SignedNote from "../domain/SignedNote.ts"
import type * as Vkey from "../domain/Vkey.ts"
import type { LedgerHead, LedgerStatement } from "../services/Ledger.ts"
import * as EvidenceDatabase from "./EvidenceDatabase.ts"
import { corrupt } from "./LedgerDatabase.ts"
import { LedgerTree, type ReadTile, tailOf } from "./LedgerTree.ts"

/** Leaf hash of a leaf's text. */
export const leafHash = (leaf: string): Uint8Array => Sha256.leafHash(Buffer.from(leaf, "utf8"))

const text = (value: unknown): string => (typeof value === "string" ? value : "")

/** The latest checkpoint. */
export interface Signed {
  readonly size: number
  readonly root: Uint8Array
  readonly epoch: number
  readonly note: SignedNote.SignedNote
}

/** What log.open or a log.key says of the epoch that it begins. */
export interface Epoch {
  readonly epoch: number
  readonly vkey: Vkey.Vkey
  /** Index of that entry. */
  readonly seq: number
  /** Checkpoints that were stored before that entry. */
  readonly checkpoints: number
}

/** A leaf that is known to be an entry. */
export interface StoredEntry {
  readonly leaf: string
  readonly entry: Entry.Entry
}

/** Owned by one transaction of one connection. */
export class LedgerRows {
  readonly #database: Database.Database
  readonly path: string

  constructor(database: Database.Database, path: string) {
    this.#database = database
    this.path = path
  }

  #query<Row extends ReadonlyArray<unknown>>(sql: string) {
    return EvidenceDatabase.rows<Row>(this.#database, sql)
  }

  #bad(detail: string) {
    return corrupt(this.path, detail)
  }

  #decode(leaf: unknown, seq: number): StoredEntry {
    if (typeof leaf !== "string") throw this.#bad(`entry ${seq} is no text`)
    const entry = Entry.decode(leaf)
    if (Either.isLeft(entry)) throw this.#bad(`entry ${seq}: ${entry.left.message}`)
    if (entry.right.seq !== seq) throw this.#bad(`entry ${seq} says that its seq is ${entry.right.seq}`)
    return { leaf, entry: entry.right }
  }

  entry(seq: number): StoredEntry {
    return this.#decode(this.#query<[unknown]>("SELECT leaf FROM entries WHERE seq=?").get(seq)?.[0], seq)
  }

  /** The latest checkpoint, whose form and place are checked and whose signatures are not. */
  signed(): Signed {
    const row = this.#query<[number, number, unknown]>(
      "SELECT size, epoch, note FROM checkpoints ORDER BY size DESC LIMIT 1"
    ).get()
    const last = this.#query<[number | null]>("SELECT max(seq) FROM entries").get()?.[0]
    if (row === undefined) throw this.#bad("it has no checkpoint")
    const [size, epoch, text] = row
    if (size !== (last ?? -1) + 1) throw this.#bad(`its last checkpoint is of size ${size}, its last entry is ${last}`)
    if (typeof text !== "string") throw this.#bad(`the checkpoint of size ${size} is no text`)
    const note = SignedNote.parse(text)
    if (Either.isLeft(note)) throw this.#bad(`the checkpoint of size ${size} is ${note.left.message}`)
    const checkpoint = Checkpoint.parse(note.right.text)
    if (Either.isLeft(checkpoint)) throw this.#bad(`the checkpoint of size ${size} is ${checkpoint.left.message}`)
    if (checkpoint.right.size !== size) throw this.#bad(`the checkpoint of size ${size} names another size`)
    return { size, root: checkpoint.right.root, epoch, note: note.right }
  }

  /** Who the ledger belongs to, as its first entry says. */
  identity(origin: string): LogIdentity.LogIdentity {
    const { entry } = this.entry(0)
    const identity = LogIdentity.decode(entry.data, origin)
    if (entry.type !== "log.open" || Either.isLeft(identity)) {
      throw this.#bad(`its first entry does not open it: ${Either.isLeft(identity) ? identity.left : entry.type}`)
    }
    return identity.right
  }

  /** The newest epoch that an entry below `below` began: the end of the ledger is looked at, not all of it. */
  epoch(identity: LogIdentity.LogIdentity, below = Number.MAX_SAFE_INTEGER): Epoch {
    // The type is a leaf's last member (RFC 8785), so that no JSON has to be parsed to find it.
    const row = this.#query<[number, unknown]>(
      `SELECT seq, leaf FROM entries WHERE seq<? AND substr(leaf,-17)='"type":"log.key"}' ORDER BY seq DESC LIMIT 1`
    ).get(below)
    if (row === undefined) return { epoch: 0, vkey: identity.key, seq: 0, checkpoints: 0 }
    const [seq, leaf] = row
    const { checkpoints, epoch, key } = this.#decode(leaf, seq).entry.data
    const vkey = LogIdentity.epochKey(text(key), identity.origin)
    if (Either.isLeft(vkey) || typeof epoch !== "number" || typeof checkpoints !== "number") {
      throw this.#bad(`entry ${seq} names no epoch key`)
    }
    return { epoch, vkey: vkey.right, seq, checkpoints }
  }

  /** Stored checkpoints, counted from the beginning of the epoch on. */
  checkpointCount(epoch: Epoch): number {
    const since = this.#query<[number]>("SELECT count(*) FROM checkpoints WHERE size>?").get(epoch.seq)?.[0]
    return epoch.checkpoints + (since ?? 0)
  }

  /** Leaf hashes of entries `from` (inclusive) to `to` (exclusive), from the leaves themselves. */
  leafHashes(from: number, to: number): ReadonlyArray<Uint8Array> {
    const leaves = this.#query<[number, unknown]>(
      "SELECT seq, leaf FROM entries WHERE seq>=? AND seq<? ORDER BY seq"
    ).all(from, to)
    return leaves.map(([seq, leaf], at) => {
      if (seq !== from + at || typeof leaf !== "string") throw this.#bad(`entry ${from + at} is missing`)
      return leafHash(leaf)
    })
  }

  readonly tile: ReadTile = (level, n) => {
    const data = this.#query<[unknown]>("SELECT data FROM tiles WHERE level=? AND n=?").get(level, n)?.[0]
    return Buffer.isBuffer(data) ? data : undefined
  }

  /** The tree at the signed size: from the cache when it leads to the signed root, otherwise from all leaves. */
  tree({ root, size }: Signed): LedgerTree {
    const cached = LedgerTree.load(size, this.leafHashes(size - tailOf(size), size), this.tile)
    return cached !== undefined && MerkleTree.sameHash(cached.root(), root) ? cached : this.rebuild({ root, size })
  }

  /** The tree from all leaves, with every tile. */
  rebuild({ root, size }: Pick<Signed, "root" | "size">): LedgerTree {
    const tree = LedgerTree.empty()
    const block = 4096
    for (let from = 0; from < size; from += block) {
      for (const hash of this.leafHashes(from, Math.min(size, from + block))) tree.append(hash)
    }
    if (tree.size !== size || !MerkleTree.sameHash(tree.root(), root)) {
      throw this.#bad(`its ${size} entries do not have the root of the checkpoint that was signed`)
    }
    return tree
  }

  /** Cosignature lines of a checkpoint, each with its LF. */
  cosignatures(size: number): ReadonlyArray<string> {
    return this.#query<[unknown]>("SELECT line FROM cosignatures WHERE size=? ORDER BY line")
      .all(size)
      .flatMap(([line]) => (typeof line === "string" ? [line.endsWith("\n") ? line : `${line}\n`] : []))
  }

  /** `run.*` entries about a run below `size`, newest first. Lazy: take what is needed, then stop. */
  *about(origin: string, size: number): Generator<StoredEntry & { readonly statement: LedgerStatement }> {
    const candidates = this.#query<[number, unknown]>(
      "SELECT seq, leaf FROM entries WHERE seq<? AND instr(leaf,?)>0 ORDER BY seq DESC"
    ).iterate(size, `"origin":${JSON.stringify(origin)}`)
    for (const [seq, leaf] of candidates) {
      const stored = this.#decode(leaf, seq)
      const statement = statementOf(stored.entry)
      if (statement?.origin === origin) yield { ...stored, statement }
    }
  }

  /** Times and types at the end, newest first. Lazy, as `about`. */
  *backwards(size: number): Generator<Entry.Entry> {
    const newestFirst = this.#query<[number, unknown]>("SELECT seq, leaf FROM entries WHERE seq<? ORDER BY seq DESC")
    for (const [seq, leaf] of newestFirst.iterate(size)) yield this.#decode(leaf, seq).entry
  }
}

/** What an entry says of a run; undefined for one that is not about a run. */
const statementOf = ({ data, seq, type }: Entry.Entry): LedgerStatement | undefined => {
  if (type !== "run.open" && type !== "run.point" && type !== "run.close" && type !== "run.purge") return undefined
  const size = type === "run.open" ? 1 : data["size"]
  return {
    type,
    seq,
    origin: text(data["origin"]),
    size: typeof size === "number" ? size : 0,
    root: text(data["root"]),
    state: type === "run.close" ? text(data["state"]) : undefined
  }
}

/** What the port tells of the latest checkpoint. */
export const headOf = (rows: LedgerRows, { epoch, note, root, size }: Signed): LedgerHead => {
  const hasNext = rows.entry(size - 1).entry.type === "log.key"
  return {
    origin: note.text.slice(0, note.text.indexOf("\n")),
    size,
    root: Buffer.from(root).toString("base64"),
    epoch: hasNext ? epoch + 1 : epoch,
    note: note.note
  }
}
