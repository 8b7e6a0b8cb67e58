import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as JsonlWriter from "../../src/layers/JsonlWriter.ts"
import type { AuditRecord } from "../../src/services/AuditStore.ts"
import * as Cli from "../fixtures/Cli.ts"

const record = (path: string): AuditRecord => ({ type: "open", source: "shim", data: { flags: 0, path, pid: 41 } })

const open = (path: string) => JsonlWriter.make({ path, sync: true, maxBatches: 4 })

const write = (writer: JsonlWriter.JsonlWriter, records: ReadonlyArray<AuditRecord>) =>
  Effect.async<void>((resume) => writer.write(records, () => resume(Effect.void)))

const textOf = (path: string) => Fs.readFileSync(path, "utf8")
const pathsIn = (path: string) =>
  textOf(path)
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line).data.path)

describe("a session file", () => {
  it.scoped("has one line a record, with stable members, and is its owner's alone", () =>
    Effect.gen(function* () {
      const path = Path.join(Cli.scratch(), "session-a.jsonl")
      yield* write(yield* open(path), [record("/a"), record("/b\n")])
      assert.strictEqual(
        textOf(path),
        '{"ts":"1970-01-01T00:00:00.000Z","source":"shim","type":"open","data":{"flags":0,"path":"/a","pid":41}}\n' +
          '{"ts":"1970-01-01T00:00:00.000Z","source":"shim","type":"open","data":{"flags":0,"path":"/b\\n","pid":41}}\n'
      )
      assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
    })
  )

  it.scoped("keeps the order of the batches, and goes on where an earlier one ended", () =>
    Effect.gen(function* () {
      const path = Path.join(Cli.scratch(), "session-a.jsonl")
      const batches = Array.from({ length: 4 }, (_, at) => [record(`/${at}/a`), record(`/${at}/b`)])
      for (const _ of [1, 2]) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* open(path)
            yield* Effect.forEach(batches, (batch) => write(writer, batch), { concurrency: "unbounded" })
          })
        )
      }
      const paths = batches.flat().map(({ data }) => data["path"])
      assert.deepStrictEqual(pathsIn(path), [...paths, ...paths])
    })
  )

  it.scoped("that ends in half a line loses that half when it is opened, and says how much", () =>
    Effect.gen(function* () {
      const path = Path.join(Cli.scratch(), "session-a.jsonl")
      for (const [whole, half] of [
        ["", '{"ts":'],
        ['{"data":{}}\n', '{"ts":'],
        ['{"data":{}}\n', "x".repeat(200_000)]
      ] as const) {
        Fs.writeFileSync(path, whole + half)
        yield* Effect.scoped(Effect.flatMap(open(path), (writer) => write(writer, [record("/a")])))
        const lines = textOf(path).slice(whole.length).split("\n")
        assert.strictEqual(textOf(path).slice(0, whole.length), whole)
        assert.deepInclude(JSON.parse(lines[0] ?? ""), {
          source: "recorder",
          type: "log.drop",
          data: { bytes: half.length, count: 1, source: "session-file" }
        })
        assert.strictEqual(JSON.parse(lines[1] ?? "").data.path, "/a")
        assert.deepStrictEqual(lines.slice(2), [""])
      }
    })
  )

  it.scoped("that was renamed stays as it is when it is rotated, and a new one goes on", () =>
    Effect.gen(function* () {
      const path = Path.join(Cli.scratch(), "session-a.jsonl")
      const writer = yield* open(path)
      yield* write(writer, [record("/a")])
      Fs.renameSync(path, `${path}.1`)
      yield* write(writer, [record("/b")])
      yield* writer.rotate
      yield* write(writer, [record("/c")])
      yield* writer.rotate
      yield* write(writer, [record("/d")])
      assert.deepStrictEqual(
        [pathsIn(`${path}.1`), pathsIn(path)],
        [
          ["/a", "/b"],
          ["/c", "/d"]
        ]
      )
    })
  )

  it.scoped("is never somebody else's: no link is followed, and nothing but a file is written", () =>
    Effect.gen(function* () {
      const directory = Cli.scratch()
      const theirs = Path.join(directory, "theirs")
      Fs.writeFileSync(theirs, "no newline")
      const link = Path.join(directory, "link")
      Fs.symlinkSync(theirs, link)
      for (const path of [link, directory, Path.join(directory, "missing", "file")]) {
        const result = yield* Effect.either(Effect.scoped(open(path)))
        assert.isTrue(Either.isLeft(result))
        if (Either.isLeft(result)) assert.include(result.left.message, path)
      }
      assert.strictEqual(textOf(theirs), "no newline")
    })
  )
})
