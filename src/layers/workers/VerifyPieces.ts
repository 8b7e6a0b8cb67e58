/**
 * A thread that checks pieces of a log (PiecePool).
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads"
import type * as Piece from "../Piece.ts"
import type { Answer } from "../PiecePool.ts"

const job: Piece.Job = workerData

/** better-sqlite3 is loaded for databases only. */
const open = async (): Promise<Piece.Scanner> => {
  if (job._tag === "database") {
    const { DatabasePieces } = await import("../DatabasePieces.ts")
    return new DatabasePieces(job)
  }
  const { BundlePieces } = await import("../BundlePieces.ts")
  return new BundlePieces(job)
}

const scanner = open()

const answer = async (index: number): Promise<Answer> => {
  try {
    return { _tag: "result", result: (await scanner).scan(index) }
  } catch (error) {
    return { _tag: "failure", message: error instanceof Error ? error.message : String(error) }
  }
}

// Pieces come one after the other: the answers keep their order.
let last = Promise.resolve()
parentPort?.on("message", (index: number) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  last = last.then(async () => parentPort?.postMessage(await answer(index)))
})
