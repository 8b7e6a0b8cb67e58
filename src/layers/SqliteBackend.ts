/**
 * Main thread's side of an audit.db: two worker threads and the order of their answers.
 *
 * Topology, measured as a ratio to better-sqlite3 inserting the same rows in the same batches on one thread: one worker
 * for everything 0.63; this thread encoding, a worker hashing and writing, another one signing 0.68 to 0.78; this thread
 * encoding and hashing, one worker writing, another one signing 1.0. The last also has two hops only for a record
 * that somebody waits for.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { StoreFailed } from "../services/AuditStore.ts"
import * as AuditDatabase from "./AuditDatabase.ts"
import type { LogBackend, SignedHead } from "./LogBackend.ts"
import { SharedSlot } from "./SharedSlot.ts"
import * as SqliteFailure from "./SqliteFailure.ts"
import * as WorkerEntry from "./WorkerEntry.ts"
import type {
  SignerInput,
  SignerMessage,
  SignerReply,
  WriterInput,
  WriterMessage,
  WriterReply
} from "./WriterProtocol.ts"

export interface SqliteBackend extends LogBackend {
  /** Registers what to call, once, when a thread fails. */
  readonly onFailure: (callback: (failure: StoreFailed) => void) => void
}

/** Longest that the event loop is kept awake for an answer, in milliseconds. */
const watchMillis = 2

/** A thread that ends with its scope, whatever it is doing. */
const thread = (path: string, name: string, input: WriterInput | SignerInput) =>
  Effect.acquireRelease(
    Effect.try({
      // Without execArgv the worker would load what this process was started with, such as a TypeScript loader.
      try: () => new Worker(WorkerEntry.path(name), { workerData: input, execArgv: [], name: `agentops ${name}` }),
      catch: (error) => SqliteFailure.from(path, error)
    }),
    (worker) => Effect.promise(() => worker.terminate())
  )

/** Starts both threads on a database that `AuditDatabase.create` made. */
export const make = (path: string, origin: string): Effect.Effect<SqliteBackend, StoreFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const slot = new SharedSlot()
    const writer = yield* thread(path, "AuditWriter", { path, slot: slot.memory })
    const signer = yield* thread(path, "CheckpointSigner", { origin })

    const stored: Array<() => void> = []
    const signed: Array<(head: SignedHead) => void> = []
    let onFailure: ((failure: StoreFailed) => void) | undefined
    let failure: StoreFailed | undefined
    let finished: ((done: Effect.Effect<void, StoreFailed>) => void) | undefined
    let ended = false

    const fail = (error: StoreFailed) => {
      if (failure !== undefined || ended) return
      failure = error
      finished?.(Effect.fail(error))
      onFailure?.(error)
    }
    const crashed = (what: string) => (error: unknown) =>
      fail(new StoreFailed({ path, reason: "crashed", detail: `${what} stopped: ${String(error)}` }))
    writer.on("error", crashed("the writer thread"))
    signer.on("error", crashed("the signing thread"))
    writer.on("exit", (code) => crashed("the writer thread")(`exit ${code}`))
    signer.on("exit", (code) => crashed("the signing thread")(`exit ${code}`))

    // An event loop that turns sees an answer at once; one that sleeps has to be woken by a message. So it turns, for a
    // bounded time, while somebody waits.
    let inSlot = false
    let turning = false
    let watchUntil = 0
    const lookIntoSlot = (isAnswered: () => boolean) => {
      if (!inSlot || !isAnswered()) return
      inSlot = false
      stored.shift()?.()
    }
    const turn = () => {
      const isOver = performance.now() >= watchUntil
      if (isOver) watchUntil = 0
      lookIntoSlot(() => (isOver ? slot.rest() : slot.collect()))
      turning = stored.length > 0 && watchUntil > 0 // whoever got an answer may have the next record already
      if (turning) setImmediate(turn)
    }
    const watch = () => {
      watchUntil = performance.now() + watchMillis
      if (!turning) setImmediate(turn)
      turning = true
    }

    const start = Effect.async<Extract<SignerReply, { _tag: "Keys" }>, StoreFailed>((resume) => {
      let keys: Extract<SignerReply, { _tag: "Keys" }> | undefined
      let ready = false
      const begin = () => (ready && keys !== undefined ? resume(Effect.succeed(keys)) : undefined)
      onFailure = (error) => resume(Effect.fail(error))
      writer.on("message", (reply: WriterReply) => {
        switch (reply._tag) {
          case "Stored":
            lookIntoSlot(() => slot.collect())
            for (let at = 0; at < reply.segments; at++) stored.shift()?.()
            return
          case "Ready":
            ready = true
            return begin()
          case "Finished":
            ended = true
            return finished?.(Effect.void)
          case "Failed":
            return fail(SqliteFailure.from(path, reply))
        }
      })
      signer.on("message", (reply: SignerReply) => {
        if (reply._tag === "Signed") return signed.shift()?.(reply.head)
        keys = reply
        return begin()
      })
    })
    const post = (message: WriterMessage) => {
      writer.postMessage(message, [])
      slot.wake()
    }

    const { firstKey, nextKey } = yield* start
    onFailure = undefined

    return {
      path,
      firstKey,
      nextKey,
      write: ({ awaited, first, hashes, leaves, notes }, done) => {
        const isAlone = awaited && stored.length === 0 && leaves.length === 1 && notes.length === 0
        stored.push(done)
        if (isAlone) {
          slot.put({ seq: first, leaf: leaves[0]!, hash: hashes }) // there is one
          inSlot = true
        } else {
          post({ _tag: "Segment", first, count: leaves.length, text: leaves.join("\n"), hashes, notes, awaited })
        }
        if (awaited) watch()
      },
      sign: (kind, hashes, done) => {
        signed.push(done)
        const message: SignerMessage = { kind, hashes }
        signer.postMessage(message, [])
      },
      finish: Effect.async((resume) => {
        if (failure !== undefined) return resume(Effect.fail(failure))
        finished = resume
        post({ _tag: "Finish" })
      }),
      onFailure: (callback) => {
        onFailure = callback
        if (failure !== undefined) callback(failure)
      },
      entries: (range) => AuditDatabase.entries(path, range),
      checkpoints: AuditDatabase.checkpoints(path)
    }
  })
