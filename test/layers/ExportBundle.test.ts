import { assert, describe, it } from "@effect/vitest"
import canonicalize from "canonicalize"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { PassThrough, Writable } from "node:stream"
import * as Bundle from "../../src/domain/Bundle.ts"
import * as ExportBundle from "../../src/layers/ExportBundle.ts"
import { LogDamaged, LogReader } from "../../src/services/LogReader.ts"
import * as LogReaderArrays from "../fixtures/LogReaderArrays.ts"
import { fixture } from "../fixtures/Vectors.ts"

const bundles = Fs.readdirSync(fixture("bundles")).filter((name) => name.endsWith(".json") && name !== "expected.json")
const read = (name: string) => Fs.readFileSync(fixture(`bundles/${name}`), "utf8")
const isFull = (text: string) =>
  text.startsWith('{"format":"agent-audit-bundle/1","kind":"full"') && text.endsWith("}}\n")

const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-export-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

const logOf = (name: string) => LogReaderArrays.fromBundle(read(name))

const exported = (log: LogReaderArrays.LogArrays, options?: ExportBundle.Options) =>
  Effect.gen(function* () {
    const target = Path.join(yield* temporary, "bundle.json")
    const report = yield* ExportBundle.full(target, options).pipe(Effect.provide(LogReaderArrays.layer(log)))
    return { report, text: Fs.readFileSync(target, "utf8") }
  })

