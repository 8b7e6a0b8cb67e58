import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Path from "node:path"
import * as Entry from "../../src/domain/Entry.ts"
import * as AuditStoreMemory from "../../src/layers/AuditStoreMemory.ts"
import type { Bounds } from "../../src/layers/collector/Bounds.ts"
import * as CollectorTcp from "../../src/layers/CollectorTcp.ts"
import * as CollectorUnix from "../../src/layers/CollectorUnix.ts"
import * as SignerMemory from "../../src/layers/SignerMemory.ts"
import { AuditStore } from "../../src/services/AuditStore.ts"
import { Collector } from "../../src/services/Collector.ts"
import * as Cli from "../fixtures/Cli.ts"
import * as Senders from "../fixtures/Senders.ts"

const { session } = Senders
const token = "5eed".repeat(16)
const other = "0ddb".repeat(16)

const log = AuditStoreMemory.layer({ run: session, tool: "test" }).pipe(Layer.provide(SignerMemory.layer))

const kinds = [
  {
    name: "on a Unix socket",
    hello: "",
    layer: (bounds?: Partial<Bounds>) =>
      CollectorUnix.layer({ path: Path.join(Cli.scratch(), "audit.sock"), session, bounds })
  },
  {
    name: "on a TCP address",
    hello: `${token}\n`,
    layer: (bounds?: Partial<Bounds>) =>
      CollectorTcp.layer({ host: "127.0.0.1", port: 0, token: Redacted.make(token), session, bounds })
  }
]

const promise = <A>(body: () => Promise<A>) => Effect.promise(body)

/** What is in the log but the store's own entries. */
const entries = Effect.gen(function* () {
  const store = yield* AuditStore
  const leaves = Chunk.toReadonlyArray(yield* Stream.runCollect(store.entries()))
  return leaves
    .map((leaf) => Either.getOrThrow(Entry.decode(leaf)))
    .filter(({ type }) => !["log.open", "log.key", "log.tick", "log.clock"].includes(type))
})

for (const { hello, layer, name } of kinds) {
  const collecting = <A, E>(
    body: Effect.Effect<A, E, Collector | AuditStore>,
    bounds?: Partial<Bounds>
  ): Effect.Effect<A, unknown> => Effect.suspend(() => Effect.provide(body, Layer.provideMerge(layer(bounds), log)))

  describe(`a collector ${name}`, () => {
    it.live("records what senders report, with its channel as the source, and closes when it is durable", () =>
      collecting(
        Effect.gen(function* () {
          const { counts, endpoint } = yield* Collector
          yield* promise(() => Senders.sendAll(endpoint, hello + Senders.open("/etc/hosts")))
          const [entry, ...rest] = yield* entries
          assert.deepStrictEqual(rest, [])
          assert.deepInclude(entry, { type: "open", source: "shim" })
          assert.deepStrictEqual(entry?.data, { at: "2025-12-01T12:00:00.000Z", flags: 0, path: "/etc/hosts", pid: 41 })
          assert.deepStrictEqual(yield* counts, { connections: 1, entries: 1, malformed: 0, dropped: 0 })
        })
      )
    )

    it.live("opens the runner's channel to its secret, once", () =>
      collecting(
        Effect.gen(function* () {
          const { endpoint, runnerSecret } = yield* Collector
          const secret = Redacted.value(runnerSecret)
          const exit = Senders.line(
            "Exit",
            { major_faults: 0, max_rss_kib: 1, minor_faults: 0, pid: 7, status: 0, system_us: 1, user_us: 1 },
            { source: "Runner" }
          )
          yield* promise(() => Senders.sendAll(endpoint, `${secret}\n${exit}`))
          yield* promise(() => Senders.sendAll(endpoint, `${secret}\n${exit}`))
          yield* promise(() => Senders.sendAll(endpoint, hello + exit))
          const recorded = yield* entries
          assert.deepStrictEqual(
            recorded.map(({ data, source, type }) => [type, source, data["claims"]]),
            [
              ["exit", "runner", undefined],
              ["malformed", "shim", undefined],
              ["exit", "shim", "Runner"]
            ]
          )
          assert.notInclude(JSON.stringify(recorded), secret)
        })
      )
    )

    it.live("closes a connection that begins with another token, and records that without the token", () =>
      collecting(
        Effect.gen(function* () {
          const { drain, endpoint } = yield* Collector
          yield* promise(() => Senders.sendAll(endpoint, `${other}\n${Senders.open("/never")}`))
          yield* drain // who is turned away learns of it at once, not when the refusal is durable
          const recorded = yield* entries
          assert.deepStrictEqual(
            recorded.map(({ type }) => type),
            ["malformed"]
          )
          assert.notInclude(JSON.stringify(recorded), other)
          assert.notInclude(JSON.stringify(recorded), "/never")
        })
      )
    )

    it.live("reads, when it is drained, all that the kernel has accepted", () =>
      collecting(
        Effect.gen(function* () {
          const { drain, endpoint } = yield* Collector
          const count = 500
          yield* promise(async () => {
            for (let at = 0; at < 20; at++) {
              const sender = await Senders.connect(endpoint)
              const lines = Array.from({ length: count }, (_, line) => Senders.open(`/${at}/${line}`))
              await sender.send(hello + lines.join(""))
              if (at % 2 === 0) sender.socket.destroy()
            }
          })
          const counts = yield* drain
          assert.deepStrictEqual(counts, { connections: 20, entries: 20 * count, malformed: 0, dropped: 0 })
          assert.strictEqual((yield* entries).length, 20 * count)
          assert.deepStrictEqual(yield* drain, counts)
          const refused = yield* Effect.either(Effect.tryPromise(() => Senders.connect(endpoint)))
          assert.isTrue(Either.isLeft(refused))
        })
      )
    )
  })
}
