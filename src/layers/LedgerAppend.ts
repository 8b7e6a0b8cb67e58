/**
 * One append to the ledger, inside the write transaction that the caller has begun: what is there is checked, then
 * continued, hashed and signed, then stored.
 *
 * The checkpoint is signed before the COMMIT and in the same transaction as its entries, unlike that of a run: between
 * two transactions another process could append, and one size would be signed with two roots. It is given to nobody
 * before the COMMIT; when that fails, the signature is forgotten.
 *
 * @module
 */
import type Database from "./BetterSqlite.ts"
import * as Either from "effect/Either"
import * as Checkpoint from "../domain/Checkpoint.ts"
import * as ControlEntry from "../domain/ControlEntry.ts"
import * as Entry from "../domain/Entry.ts"
import type * as Jcs from "../domain/Jcs.ts"
import * as Sequencer from "../domain/Sequencer.ts"
import * as Sha256 from "../domain/Sha256.ts"
import * as SignedNote from "../domain/SignedNote.ts"
import type * as Vkey from "../domain/Vkey.ts"
import { LedgerFailed, type LedgerStatement } from "../services/Ledger.ts"
import { corrupt, type Location } from "./LedgerDatabase.ts"
import * as LedgerKey from "./LedgerKey.ts"
import { type Epoch, LedgerRows, type Signed } from "./LedgerRows.ts"
import { LedgerTree } from "./LedgerTree.ts"

/** Whose ledger it is, and what the moment provides. */
export interface Setting extends Location {
  readonly host: Vkey.Vkey
  /** The `tool` of log.open. */
  readonly tool: string
  readonly wallMillis: number
  /** 32 hex digits that were never used before. */
  readonly nonce: string
}

export interface Addition {
  readonly type: LedgerStatement["type"]
  readonly data: Jcs.JsonObject
  /** Whether the epoch ends with this entry. */
  readonly rotates: boolean
}

/** A checkpoint that the host has not signed yet. */
export interface HalfSigned {
  readonly size: number
  readonly epoch: number
  readonly text: string
  /** The epoch key's line. */
  readonly line: string
}

/** What a transaction adds. */
export interface Plan {
  /** Index of the entry that was asked for. */
  readonly seq: number
  readonly first: number
  readonly leaves: ReadonlyArray<{ readonly leaf: string; readonly hash: Uint8Array }>
  readonly notes: ReadonlyArray<HalfSigned>
  readonly tree: LedgerTree
  /** A key waits to be put in its place after the COMMIT. */
  readonly replacesKey: boolean
}

/** The end that new entries are linked to. */
interface End {
  readonly position: Sequencer.Position
  readonly tree: LedgerTree
  readonly epoch: number
  readonly key: LedgerKey.EpochKey
  /** Checkpoints that are stored. */
  readonly checkpoints: number
}

const beginning = (setting: Setting): End => ({
  position: Sequencer.start,
  tree: LedgerTree.empty(),
  epoch: 0,
  key: LedgerKey.prepare(setting.keysDirectory, setting.host.name, undefined),
  checkpoints: 0
})

/** Nothing is signed on top of what this host did not sign, and the last epoch or the one before. */
const checkSignatures = (
  { host, path }: Setting,
  { epoch, note, size }: Signed,
  current: Epoch,
  before: () => Epoch
): void => {
  const signer = epoch === current.epoch ? current : before()
  if (signer.epoch !== epoch) throw corrupt(path, `its last checkpoint is of epoch ${epoch}, which is not the last one`)
  for (const key of [host, signer.vkey]) {
    const result = SignedNote.check(note, key)
    if (result !== "valid") throw corrupt(path, `the signature on its checkpoint of size ${size} is ${result}`)
  }
}

/** Checks the ledger's end and takes the key of its epoch. */
const end = (rows: LedgerRows, setting: Setting): End => {
  const { host, keysDirectory, path } = setting
  const origin = rows.entry(0).entry.data["origin"]
  if (origin !== host.name) {
    const detail = `it is the ledger of ${typeof origin === "string" ? origin : "nobody"}, and this host is ${host.name}`
    throw new LedgerFailed({ path, reason: "other-host", detail })
  }
  const identity = rows.identity(host.name)
  const signed = rows.signed()
  const current = rows.epoch(identity)
  if (identity.host.text !== host.text) throw corrupt(path, "it names another host key")
  checkSignatures(setting, signed, current, () => rows.epoch(identity, current.seq))
  const tree = rows.tree(signed)
  const { entry, leaf } = rows.entry(signed.size - 1)
  const key = LedgerKey.load(keysDirectory, current.vkey.text, host.name)
  if (key === undefined) {
    const detail = `neither ${LedgerKey.fileName} nor ${LedgerKey.nextFileName} in ${keysDirectory} is the key of epoch ${current.epoch}`
    throw new LedgerFailed({ path, reason: "key-lost", detail })
  }
  const position = { size: signed.size, hash: Sha256.leafHashHex(leaf), millis: Date.parse(entry.ts) }
  return { position, tree, epoch: current.epoch, key, checkpoints: rows.checkpointCount(current) }
}

