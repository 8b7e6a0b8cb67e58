import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { execFile, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { promisify } from "node:util"
import { afterAll } from "vitest"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import * as SignerFile from "../../src/layers/SignerFile.ts"

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "agentops-signer-"))
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))
let homes = 0
const fresh = () => Path.join(directory, `${homes++}`, "keys")
const text = "origin\n1\nAAAA\n"

describe("SignerFile", () => {
  it.effect("makes the key at first use, for its owner alone, and keeps it", () =>
    Effect.gen(function* () {
      const keysDirectory = fresh()
      const first = yield* SignerFile.make({ keysDirectory })
      const second = yield* SignerFile.make({ keysDirectory, domain: "agent.example" })
      const file = Path.join(keysDirectory, SignerFile.fileName)
      assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(Fs.statSync(keysDirectory).mode & 0o777, 0o700)
      assert.deepStrictEqual(Fs.readdirSync(keysDirectory), [SignerFile.fileName])
      assert.deepStrictEqual(second.host.publicKey, first.host.publicKey)
      assert.strictEqual(first.ledgerOrigin, `agentops.local/${Vkey.hostId(first.host.publicKey)}`)
      assert.strictEqual(second.ledgerOrigin, `agent.example/${Vkey.hostId(first.host.publicKey)}`)
      assert.strictEqual(first.host.name, first.ledgerOrigin)
      const note = SignedNote.assemble(text, [yield* first.signAsHost(text)])
      assert.strictEqual(SignedNote.check(Either.getOrThrow(SignedNote.parse(note)), first.host), "valid")
    })
  )

  it.effect("the file is one that openssl reads", () =>
    Effect.gen(function* () {
      const keysDirectory = fresh()
      const signer = yield* SignerFile.make({ keysDirectory })
      const pem = Fs.readFileSync(Path.join(keysDirectory, SignerFile.fileName), "utf8")
      assert.match(pem, /^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=]{64}\n-----END PRIVATE KEY-----\n$/)
      const openssl = spawnSync("openssl", ["pkey", "-pubout", "-outform", "DER"], { input: pem })
      if (openssl.error === undefined) {
        assert.deepStrictEqual(new Uint8Array(openssl.stdout.subarray(-32)), signer.host.publicKey)
      }
    })
  )

  it.live("processes that race for the first use end up with the same key", () =>
    Effect.promise(async () => {
      const keysDirectory = fresh()
      const module = new URL("../../src/layers/SignerFile.ts", import.meta.url).href
      const script = `import * as S from ${JSON.stringify(module)}; import * as E from "effect/Effect"
        E.runPromise(S.make({ keysDirectory: ${JSON.stringify(keysDirectory)} })).then((s) => console.log(s.host.text))`
      const racers = Array.from({ length: 4 }, () =>
        promisify(execFile)(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script])
      )
      const keys = new Set((await Promise.all(racers)).map(({ stdout }) => stdout.trim()))
      assert.strictEqual(keys.size, 1)
      assert.deepStrictEqual(Fs.readdirSync(keysDirectory), [SignerFile.fileName])
    })
  )

  it.effect("refuses a key that others may read, and says what to do", () =>
    Effect.gen(function* () {
      const keysDirectory = fresh()
      yield* SignerFile.make({ keysDirectory })
      const file = Path.join(keysDirectory, SignerFile.fileName)
      for (const mode of [0o640, 0o604, 0o620]) {
        Fs.chmodSync(file, mode)
        const error = yield* Effect.flip(SignerFile.make({ keysDirectory }))
        assert.include(error.message, `chmod 600 '${file}'`)
        assert.include(error.message, `mode is 0${mode.toString(8)}`)
      }
      Fs.chmodSync(file, 0o600)
      yield* SignerFile.make({ keysDirectory })
    })
  )

  it.effect("never replaces a file that is no key", () =>
    Effect.gen(function* () {
      const keysDirectory = fresh()
      Fs.mkdirSync(keysDirectory, { recursive: true })
      const file = Path.join(keysDirectory, SignerFile.fileName)
      for (const content of ["", "garbage", "x".repeat(10_000)]) {
        Fs.writeFileSync(file, content, { mode: 0o600 })
        assert.strictEqual((yield* Effect.flip(SignerFile.make({ keysDirectory })))._tag, "SignerError")
        assert.strictEqual(Fs.readFileSync(file, "utf8"), content)
      }
      Fs.rmSync(file)
      Fs.mkdirSync(file)
      assert.strictEqual((yield* Effect.flip(SignerFile.make({ keysDirectory })))._tag, "SignerError")
    })
  )

  it.effect("a home that cannot hold a key, and a domain that is none, are typed errors", () =>
    Effect.gen(function* () {
      const blocked = Path.join(directory, "file")
      Fs.writeFileSync(blocked, "")
      const error = yield* Effect.flip(SignerFile.make({ keysDirectory: Path.join(blocked, "keys") }))
      assert.include(error.message, "check the path")
      for (const domain of ["", "a b", "a/b", "a+b", "-a"]) {
        assert.include((yield* Effect.flip(SignerFile.make({ keysDirectory: fresh(), domain }))).message, "domain")
      }
    })
  )
})