describe("ExportBundle", () => {
  // Not what no database can hold: a record that is not canonical, and entries that don't stand under their seq.
  const impossible = new Set(["malformed-dup.json", "tampered-delete.json"])
  for (const name of bundles.filter((name) => isFull(read(name)) && !impossible.has(name))) {
    it.scoped(`writes ${name} byte for byte from what it holds`, () =>
      Effect.gen(function* () {
        const { report, text } = yield* exported(logOf(name))
        assert.strictEqual(text, read(name))
        assert.strictEqual(report.bytes, Buffer.byteLength(text))
        assert.strictEqual(text.replaceAll("\n", ""), canonicalize(JSON.parse(text)))
      })
    )
  }

  it.scoped("says which entries carry no signature yet", () =>
    Effect.gen(function* () {
      const { report } = yield* exported(logOf("unsigned-tail.json"))
      assert.deepStrictEqual(report.warnings, [{ _tag: "UnsignedTail", range: [9, 10] }])
      assert.deepStrictEqual((yield* exported(logOf("ok-rotate.json"))).report.warnings, [])
    })
  )

  it.scoped("takes the ledger's evidence from the caller rather than from the log", () =>
    Effect.gen(function* () {
      const log = logOf("ok-rotate-ledger.json")
      const without = { ...log, ledger: [] }
      assert.strictEqual((yield* exported(without, { ledger: log.ledger })).text, read("ok-rotate-ledger.json"))
      assert.strictEqual((yield* exported(log, { ledger: [] })).text, (yield* exported(without)).text)
    })
  )

  it.scoped("makes a file that only its owner reads, and nothing beside it", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const target = Path.join(directory, "bundle.json")
      Fs.writeFileSync(target, "older", { mode: 0o644 })
      yield* ExportBundle.full(target).pipe(Effect.provide(LogReaderArrays.layer(logOf("ok-five.json"))))
      assert.deepStrictEqual(Fs.readdirSync(directory), ["bundle.json"])
      assert.strictEqual(Fs.statSync(target).mode & 0o777, 0o600)
      assert.strictEqual(Fs.readFileSync(target, "utf8"), read("ok-five.json"))
    })
  )

  it.scoped("follows a symbolic link and leaves it in place", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      Fs.writeFileSync(Path.join(directory, "real.json"), "older")
      Fs.symlinkSync("real.json", Path.join(directory, "link.json"))
      yield* ExportBundle.full(Path.join(directory, "link.json")).pipe(
        Effect.provide(LogReaderArrays.layer(logOf("ok-five.json")))
      )
      assert.isTrue(Fs.lstatSync(Path.join(directory, "link.json")).isSymbolicLink())
      assert.strictEqual(Fs.readFileSync(Path.join(directory, "real.json"), "utf8"), read("ok-five.json"))
    })
  )

  it.scoped("leaves nothing behind, and an older file as it was, when the log turns out to be damaged", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const target = Path.join(directory, "bundle.json")
      Fs.writeFileSync(target, "older")
      const log = logOf("ok-rotate.json")
      const injected = log.leaves.with(5, `${log.leaves[5]!}},\n{"c":"x"`)
      const failures = [
        { ...log, leaves: injected },
        { ...log, leaves: log.leaves.with(5, "x".repeat(65_536)) },
        { ...log, disclosures: [{ seq: 6, body: '["EBESExQVFhcYGRobHB0eHw", 1]' }] },
        { ...log, disclosures: [{ seq: 6, body: '["short",1]' }] },
        { ...log, ledger: [{ leaf: "{}\n{}", proof: "" }] }
      ]
      for (const damaged of failures) {
        const error = yield* Effect.flip(ExportBundle.full(target).pipe(Effect.provide(LogReaderArrays.layer(damaged))))
        assert.instanceOf(error, LogDamaged)
        assert.deepStrictEqual(Fs.readdirSync(directory), ["bundle.json"])
        assert.strictEqual(Fs.readFileSync(target, "utf8"), "older")
      }
    })
  )

  it.scoped("removes the unfinished file when it is interrupted", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const reached = yield* Deferred.make<void>()
      const log = logOf("ok-rotate.json")
      const stuck = {
        ...LogReaderArrays.make(log),
        leaves: () => Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
      }
      const fiber = yield* Effect.fork(
        ExportBundle.full(Path.join(directory, "bundle.json")).pipe(Effect.provideService(LogReader, stuck))
      )
      yield* Deferred.await(reached)
      assert.match(Fs.readdirSync(directory).join(), /^bundle\.json\.partial-[0-9a-f]{12}$/)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepStrictEqual(Fs.readdirSync(directory), [])
    })
  )

  it.scoped("refuses a target that cannot be written, and says what to do", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      Fs.writeFileSync(Path.join(directory, "file"), "")
      for (const [target, message] of [
        [directory, /it is a directory; name a file in it/],
        [Path.join(directory, "absent", "bundle.json"), /its directory does not exist/],
        [Path.join(directory, "file", "bundle.json"), /a part of its path is not a directory/],
        ["/dev/null", /not a regular file/],
        [Path.join(directory, "n".repeat(300)), /too long/]
      ] as const) {
        const error = yield* Effect.flip(
          ExportBundle.full(target).pipe(Effect.provide(LogReaderArrays.layer(logOf("ok-five.json"))))
        )
        assert.strictEqual(error._tag, "OutputFailed", error.message)
        assert.match(error.message, message)
      }
      assert.deepStrictEqual(Fs.readdirSync(directory), ["file"])
    })
  )

  it.effect("writes to standard output for the target -", () =>
    Effect.gen(function* () {
      const stdout = new PassThrough()
      const report = yield* ExportBundle.full("-", { stdout }).pipe(
        Effect.provide(LogReaderArrays.layer(logOf("ok-five.json")))
      )
      assert.strictEqual(String(stdout.read()), read("ok-five.json"))
      assert.strictEqual(report.target, "-")
    })
  )

  it.effect("fails when the reader of standard output went away", () =>
    Effect.gen(function* () {
      const gone = Object.assign(new Error("write EPIPE"), { code: "EPIPE" })
      const stdout = new Writable({ write: (_chunk, _encoding, done) => done(gone) })
      const error = yield* Effect.flip(
        ExportBundle.full("-", { stdout }).pipe(Effect.provide(LogReaderArrays.layer(logOf("ok-five.json"))))
      )
      assert.strictEqual(error.message, "cannot write standard output: the reader went away")
    })
  )

  it.scoped("leaves out attachments that a record cannot hold, and says so", () =>
    Effect.gen(function* () {
      const log = logOf("ok-five.json")
      const [opening, closing] = log.checkpoints
      const witnesses = Array.from({ length: 70 }, (_, at) => `— witness.example/w${at} AAAA`)
      const timestamps = Array.from({ length: 20 }, () => "A".repeat(80_000))
      const { report, text } = yield* exported({
        ...log,
        checkpoints: [
          { ...opening!, witnesses },
          { ...closing!, timestamps }
        ]
      })
      assert.deepStrictEqual(report.warnings, [
        { _tag: "AttachmentsLeftOut", size: 1, count: 6 },
        { _tag: "AttachmentsLeftOut", size: 5, count: 7 }
      ])
      for (const line of text.split("\n")) assert.isAtMost(Buffer.byteLength(line) + 1, Bundle.maxLineBytes)
    })
  )
})
