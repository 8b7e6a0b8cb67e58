import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as ConsoleLines from "../../src/domain/ConsoleLines.ts"
import * as ConsoleTee from "../../src/layers/ConsoleTee.ts"
import type * as Destination from "../../src/layers/Destination.ts"
import type { AuditRecord } from "../../src/services/AuditStore.ts"
import type { Drained, ExitStatus, Guest, OutputHandler } from "../../src/services/ContainerRuntime.ts"

class Broken extends Data.TaggedError("Broken") {}

type StreamName = ConsoleLines.StreamName

/** A guest whose output is a script; it counts each time that it is told to go on although it was not stopped. */
const scripted = (...script: ReadonlyArray<readonly [StreamName, ReadonlyArray<Uint8Array>]>) => {
  const exited = Deferred.unsafeMake<ExitStatus>(FiberId.none)
  const ended = Deferred.unsafeMake<Drained>(FiberId.none)
  const queues = new Map(script.map(([name, chunks]) => [name, [...chunks]]))
  const held = new Set<StreamName>()
  const ends: { [name in StreamName]?: "eof" | "destination-closed" } = {}
  let handler: OutputHandler | undefined
  let needlessResumes = 0
  let stopped = false
  const end = (name: StreamName, how: "eof" | "destination-closed") => {
    if (ends[name] !== undefined) return
    ends[name] = how
    handler?.onEnd(name)
    if (Object.keys(ends).length === queues.size) Deferred.unsafeDone(ended, Effect.succeed(ends))
  }
  const flow = (name: StreamName) =>
    setImmediate(() => {
      if (held.has(name) || ends[name] !== undefined) return
      const bytes = queues.get(name)?.shift()
      if (bytes === undefined) return end(name, "eof")
      if (handler?.onChunk(name, bytes) === false) held.add(name)
      flow(name)
    })
  const guest: Guest = {
    pid: 1,
    path: "/script",
    isolation: { kind: "none", reasons: [] },
    output: {
      streams: [...queues.keys()],
      attach: (given) => {
        handler = given
        for (const name of queues.keys()) flow(name)
      },
      resume: (name) => {
        if (!held.delete(name)) needlessResumes++
        flow(name)
      },
      close: (name) => end(name, "destination-closed"),
      drained: Deferred.await(ended)
    },
    input: undefined,
    exit: Deferred.await(exited),
    signal: () => Effect.void,
    forward: () => Effect.void,
    stop: () =>
      Effect.suspend(() => {
        stopped = true
        Deferred.unsafeDone(exited, Effect.succeed({ code: 0, signal: null }))
        return Deferred.await(exited)
      }),
    resize: () => Effect.void
  }
  return {
    guest,
    held,
    exitNow: Deferred.succeed(exited, { code: 0, signal: null }),
    needlessResumes: () => needlessResumes,
    stopped: () => stopped
  }
}

