import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Path from "node:path"
import type { Bounds } from "../../src/layers/collector/Bounds.ts"
import * as Service from "../../src/layers/collector/Service.ts"
import * as ArraySink from "../fixtures/ArraySink.ts"
import * as Cli from "../fixtures/Cli.ts"
import * as Senders from "../fixtures/Senders.ts"

const token = "5eed".repeat(16)

const start = (kind: "unix" | "tcp", sink: ArraySink.ArraySink, bounds: Partial<Bounds> = {}) =>
  Effect.map(
    Service.make({
      session: Senders.session,
      places:
        kind === "unix"
          ? [{ _tag: "Unix", path: Path.join(Cli.scratch(), "audit.sock") }]
          : [{ _tag: "Tcp", host: "127.0.0.1", port: 0, token: Redacted.make(token) }],
      sink,
      rotate: Effect.void,
      bounds
    }),
    ({ collector }) => collector
  )

const promise = <A>(body: () => Promise<A>) => Effect.promise(body)
const eventually = (holds: () => boolean, what: string) => promise(() => Cli.eventually(holds, what))

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))
const pathsOf = ({ records }: ArraySink.ArraySink) =>
  records.flatMap(({ data, type }) => (type === "open" ? [textOf(data["path"])] : []))
const reasonsOf = ({ records }: ArraySink.ArraySink) =>
  records.flatMap(({ data, type }) => (type === "malformed" ? [textOf(data["reason"])] : []))

const mebibyte = 1024 * 1024

