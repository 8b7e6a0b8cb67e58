import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as TlogPolicy from "../../src/domain/TlogPolicy.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import * as TrustStoreFile from "../../src/layers/TrustStoreFile.ts"
import { TrustStore } from "../../src/services/TrustStore.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"
import { vectors } from "../fixtures/Vectors.ts"

const key = (name: "host" | "evil_host") => Either.getOrThrow(Vkey.parse(vectors.keys[name].vkey))

describe("TrustStoreFile", () => {
  it.scoped("trusts nobody without a file, and then whom one adds, once each", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "trust", "policy.txt")
      yield* Effect.gen(function* () {
        const trust = yield* TrustStore
        assert.deepStrictEqual(yield* trust.policy, TlogPolicy.none)
        assert.isFalse(Fs.existsSync(path))
        assert.isTrue(yield* trust.addLog(key("host")))
        assert.isFalse(yield* trust.addLog(key("host")))
        assert.isTrue(yield* trust.addLog(key("evil_host")))
        const policy = yield* trust.policy
        assert.isTrue(TlogPolicy.hasLog(policy, key("host")) && TlogPolicy.hasLog(policy, key("evil_host")))
        assert.strictEqual(Fs.statSync(path).mode & 0o777, 0o600)
      }).pipe(Effect.provide(TrustStoreFile.layer(path)))
    })
  )

  it.scoped("keeps what a person wrote into the file, and refuses a file that it does not understand", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "policy.txt")
      yield* Effect.gen(function* () {
        const trust = yield* TrustStore
        Fs.writeFileSync(path, "# ours\nquorum none")
        yield* trust.addLog(key("host"))
        assert.match(Fs.readFileSync(path, "utf8"), /^# ours\nquorum none\nlog .*\n$/)
        Fs.writeFileSync(path, "log nonsense\n")
        assert.match((yield* Effect.flip(trust.policy)).message, /policy\.txt: .*line 1/)
        assert.match((yield* Effect.flip(trust.addLog(key("host")))).message, /line 1/)
      }).pipe(Effect.provide(TrustStoreFile.layer(path)))
    })
  )
})
