/**
 * The signing thread of a log: owns the Merkle tree and the epoch keys. Private keys are made here, never leave this
 * thread and never touch a disk.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Ed25519 from "../../domain/Ed25519.ts"
import { EpochSigner } from "../../domain/EpochSigner.ts"
import { Accumulator } from "../../domain/MerkleTree.ts"
import { signHead } from "../SignHead.ts"
import type { SignerInput, SignerMessage, SignerReply } from "../WriterProtocol.ts"

const input: SignerInput = workerData
const port = parentPort! // this file only runs as a worker

const reply = (message: SignerReply): void => port.postMessage(message)

const tree = new Accumulator()
const signer = new EpochSigner(input.origin, Ed25519.generate)

port.on("message", ({ hashes, kind }: SignerMessage) => {
  reply({ _tag: "Signed", head: signHead(signer, tree, kind, hashes) })
})
reply({ _tag: "Keys", firstKey: signer.key ?? "", nextKey: signer.nextKey ?? "" }) // a new signer has both
