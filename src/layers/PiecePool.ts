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

/** A piece that was checked, and work on it that goes on elsewhere. */
interface Prepared {
  readonly result: Piece.Result
  readonly ready: Promise<unknown>
}

/**
 * Hands out pieces 0 to `count` and gives the results to `prepare` and then to `join`, each in order, until `join` says
 * that one does not fit. A thread that failed leaves its piece to the caller, as one that does not fit.
 */
export const joinAll = async (
  pool: Pool,
  count: number,
  threads: number,
  prepare: (result: Piece.Result) => Promise<unknown>,
  join: (result: Piece.Result) => Promise<boolean>
): Promise<void> => {
  const running: Array<Promise<Prepared | undefined>> = []
  let last: Promise<unknown> = Promise.resolve()
  const start = (index: number): Promise<Prepared | undefined> => {
    const before = last
    const checked = pool.run(index)
    const prepared = checked
      .then(async (result) => {
        await before
        return { result, ready: prepare(result) }
      })
      .catch(() => undefined)
    last = prepared
    return prepared
  }
  let next = 0
  for (let index = 0; index < count; index++) {
    for (; next < Math.min(count, index + threads * ahead); next++) running.push(start(next))
    // Results are joined in the order of the log.
    const prepared = await running.shift()
    if (prepared === undefined) return
    await prepared.ready
    if (!(await join(prepared.result))) return
  }
}
