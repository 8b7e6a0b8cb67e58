/**
 * A log of any length, as a bundle and as an audit.db: console lines of a usual length, an epoch for every 4 096 entries,
 * and checkpoints as often as told. Written in flat memory.
 *
 * @module
 */
import Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Bundle from "../src/domain/Bundle.ts"
import * as Checkpoint from "../src/domain/Checkpoint.ts"
import * as Ed25519 from "../src/domain/Ed25519.ts"
import * as Entry from "../src/domain/Entry.ts"
import type * as Jcs from "../src/domain/Jcs.ts"
import * as MerkleTree from "../src/domain/MerkleTree.ts"
import * as Schedule from "../src/domain/Schedule.ts"
import * as Sha256 from "../src/domain/Sha256.ts"
import * as SignedNote from "../src/domain/SignedNote.ts"
import * as Vkey from "../src/domain/Vkey.ts"
import * as AuditSchema from "../src/layers/AuditSchema.ts"

export interface LongLog {
  readonly bundle: string
  readonly database: string
  /** Policy that trusts the log. */
  readonly policy: string
}

const begin = Date.parse("2026-01-02T03:04:05.000Z")
const flushBytes = 1024 * 1024

/** About 142 characters on average, which make leaves of about 330 bytes. */
const lineOf = (seq: number): string => {
  const head = `2026-01-02 03:04:05,${String(seq % 1000).padStart(3, "0")} INFO  [worker-${seq % 16}] compiled module ${seq}: `
  return head.padEnd(102 + ((seq * 7919) % 80), "src/domain/Verifier.ts -> dist/lib/domain/Verifier.js, ")
}

/**
 * Writes a closed log of `entries` entries to `directory`.
 *
 * @param signAfter entries from one checkpoint to the next. Records that come faster than they can be stored are signed a
 *   batch at a time, once in an epoch; a slower run has a checkpoint for every second, or for 256 entries
 */
export const write = (directory: string, name: string, entries: number, signAfter: number): LongLog => {
  const bundle = `${directory}/${name}.json`
  const path = `${directory}/${name}.db`
  const policy = `${directory}/${name}.policy`
  const hostPair = Ed25519.generate()
  const hostName = `agent.example/${Vkey.hostId(hostPair.publicKey)}`
  const host = { pair: hostPair, vkey: Vkey.make(hostName, 1, hostPair.publicKey) }
  const origin = `${hostName}/run_bench`
  const epochKey = () => {
    const pair = Ed25519.generate()
    return { pair, vkey: Vkey.make(origin, 1, pair.publicKey) }
  }
  let key = epochKey()
  let epochs = 1
  let checkpoints = 0
  let hash = Entry.zeroHash
  const tree = new MerkleTree.Accumulator()

  const file = Fs.openSync(bundle, "w")
  const database = new Database(path)
  database.pragma("journal_mode = WAL")
  database.pragma("synchronous = OFF")
  for (const statement of AuditSchema.statements) database.exec(statement)
  database.exec("BEGIN")
  const insertEntry = database.prepare("INSERT INTO entries(seq, leaf, hash) VALUES (?, ?, ?)")
  const insertNote = database.prepare("INSERT INTO checkpoints(size, epoch, note) VALUES (?, ?, ?)")
  let text = `${Bundle.headerLine({ kind: "full", origin })}\n`
  const writeText = (more: string): void => {
    text += more
    if (text.length < flushBytes) return
    Fs.writeSync(file, text)
    text = ""
  }

  const append = (type: string, source: string, data: Jcs.JsonObject): void => {
    const seq = tree.size
    const encoded = Either.getOrThrow(Entry.encodeData(data))
    const leaf = Entry.leafText(encoded, hash, seq, source, new Date(begin + seq).toISOString(), type)
    hash = Sha256.leafHashHex(leaf)
    const bytes = Buffer.from(hash, "hex")
    tree.append(bytes)
    insertEntry.run(seq, leaf, bytes)
    writeText(`${seq === 0 ? "" : ",\n"}${Bundle.entryLine(leaf)}`)
  }
  const sign = (signers: ReadonlyArray<typeof key>): void => {
    const note = Checkpoint.encode({ origin, size: tree.size, root: tree.root() })
    const signed = SignedNote.assemble(
      note,
      signers.map(({ pair, vkey }) => SignedNote.sign(note, vkey, pair.privateKey))
    )
    insertNote.run(tree.size, epochs - 1, signed)
    writeText(`,\n${Bundle.checkpointLine(signed, { timestamps: [], witnesses: [] })}`)
    checkpoints++
  }

  const nonce = Crypto.randomBytes(16).toString("hex")
  append("log.open", "recorder", {
    format: "agent-audit/1",
    host: host.vkey.text,
    key: key.vkey.text,
    kind: "run",
    nonce,
    origin,
    run: "run_bench"
  })
  sign([key, host])
  const { rotateAfterEntries } = Schedule.defaults
  while (tree.size < entries - 1) {
    append("console", "agent", { line: lineOf(tree.size), stream: "stdout" })
    if (tree.size % rotateAfterEntries === rotateAfterEntries - 1) {
      const next = epochKey()
      append("log.key", "recorder", { checkpoints, epoch: epochs, key: next.vkey.text })
      sign([key])
      key = next
      epochs++
    } else if (tree.size % signAfter === 0) sign([key])
  }
  append("log.close", "recorder", { checkpoints, entries, exit: 0, reason: "exit" })
  sign([key])
  writeText(`\n${Bundle.tailLine({ checkpoints, entries })}\n`)
  Fs.writeSync(file, text)
  Fs.closeSync(file)
  database.exec("COMMIT")
  database.pragma("wal_checkpoint(TRUNCATE)")
  database.close()
  Fs.writeFileSync(policy, `${host.vkey.text}\n`)
  return { bundle, database: path, policy }
}