describe("a collector and its senders", () => {
  it.scopedLive("one that floods does not hold up another", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { endpoint } = yield* start("unix", sink)
      yield* promise(async () => {
        const flood = await Senders.connect(endpoint)
        const block = Buffer.from(Senders.open("/flood").repeat(2000))
        const end = new AbortController()
        let sent = 0
        const pour = async () => {
          while (!end.signal.aborted) {
            await flood.send(block)
            sent += 2000
          }
        }
        const pouring = pour()
        await Cli.eventually(() => sink.records.length > 10_000, "the flood")
        const before = sink.records.length
        await Senders.sendAll(endpoint, Senders.open("/other"))
        const place = sink.records.findIndex(({ data }) => data["path"] === "/other") - before
        end.abort()
        await pouring
        flood.end()
        await flood.closed
        assert.isBelow(place, 20_000)
        assert.strictEqual(sink.records.length, sent + 1)
      })
    })
  )

  it.scopedLive("when nothing becomes durable are not read, and nothing is lost when it does again", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(false)
      const { counts, drain, endpoint } = yield* start("unix", sink, {
        maxBatchesInFlight: 2,
        maxBatchRecords: 100,
        maxWaitingBytes: mebibyte
      })
      const senders = 32
      const lines = 5000
      const sending = promise(() =>
        Promise.all(
          Array.from({ length: senders }, (_, at) =>
            Senders.sendAll(
              endpoint,
              ...Array.from({ length: 50 }, (_, part) => Senders.open(`/${at}/${part}`).repeat(lines / 50))
            )
          )
        )
      )
      const before = process.memoryUsage().rss
      const fiber = yield* Effect.fork(sending)
      yield* eventually(() => sink.held() === 2, "both batches")
      yield* Effect.sleep(200)
      assert.strictEqual(sink.held(), 2)
      assert.isAtMost(sink.records.length, 2 * 100)
      assert.isBelow(process.memoryUsage().rss - before, 128 * mebibyte)
      assert.deepInclude(yield* counts, { connections: senders, entries: 0 })
      sink.open()
      yield* Effect.fromFiber(fiber)
      const after = yield* drain
      assert.deepStrictEqual(after, { connections: senders, entries: senders * lines, malformed: 0, dropped: 0 })
      const ofFirst = pathsOf(sink).filter((path) => path.startsWith("/0/"))
      assert.deepStrictEqual(
        ofFirst,
        Array.from({ length: lines }, (_, at) => `/0/${Math.floor(at / (lines / 50))}`)
      )
    })
  )

  it.scopedLive("may send 1 GiB without a newline: one refusal, no memory, and the next line counts", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { endpoint } = yield* start("unix", sink)
      const before = process.memoryUsage().rss
      yield* promise(async () => {
        const sender = await Senders.connect(endpoint)
        const block = Buffer.alloc(4 * mebibyte, "x")
        for (let at = 0; at < 256; at++) await sender.send(block)
        await sender.send(`\n${Senders.open("/after")}`)
        sender.end()
        await sender.closed
      })
      assert.isBelow(process.memoryUsage().rss - before, 128 * mebibyte)
      assert.strictEqual(sink.records.length, 2)
      assert.deepInclude(sink.records[0], { type: "malformed", source: "shim" })
      assert.strictEqual(sink.records[0]?.data["head"], "x".repeat(512))
      assert.deepStrictEqual(pathsOf(sink), ["/after"])
    })
  )

  it.scopedLive("that send nonsense, bytes and half lines are told apart, and harm no other line", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { endpoint } = yield* start("unix", sink)
      const nonsense = [
        Buffer.from([0, 255, 254, 10]),
        Buffer.from(Senders.open("/a")),
        Buffer.from("\n"),
        Buffer.from(`${"[".repeat(60_000)}\n`),
        Buffer.from(Senders.line("Open", { flags: 0, path: "/b", pid: 41, mood: "good" })),
        Buffer.from(Senders.open("/c")),
        Buffer.from(Senders.open("/half").slice(0, -20))
      ]
      yield* promise(() => Senders.sendAll(endpoint, ...nonsense))
      assert.deepStrictEqual(pathsOf(sink), ["/a", "/c"])
      assert.deepStrictEqual(reasonsOf(sink), [
        "not UTF-8",
        "an empty line",
        "not JSON: it ends too soon",
        'payload: unknown member "mood"',
        "a line without LF at the end of its connection"
      ])
      assert.deepStrictEqual(sink.records[0]?.data["head"], { $b64: "AP/+" })
    })
  )

  it.scopedLive("that send more nonsense than the rate have it counted in the log, none of it is lost", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { drain, endpoint } = yield* start("unix", sink)
      yield* promise(() => Senders.sendAll(endpoint, "nonsense\n".repeat(10_000), Senders.open("/after")))
      const counts = yield* drain
      const entries = reasonsOf(sink).length
      const dropped = sink.records.filter(({ type }) => type === "log.drop")
      const count = dropped.reduce((sum, { data }) => sum + Number(data["count"]), 0)
      assert.deepStrictEqual([counts.malformed, counts.dropped], [10_000, count])
      assert.strictEqual(entries + count, 10_000)
      assert.isBelow(entries, 200)
      assert.deepStrictEqual(pathsOf(sink), ["/after"])
      assert.isTrue(dropped.every(({ source }) => source === "recorder"))
    })
  )

  it.scopedLive("may open 5000 connections: those beyond the bound are closed and counted, the others work", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { counts, endpoint } = yield* start("unix", sink)
      const senders = yield* promise(async () => {
        const all: Array<Senders.Sender> = []
        // Only this event loop empties the kernel's queue.
        while (all.length < 5000) {
          all.push(...(await Promise.all(Array.from({ length: 500 }, () => Senders.connect(endpoint)))))
          await Cli.eventually(() => Effect.runSync(counts).connections === all.length, "all are accepted")
        }
        return all
      })
      yield* promise(async () => {
        await senders[0]?.send(Senders.open("/first"))
        await senders[4095]?.send(Senders.open("/last"))
        await Cli.eventually(() => pathsOf(sink).length === 2, "both lines")
        await senders[4999]?.closed
      })
      const { connections, malformed } = yield* counts
      assert.deepStrictEqual([connections, malformed], [5000, 904])
      for (const { socket } of senders) socket.destroy()
      // It learns of one end after the other, and a newcomer may be quicker.
      yield* promise(async () => {
        while (pathsOf(sink).length < 3) await Senders.sendAll(endpoint, Senders.open("/later"))
      })
      assert.deepStrictEqual(pathsOf(sink), ["/first", "/last", "/later"])
    })
  )

  it.scopedLive("that hold unfinished lines share a bound, which is not the runner's", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { endpoint, runnerSecret } = yield* start("unix", sink, { maxUnfinishedBytes: mebibyte })
      const half = Senders.open(`/${"x".repeat(32_000)}`)
      yield* promise(async () => {
        const runner = await Senders.connect(endpoint)
        await runner.send(`${Redacted.value(runnerSecret)}\n`)
        const shims = await Promise.all(Array.from({ length: 100 }, () => Senders.connect(endpoint)))
        for (const shim of shims) await shim.send(half.slice(0, -1))
        await Cli.eventually(() => reasonsOf(sink).length > 0, "a refusal")
        await runner.send(half.slice(0, -1))
        await runner.send("\n")
        await Cli.eventually(() => pathsOf(sink).length === 1, "the runner's line")
        for (const { socket } of shims) socket.destroy()
      })
      assert.strictEqual(sink.records.find(({ type }) => type === "open")?.source, "runner")
    })
  )

  it.scopedLive("on TCP have a bounded time for their token, in which nothing that they send is looked at", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { endpoint } = yield* start("tcp", sink, { tokenMillis: 100 })
      yield* promise(async () => {
        const slow = await Senders.connect(endpoint)
        for (const digit of token.slice(0, 32)) await slow.send(digit)
        await slow.closed
        const early = await Senders.connect(endpoint)
        await early.send(Senders.open("/early"))
        await early.closed
        const crlf = await Senders.connect(endpoint)
        await crlf.send(`${token}\r\n${Senders.open("/crlf")}`)
        await crlf.closed
        await Senders.sendAll(
          endpoint,
          token.slice(0, 7),
          `${token.slice(7)}\n${Senders.open("/good").slice(0, 9)}`,
          Senders.open("/good").slice(9)
        )
      })
      assert.deepStrictEqual(pathsOf(sink), ["/good"])
      assert.deepStrictEqual(reasonsOf(sink), [
        "a connection without its token for 100 ms",
        "a connection that did not begin with its token",
        "a connection that did not begin with its token"
      ])
      assert.notInclude(JSON.stringify(sink.records), token.slice(0, 16))
    })
  )

  it.scopedLive("on TCP without a token make room for newer ones", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { endpoint } = yield* start("tcp", sink, { maxUnproven: 8 })
      yield* promise(async () => {
        const idle = await Promise.all(Array.from({ length: 20 }, () => Senders.connect(endpoint)))
        await Senders.sendAll(endpoint, `${token}\n${Senders.open("/good")}`)
        await idle[0]?.closed
      })
      assert.deepStrictEqual(pathsOf(sink), ["/good"])
    })
  )

  it.scopedLive("that name a token in what they report do not get it into the log", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { endpoint } = yield* start("tcp", sink)
      yield* promise(() =>
        Senders.sendAll(endpoint, `${token}\n${Senders.open(`/proc/${token}/x`)}${token}\n{"${token}":1}\n${token}`)
      )
      assert.deepStrictEqual(pathsOf(sink), [`/proc/${"*".repeat(64)}/x`])
      assert.strictEqual(sink.records.length, 4)
      assert.notInclude(JSON.stringify(sink.records), token)
    })
  )

  it.scopedLive("that go on sending when the recording ends are cut off, and the log says so", () =>
    Effect.gen(function* () {
      const sink = ArraySink.make(true)
      const { drain, endpoint } = yield* start("unix", sink, { drainMillis: 200 })
      const sender = yield* promise(() => Senders.connect(endpoint))
      const block = Buffer.from(Senders.open("/on").repeat(500))
      let isOver = false
      const pour = () => void (isOver || sender.socket.write(block, pour))
      pour()
      yield* eventually(() => sink.records.length > 0, "the first lines")
      const counts = yield* drain
      isOver = true
      assert.strictEqual(counts.entries, sink.records.length)
      assert.include(reasonsOf(sink).join(), "still sending when the recording ended")
    })
  )
})
