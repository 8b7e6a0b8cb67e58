import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ProcessLock from "../../src/layers/ProcessLock.ts"
import * as RunStorageFile from "../../src/layers/RunStorageFile.ts"
import { RunStorage } from "../../src/services/RunStorage.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"

const newRun = (name?: string) => ({
  name,
  command: ["true"],
  workspace: "/",
  origin: (id: string) => `test.example/host/${id}`
})

/** Storage in a fresh home. */
const withStorage = <A, E, R>(body: (storage: RunStorage["Type"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(temporaryDirectory, (home) =>
    Effect.provide(Effect.flatMap(RunStorage, body), RunStorageFile.layer(Path.join(home, "home")))
  )

describe("RunStorageFile", () => {
  it.scoped("makes private directories with metadata, and finds runs by id, prefix, name and latest", () =>
    withStorage((storage) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* storage.list, [])
        const first = yield* storage.create(newRun("nightly"))
        const second = yield* storage.create(newRun())
        assert.match(first.id, /^run_[0-9a-f]{12}$/)
        assert.strictEqual(first.about?.origin, `test.example/host/${first.id}`)
        assert.strictEqual(Fs.statSync(first.path).mode & 0o777, 0o700)
        assert.strictEqual(Fs.statSync(first.metadata).mode & 0o777, 0o600)
        for (const asked of [first.id, first.id.slice(0, 12), first.id.slice(4, 12), "nightly"]) {
          assert.strictEqual((yield* storage.find(asked)).id, first.id)
        }
        assert.include([first.id, second.id], (yield* storage.find("latest")).id)
        assert.match((yield* Effect.flip(storage.find("run_"))).message, /could be run_.*give more of the id/)
        assert.match((yield* Effect.flip(storage.find("nothing"))).message, /no run is called "nothing".*agent list/)
        assert.match((yield* Effect.flip(storage.find(""))).message, /no run is called/)
        assert.match((yield* Effect.flip(storage.create(newRun("nightly")))).message, /belongs to run_/)
      })
    )
  )

  it.scoped("lists what damaged metadata leaves, and never reads a file that was blown up", () =>
    withStorage((storage) =>
      Effect.gen(function* () {
        const run = yield* storage.create(newRun())
        for (const text of ["", "{", '{"format":"other"}', "x".repeat(5 * 1024 * 1024)]) {
          Fs.writeFileSync(run.metadata, text)
          assert.deepStrictEqual(
            (yield* storage.list).map(({ about, id }) => [id, about]),
            [[run.id, undefined]]
          )
        }
      })
    )
  )

  it.scoped("says what is wrong with a home that cannot be made", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(Path.join(directory, "file"), "")
      const home = Path.join(directory, "file", "home")
      const error = yield* Effect.flatMap(RunStorage, (storage) => Effect.flip(storage.create(newRun()))).pipe(
        Effect.provide(RunStorageFile.layer(home))
      )
      assert.match(error.message, /not a directory; set AGENTOPS_HOME/)
    })
  )

  it.scoped("holds a run's lock as long as its scope, and no longer", () =>
    withStorage((storage) =>
      Effect.gen(function* () {
        const run = yield* Effect.scoped(
          Effect.tap(storage.create(newRun()), (held) =>
            Effect.gen(function* () {
              assert.isTrue(yield* storage.isHeld(held))
              assert.isFalse(yield* storage.takeOver(held))
            })
          )
        )
        assert.isFalse(yield* storage.isHeld(run))
        assert.isTrue(yield* storage.takeOver(run))
      })
    )
  )
})

describe("ProcessLock", () => {
  it.scoped("goes away with a process that is killed", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "run.lock")
      const script = `
        const database = new (require("better-sqlite3"))(${JSON.stringify(path)})
        database.exec("BEGIN EXCLUSIVE")
        process.stdout.write("held")
        setInterval(() => {}, 1000)`
      const holder = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] })
      yield* Effect.promise(() => once(holder.stdout, "data"))
      assert.isTrue(yield* ProcessLock.isHeld(path))
      assert.isFalse(yield* ProcessLock.tryHold(path))
      holder.kill("SIGKILL")
      yield* Effect.promise(() => once(holder, "exit"))
      assert.isFalse(yield* ProcessLock.isHeld(path))
      assert.isTrue(yield* ProcessLock.tryHold(path))
    })
  )
})
