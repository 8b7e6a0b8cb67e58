import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Redacted from "effect/Redacted"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Service from "../../src/layers/collector/Service.ts"
import * as SocketFile from "../../src/layers/collector/SocketFile.ts"
import * as ArraySink from "../fixtures/ArraySink.ts"
import * as Cli from "../fixtures/Cli.ts"
import * as Senders from "../fixtures/Senders.ts"

const start = (path: string, sink = ArraySink.make(true)) =>
  Effect.map(
    Service.make({ session: Senders.session, places: [{ _tag: "Unix", path }], sink, rotate: Effect.void }),
    ({ collector }) => collector
  )

const promise = <A>(body: () => Promise<A>) => Effect.promise(body)

/** Leaves a socket behind on which nobody listens. */
const leaveStale = (path: string): void => {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`
  spawnSync(process.execPath, ["-e", script])
  assert.isTrue(Fs.lstatSync(path).isSocket())
}

/** A path in a new directory, of so many bytes. */
const pathOf = (bytes: number): string => {
  const directory = Cli.scratch()
  const parts = ["d".repeat(60), "e".repeat(60)]
  const deep = bytes > directory.length + 130 ? Path.join(directory, ...parts) : directory
  Fs.mkdirSync(deep, { recursive: true })
  return Path.join(deep, "s".repeat(bytes - deep.length - 1))
}

const reasonOf = (result: Either.Either<unknown, { readonly message: string }>): string =>
  Either.isLeft(result) ? result.left.message : "it worked"

describe("the collector's socket", () => {
  it.scopedLive("is write-only for everybody, whatever the umask", () =>
    Effect.gen(function* () {
      for (const umask of [0o000, 0o077, 0o777]) {
        const before = process.umask(umask)
        const path = pathOf(60)
        process.umask(before)
        process.umask(umask)
        yield* start(path).pipe(Effect.ensuring(Effect.sync(() => process.umask(before))))
        assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o222)
      }
    })
  )

  it.scopedLive("is gone when the scope closes", () =>
    Effect.gen(function* () {
      for (const path of [
        pathOf(60),
        pathOf(SocketFile.maxPathBytes),
        pathOf(SocketFile.maxPathBytes + 1),
        pathOf(220)
      ]) {
        const scope = yield* Scope.make()
        const { endpoint } = yield* Scope.extend(start(path), scope)
        const bound = endpoint.slice("unix://".length)
        assert.isAtMost(Buffer.byteLength(bound), SocketFile.maxPathBytes)
        assert.isTrue(Fs.statSync(path).isSocket())
        assert.strictEqual(Fs.realpathSync(path), Fs.realpathSync(bound))
        yield* promise(() => Senders.sendAll(endpoint, Senders.open("/x")))
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(Fs.readdirSync(Path.dirname(path)), [])
        assert.isFalse(Fs.existsSync(bound))
        if (bound !== path) assert.isFalse(Fs.existsSync(Path.dirname(bound)))
      }
    })
  )

  it.scopedLive("of a path that is too long stands in a directory that nobody else can enter", () =>
    Effect.gen(function* () {
      const path = pathOf(200)
      const { endpoint } = yield* start(path)
      const directory = Path.dirname(endpoint.slice("unix://".length))
      assert.strictEqual(Fs.statSync(directory).mode & 0o777, 0o700)
      assert.isTrue(Fs.lstatSync(path).isSymbolicLink())
    })
  )

  it.scopedLive("of a dead collector is replaced, also behind a link", () =>
    Effect.gen(function* () {
      const path = pathOf(60)
      leaveStale(path)
      const { endpoint } = yield* start(path)
      yield* promise(() => Senders.sendAll(endpoint, Senders.open("/x")))
      assert.deepStrictEqual(Fs.readdirSync(Path.dirname(path)), [Path.basename(path)])

      const long = pathOf(200)
      const dead = Path.join(Fs.mkdtempSync(Path.join(Cli.scratch(), "agentops-")), "audit.sock")
      leaveStale(dead)
      Fs.symlinkSync(dead, long)
      yield* start(long)
      assert.isFalse(Fs.existsSync(dead))
    })
  )

  it.scopedLive("of a collector that lives is left alone, also behind a link", () =>
    Effect.gen(function* () {
      for (const path of [pathOf(60), pathOf(200)]) {
        const sink = ArraySink.make(true)
        const { endpoint } = yield* start(path, sink)
        const second = yield* Effect.either(Effect.scoped(start(path)))
        assert.match(reasonOf(second), /another collector listens there/)
        assert.include(reasonOf(second), path)
        yield* promise(() => Senders.sendAll(endpoint, Senders.open("/x")))
        assert.strictEqual(sink.records.length, 1)
      }
    })
  )

  it.scopedLive("never takes the place of a file, a directory or somebody's link", () =>
    Effect.gen(function* () {
      const file = pathOf(60)
      Fs.writeFileSync(file, "mine")
      const directory = pathOf(60)
      Fs.mkdirSync(directory)
      const link = pathOf(60)
      Fs.symlinkSync(file, link)
      for (const path of [file, directory, link]) {
        const result = yield* Effect.either(Effect.scoped(start(path)))
        assert.match(reasonOf(result), /there is a (?:file that is no socket|symbolic link of somebody else)/)
      }
      assert.strictEqual(Fs.readFileSync(file, "utf8"), "mine")
      const nowhere = yield* Effect.either(Effect.scoped(start(Path.join(file, "audit.sock"))))
      assert.match(reasonOf(nowhere), /not a directory|is no socket|directory/)
    })
  )

  it.scopedLive("of two collectors that start at once on a stale socket, one gets it and the other says so", () =>
    Effect.gen(function* () {
      const path = pathOf(60)
      leaveStale(path)
      const sinks = Array.from({ length: 2 }, () => ArraySink.make(true))
      const started = yield* Effect.forEach(sinks, (sink) => Effect.either(start(path, sink)), {
        concurrency: "unbounded"
      })
      const winners = started.filter(Either.isRight)
      assert.strictEqual(winners.length, 1)
      for (const result of started.filter(Either.isLeft)) assert.match(reasonOf(result), /listens there/)
      yield* promise(() => Senders.sendAll(`unix://${path}`, Senders.open("/x")))
      assert.strictEqual(sinks.flatMap(({ records }) => records).length, 1)
    })
  )

  it.scopedLive("has one token for its TCP addresses, and a whole one", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.either(
        Service.make({
          session: Senders.session,
          places: [{ _tag: "Tcp", host: "127.0.0.1", port: 0, token: Redacted.make("short") }],
          sink: ArraySink.make(true),
          rotate: Effect.void
        })
      )
      assert.match(reasonOf(refused), /64 lower-case hex digits/)
      assert.notInclude(reasonOf(refused), "short")
    })
  )
})
