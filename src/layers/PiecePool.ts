/**
 * Threads that check pieces of a log. Owned by one verification, which always closes it.
 *
 * @module
 */
import { Worker } from "node:worker_threads"
import type * as Piece from "./Piece.ts"
import * as WorkerEntry from "./WorkerEntry.ts"

export interface Pool {
  readonly run: (index: number) => Promise<Piece.Result>
  readonly close: () => Promise<void>
}

/** What a thread answers. */
export type Answer =
  | { readonly _tag: "result"; readonly result: Piece.Result }
  | { readonly _tag: "failure"; readonly message: string }

interface Waiting {
  readonly resolve: (result: Piece.Result) => void
  readonly reject: (error: Error) => void
}

/** One thread; it answers in the order of the questions. */
class Thread {
  readonly #worker: Worker
  readonly #waiting: Array<Waiting> = []

  constructor(file: string, job: Piece.Job) {
    this.#worker = new Worker(file, { workerData: job, name: "verify" })
    this.#worker.on("message", (answer: Answer) => {
      const waiting = this.#waiting.shift()
      if (answer._tag === "result") waiting?.resolve(answer.result)
      else waiting?.reject(new Error(answer.message))
    })
    this.#worker.on("error", (error) => this.#fail(error))
    this.#worker.on("exit", (status) => this.#fail(new Error(`a verifying thread ended with status ${status}`)))
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  /** Questions without an answer. */
  get load(): number {
    return this.#waiting.length
  }

  run(index: number): Promise<Piece.Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
      this.#worker.postMessage(index)
    })
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** @throws Error when the worker's bundle is missing */
export const open = (job: Piece.Job, threads: number): Pool => {
  const file = WorkerEntry.path("VerifyPieces")
  const all = Array.from({ length: threads }, () => new Thread(file, job))
  return {
    run: (index) => all.reduce((idlest, thread) => (thread.load < idlest.load ? thread : idlest)).run(index),
    close: async () => {
      await Promise.all(all.map((thread) => thread.close()))
    }
  }
}

/** Pieces in flight for each thread: it must never wait, and what is not joined yet is held in memory. */
const ahead = 3

/**
 * Hands out pieces 0 to `count` and gives the results to `join` in order, until it says that one does not fit.
 *
 * @returns whether all of them fitted
 */
export const joinAll = async (
  pool: Pool,
  count: number,
  threads: number,
  join: (result: Piece.Result) => Promise<boolean>
): Promise<boolean> => {
  const running: Array<Promise<Piece.Result>> = []
  let next = 0
  for (let index = 0; index < count; index++) {
    for (; next < Math.min(count, index + threads * ahead); next++) {
      const result = pool.run(next)
      result.catch(() => undefined) // a thread that is closed early answers nobody
      running.push(result)
    }
    // Results are joined in the order of the log. A thread that failed leaves its piece to the caller.
    // oxlint-disable-next-line no-await-in-loop
    const result = await running.shift()?.catch(() => undefined)
    // oxlint-disable-next-line no-await-in-loop
    if (result === undefined || !(await join(result))) return false
  }
  return true
}
