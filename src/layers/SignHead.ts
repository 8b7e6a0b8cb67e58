/**
 * What a signing thread does with each request: the tree grows, and its head is signed. The same for the worker and for
 * the store in memory.
 *
 * @module
 */
import type { EpochSigner } from "../domain/EpochSigner.ts"
import type { Accumulator } from "../domain/MerkleTree.ts"
import * as Sha256 from "../domain/Sha256.ts"
import type { SignatureKind, SignedHead } from "./LogBackend.ts"

/** @param hashes leaf hashes of the entries since the last call, 32 bytes each */
export const signHead = (
  signer: EpochSigner,
  tree: Accumulator,
  kind: SignatureKind,
  hashes: Uint8Array
): SignedHead => {
  for (let at = 0; at < hashes.length; at += Sha256.digestBytes) {
    tree.append(hashes.subarray(at, at + Sha256.digestBytes))
  }
  const { epoch, note, root, size, text } = signer[kind](tree.size, tree.root())
  return { epoch, note, root, size, text, nextKey: signer.nextKey }
}
