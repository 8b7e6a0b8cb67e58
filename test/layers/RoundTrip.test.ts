import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Bundle from "../../src/domain/Bundle.ts"
import * as TlogPolicy from "../../src/domain/TlogPolicy.ts"
import * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import * as AuditStoreSqlite from "../../src/layers/AuditStoreSqlite.ts"
import * as ExportBundle from "../../src/layers/ExportBundle.ts"
import * as ExportSubset from "../../src/layers/ExportSubset.ts"
import * as LogReaderSqlite from "../../src/layers/LogReaderSqlite.ts"
import * as SignerMemory from "../../src/layers/SignerMemory.ts"
import * as VerifyBundle from "../../src/layers/VerifyBundle.ts"
import * as VerifyDatabase from "../../src/layers/VerifyDatabase.ts"
import { AuditStore, type AuditRecord } from "../../src/services/AuditStore.ts"
import { Signer } from "../../src/services/Signer.ts"
import { dataArbitrary } from "../fixtures/Arbitraries.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"

const record: FastCheck.Arbitrary<AuditRecord> = FastCheck.record({
  type: FastCheck.stringMatching(/^[a-k][a-z0-9_.-]{0,10}$/),
  source: FastCheck.constantFrom("agent", "proxy", "runtime", "shim", "runner"),
  data: dataArbitrary
})

/** How the records reach the store. */
const step = FastCheck.record({
  records: FastCheck.array(record, { minLength: 1, maxLength: 20 }),
  way: FastCheck.constantFrom("append", "appendAll", "commit", "seal", "rotate")
})

const write = (steps: ReadonlyArray<{ readonly records: ReadonlyArray<AuditRecord>; readonly way: string }>) =>
  Effect.gen(function* () {
    const store = yield* AuditStore
    for (const { records, way } of steps) {
      if (way === "appendAll") yield* store.appendAll(records)
      else for (const one of records) yield* way === "commit" ? store.commit(one) : store.append(one)
      if (way === "rotate") yield* store.rotate
      if (way === "seal") yield* store.seal({ type: "credential", source: "proxy", data: { name: "x" } })
    }
    yield* store.close({ reason: "exit", exit: 0 })
  })

describe("store, export and verify", () => {
  it.live.prop(
    "any sequence of records comes back as it went in, from the database and from the bundle, and is INTACT",
    [FastCheck.array(step, { maxLength: 6 })],
    ([steps]) =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const path = Path.join(directory, "audit.db")
        const file = Path.join(directory, "proof.json")
        yield* Effect.provide(write(steps), AuditStoreSqlite.layer({ path, run: "run_property", tool: "test/1" }))
        const { host } = yield* Signer
        const options = { ...VerifyOptions.nothing, policy: { ...TlogPolicy.none, logs: [host] } }

        const stored = yield* VerifyDatabase.verifyFile(path, options)
        assert.strictEqual(stored.verdict, "INTACT", stored.why)
        yield* Effect.provide(ExportBundle.full(file), LogReaderSqlite.layer(path))
        const exported = yield* VerifyBundle.verifyFile(file, options)
        assert.deepStrictEqual(exported, stored)

        const entries = Fs.readFileSync(file, "utf8")
          .split("\n")
          .filter((line) => line.startsWith('{"e"'))
          .map((line, number) => Either.getOrThrow(Bundle.parseRecord(line.replace(/,$/, ""), number)))
          .map((parsed) => (parsed._tag === "entry" ? JSON.parse(parsed.text) : undefined))
          .filter(({ type }) => !type.startsWith("log.") && type !== "credential")
        const expected = steps.flatMap(({ records }) => records)
        assert.deepStrictEqual(
          entries.map(({ data, source, type }) => ({ data, source, type })),
          expected.map(({ data, source, type }) => JSON.parse(JSON.stringify({ data, source, type })))
        )

        const type = expected[0]?.type
        if (type === undefined) return
        const part = Path.join(directory, "part.json")
        yield* Effect.provide(ExportSubset.subset(part, { type }), LogReaderSqlite.layer(path))
        const subset = yield* VerifyBundle.verifyFile(part, options)
        assert.strictEqual(subset.verdict, "INTACT", subset.why)
        assert.strictEqual(subset.counts.total, stored.counts.entries)
      }).pipe(Effect.scoped, Effect.provide(SignerMemory.layer)),
    { fastCheck: { numRuns: 25 }, timeout: 120_000 }
  )
})