/**
 * How far the wall clock went back since it was last looked at, when that is more than a second. While times are
 * clamped, the last `log.clock` says where it was.
 */
const stepBack = (rows: LedgerRows, { millis, size }: Sequencer.Position, wallMillis: number): number | undefined => {
  if (size === 0 || wallMillis >= millis - Sequencer.maxStepMillis) return undefined
  let reference = millis
  for (const { data, ts, type } of rows.backwards(size)) {
    if (Date.parse(ts) !== millis) break
    if (type !== "log.clock" || typeof data["wall"] !== "string") continue
    reference = Date.parse(data["wall"])
    break
  }
  const step = wallMillis - reference
  return step < -Sequencer.maxStepMillis ? step : undefined
}

/** @throws LedgerFailed and SQLite's errors; nothing is stored yet */
export const plan = (database: Database.Database, isNew: boolean, setting: Setting, addition: Addition): Plan => {
  const { host, wallMillis } = setting
  const rows = new LedgerRows(database, setting.path)
  const from = isNew ? beginning(setting) : end(rows, setting)
  const { epoch, key, position, tree } = from
  const order = new Sequencer.Sequencer(position)
  const leaves: Array<{ readonly leaf: string; readonly hash: Uint8Array }> = []
  const notes: Array<HalfSigned> = []

  const append = (type: string, data: Jcs.JsonObject): number => {
    const text = Either.getOrThrowWith(Entry.encodeData(data), (error) => error)
    const leaf = order.append(text, "recorder", type, wallMillis)
    const hash = Buffer.from(order.hash, "hex")
    tree.append(hash)
    leaves.push({ leaf, hash })
    return order.size - 1
  }
  const sign = (): void => {
    const text = Checkpoint.encode({ origin: host.name, size: order.size, root: tree.root() })
    notes.push({ size: order.size, epoch, text, line: SignedNote.sign(text, key.vkey, key.pair.privateKey) })
  }

  if (isNew) {
    append("log.open", {
      format: ControlEntry.formatName,
      host: host.text,
      key: key.vkey.text,
      kind: "ledger",
      nonce: setting.nonce,
      origin: host.name,
      run: "",
      tool: setting.tool
    })
    sign()
  }
  const step = isNew ? undefined : stepBack(rows, position, wallMillis)
  if (step !== undefined) append("log.clock", { step_ms: step, wall: Sequencer.formatTime(wallMillis) })
  const seq = append(addition.type, addition.data)
  if (addition.rotates) {
    const next = LedgerKey.prepare(setting.keysDirectory, host.name, key.vkey.text)
    const checkpoints = from.checkpoints + notes.length
    append("log.key", { checkpoints, epoch: epoch + 1, key: next.vkey.text })
  }
  sign()
  return { seq, first: position.size, leaves, notes, tree, replacesKey: isNew || addition.rotates }
}

/**
 * Stores what was planned; the COMMIT is the caller's.
 *
 * @param notes with the host's lines
 */
export const store = (database: Database.Database, planned: Plan, notes: ReadonlyArray<string>): void => {
  const entry = database.prepare("INSERT INTO entries(seq, leaf, hash) VALUES (?, ?, ?)")
  for (const [at, { hash, leaf }] of planned.leaves.entries()) entry.run(planned.first + at, leaf, hash)
  const checkpoint = database.prepare("INSERT INTO checkpoints(size, epoch, note) VALUES (?, ?, ?)")
  for (const [at, { epoch, size }] of planned.notes.entries()) checkpoint.run(size, epoch, notes[at])
  const tile = database.prepare("INSERT OR REPLACE INTO tiles(level, n, data) VALUES (?, ?, ?)")
  for (const { data, level, n } of planned.tree.changed) tile.run(level, n, data)
}