/** A sink that refuses while its plan says so, and takes the next offer after having called back. */
const pickySink = (refusals: ReadonlyArray<boolean>) => {
  const records: Array<AuditRecord> = []
  const callbacks = new Set<() => void>()
  let offers = 0
  const sink: ConsoleTee.ConsoleSink = {
    offer: (batch) => {
      if (refusals[offers++ % Math.max(refusals.length, 1)] === true) {
        setImmediate(() => {
          for (const callback of callbacks) callback()
        })
        return false
      }
      records.push(...batch)
      return true
    },
    onDrain: (callback) => {
      callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
    failed: Effect.never
  }
  return { sink, records, callbacks }
}

/** A destination that stalls while its plan says so. */
const slowDestination = (stalls: ReadonlyArray<boolean> = []) => {
  const chunks: Array<Uint8Array> = []
  const callbacks: Array<() => void> = []
  let closed = false
  const destination: Destination.Destination = {
    write: (bytes) => {
      chunks.push(bytes)
      if (stalls[chunks.length % Math.max(stalls.length, 1)] !== true) return true
      setImmediate(() => {
        for (const callback of callbacks) callback()
      })
      return false
    },
    onDrain: (callback) => void callbacks.push(callback),
    closed: () => closed,
    flush: Effect.void
  }
  const close = () => {
    closed = true
    for (const callback of callbacks) callback()
  }
  return { destination, close, bytes: () => Buffer.concat(chunks) }
}

const everywhere = (destination: Destination.Destination) => ({
  stdout: destination,
  stderr: destination,
  tty: destination
})

const isLine = (data: unknown): data is ConsoleLines.ConsoleLine =>
  typeof data === "object" && data !== null && "line" in data && "stream" in data

/** The bytes that the records of a stream stand for. */
const bytesOf = (records: ReadonlyArray<AuditRecord>, stream: StreamName) =>
  Buffer.concat(
    records
      .map(({ data }) => data)
      .filter(isLine)
      .filter((line) => line.stream === stream)
      .map(ConsoleLines.bytesOf)
  )

const failingSink = (failure: Deferred.Deferred<never, Broken>): ConsoleTee.ConsoleSink => ({
  offer: () => false,
  onDrain: () => () => {},
  failed: Deferred.await(failure)
})

const utf8 = (text: string) => Buffer.from(text, "utf8")

describe("ConsoleTee", () => {
  it.live("what is printed is shown unchanged and recorded as lines of the agent", () =>
    Effect.gen(function* () {
      const { guest, exitNow } = scripted(["stdout", [utf8("one\ntw"), utf8("o\r\n")]], ["stderr", [utf8("warn\n")]])
      const { records, sink } = pickySink([])
      const shown = slowDestination()
      yield* exitNow
      const tee = yield* ConsoleTee.record(guest, sink, "stop", everywhere(shown.destination))
      assert.deepStrictEqual(yield* tee.drained, { stdout: "eof", stderr: "eof" })
      assert.sameDeepMembers(records, [
        { type: "console", source: "agent", data: { line: "warn", stream: "stderr" } },
        { type: "console", source: "agent", data: { line: "one", stream: "stdout" } },
        { type: "console", source: "agent", data: { line: "two\r", stream: "stdout" } }
      ])
      assert.strictEqual(shown.bytes().length, 14)
    }).pipe(Effect.scoped)
  )

  const chunks = FastCheck.array(
    FastCheck.oneof(
      FastCheck.uint8Array({ maxLength: 30 }),
      FastCheck.array(FastCheck.constantFrom("a\n", "b", "\n", "✓\n"), { maxLength: 700 }).map((all) =>
        utf8(all.join(""))
      )
    ),
    { maxLength: 10 }
  )
  const plan = FastCheck.array(FastCheck.boolean(), { minLength: 1, maxLength: 8 }).map((all) => [...all, false])

  it.effect.prop(
    "however slow the log and the user are: every byte reaches both, in order, and only a held stream is resumed",
    [chunks, chunks, plan, plan, plan],
    ([stdout, stderr, refusals, stallsOut, stallsErr]) =>
      Effect.gen(function* () {
        const { guest, exitNow, needlessResumes } = scripted(["stdout", stdout], ["stderr", stderr])
        const { records, sink, callbacks } = pickySink(refusals)
        const out = slowDestination(stallsOut)
        const err = slowDestination(stallsErr)
        yield* exitNow
        yield* Effect.scoped(
          Effect.flatMap(
            ConsoleTee.record(guest, sink, "stop", {
              stdout: out.destination,
              stderr: err.destination,
              tty: out.destination
            }),
            (tee) => tee.drained
          )
        )
        assert.isTrue(out.bytes().equals(Buffer.concat(stdout)))
        assert.isTrue(err.bytes().equals(Buffer.concat(stderr)))
        assert.isTrue(bytesOf(records, "stdout").equals(Buffer.concat(stdout)))
        assert.isTrue(bytesOf(records, "stderr").equals(Buffer.concat(stderr)))
        assert.deepStrictEqual([needlessResumes(), callbacks.size], [0, 0])
      }),
    { fastCheck: { numRuns: 50 } }
  )

  it.live("a prompt without LF is recorded after a second, and its line goes on as the next part", () =>
    Effect.gen(function* () {
      const prompt = yield* Deferred.make<void>()
      const { guest, exitNow, held } = scripted(["tty", [utf8("$ "), utf8("ls\r\n")]])
      const { records, sink } = pickySink([])
      const shown = slowDestination()
      let stalled = true
      const tee = yield* ConsoleTee.record(
        guest,
        {
          ...sink,
          offer: (batch) => {
            Deferred.unsafeDone(prompt, Effect.void)
            return sink.offer(batch)
          }
        },
        "stop",
        everywhere({
          ...shown.destination,
          write: (bytes) => {
            shown.destination.write(bytes)
            return !stalled
          }
        })
      )
      yield* Deferred.await(prompt)
      assert.deepStrictEqual(
        records.map(({ data }) => data),
        [{ eol: false, line: "$ ", part: 0, stream: "tty" }]
      )
      assert.deepStrictEqual([...held], ["tty"])
      stalled = false
      shown.close()
      yield* exitNow
      yield* tee.drained
      assert.strictEqual(shown.bytes().toString(), "$ ")
    }).pipe(Effect.scoped)
  )

  it.live("when nobody reads any more the guest's stream is closed, and what was read is recorded", () =>
    Effect.gen(function* () {
      const { guest, exitNow } = scripted(["stdout", [utf8("y\n"), utf8("y\n"), utf8("y\n")]], ["stderr", []])
      const { records, sink } = pickySink([])
      const shown = slowDestination()
      shown.close()
      yield* exitNow
      const tee = yield* ConsoleTee.record(guest, sink, "stop", everywhere(shown.destination))
      assert.deepStrictEqual(yield* tee.drained, { stdout: "destination-closed", stderr: "eof" })
      assert.strictEqual(records.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("when the log fails, `stop` holds the output back until the guest has ended, and then lets it end", () =>
    Effect.gen(function* () {
      const failure = yield* Deferred.make<never, Broken>()
      const { guest, exitNow, held } = scripted(["stdout", [utf8("a\n"), utf8("b\n")]], ["stderr", []])
      const shown = slowDestination()
      const tee = yield* ConsoleTee.record(guest, failingSink(failure), "stop", everywhere(shown.destination))
      const drained = yield* Effect.fork(tee.drained)
      yield* Deferred.fail(failure, new Broken())
      while (!held.has("stdout")) yield* Effect.yieldNow()
      yield* Effect.repeatN(Effect.yieldNow(), 20)
      assert.strictEqual(shown.bytes().toString(), "a\n")
      assert.isTrue(Option.isNone(yield* Fiber.poll(drained)))
      yield* exitNow
      yield* Fiber.join(drained)
      assert.strictEqual(shown.bytes().toString(), "a\nb\n")
    }).pipe(Effect.scoped)
  )

  it.live("when the log fails, `continue` shows the output on", () =>
    Effect.gen(function* () {
      const failure = yield* Deferred.make<never, Broken>()
      const { guest, exitNow } = scripted(["stdout", [utf8("a\n"), utf8("b\n")]], ["stderr", []])
      const shown = slowDestination()
      const tee = yield* ConsoleTee.record(guest, failingSink(failure), "continue", everywhere(shown.destination))
      yield* Deferred.fail(failure, new Broken())
      while (shown.bytes().length < 4) yield* Effect.yieldNow()
      yield* exitNow
      yield* tee.drained
    }).pipe(Effect.scoped)
  )

  it.live("closing the scope stops a guest that still runs", () =>
    Effect.gen(function* () {
      const { guest, stopped } = scripted(["stdout", [utf8("a\n")]])
      const { records, sink } = pickySink([])
      const scope = yield* Scope.make()
      yield* Scope.extend(ConsoleTee.record(guest, sink, "stop", everywhere(slowDestination().destination)), scope)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(stopped())
      assert.strictEqual(records.length, 1)
    })
  )
})
