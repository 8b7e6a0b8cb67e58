/**
 * Proofs of the ledger's entries about a run (C2SP tlog-proof), and the other questions that are only read.
 *
 * @module
 */
import * as Evidence from "../domain/Evidence.ts"
import * as MerkleTree from "../domain/MerkleTree.ts"
import * as SignedNote from "../domain/SignedNote.ts"
import * as Tiles from "../domain/Tiles.ts"
import * as TlogProof from "../domain/TlogProof.ts"
import type { LedgerEvidence } from "../services/Ledger.ts"
import { corrupt } from "./LedgerDatabase.ts"
import { leafHash, type LedgerRows, type StoredEntry } from "./LedgerRows.ts"
import * as LedgerTree from "./LedgerTree.ts"

type Prove = (stored: StoredEntry) => ReadonlyArray<Uint8Array> | undefined

/** Answers with proofs that lead to `root`, and with none when the tiles don't. */
const prover = (rows: LedgerRows, root: Uint8Array, size: number, tile: LedgerTree.ReadTile): Prove => {
  const leafHashes = (n: number) => rows.leafHashes(n * Tiles.fullWidth, Math.min(size, (n + 1) * Tiles.fullWidth))
  const subtree = LedgerTree.subtreeRoots(size, leafHashes, tile)
  return ({ entry, leaf }) => {
    try {
      const hashes = MerkleTree.inclusionProof(subtree, entry.seq, size)
      const hash = leafHash(leaf)
      return MerkleTree.verifyInclusion(hash, entry.seq, size, hashes, root) ? hashes : undefined
    } catch (cause) {
      if (cause instanceof LedgerTree.CacheIncomplete) return undefined
      throw cause
    }
  }
}

/**
 * Entries about `origin` that name no larger size than `upTo`, oldest first, proven to be in the latest checkpoint.
 * More than a verifier takes are thinned out from the oldest `run.point` on.
 *
 * @throws LedgerFailed when the ledger contradicts its checkpoint
 */
export const evidenceOf = (rows: LedgerRows, origin: string, upTo: number): ReadonlyArray<LedgerEvidence> => {
  const signed = rows.signed()
  const newestFirst: Array<StoredEntry> = []
  for (const stored of rows.about(origin, signed.size)) {
    if (stored.statement.size > upTo) continue
    if (newestFirst.length === Evidence.maxClaims) newestFirst.pop()
    newestFirst.push(stored)
  }
  if (newestFirst.length === 0) return []
  const lines = [...signed.note.signatures.map((signature) => signature.line), ...rows.cosignatures(signed.size)]
  const checkpoint = SignedNote.assemble(signed.note.text, lines.slice(0, SignedNote.maxSignatures))

  const cached = prover(rows, signed.root, signed.size, rows.tile)
  let fromLeaves: Prove | undefined
  const slowly: Prove = (stored) => {
    fromLeaves ??= prover(rows, signed.root, signed.size, rows.rebuild(signed).readTile)
    return fromLeaves(stored)
  }
  return newestFirst.toReversed().map((stored) => {
    const hashes = cached(stored) ?? slowly(stored)
    if (hashes === undefined) throw corrupt(rows.path, `entry ${stored.entry.seq} is not in the tree`)
    return { leaf: stored.leaf, proof: TlogProof.encode({ index: stored.entry.seq, hashes, checkpoint }) }
  })
}
