import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as ShimInjectorNative from "../../src/layers/ShimInjectorNative.ts"
import { type InjectionRequest, ShimInjector } from "../../src/services/ShimInjector.ts"
import * as Cli from "../fixtures/Cli.ts"
import * as ElfBytes from "../fixtures/ElfBytes.ts"

const linux = { platform: "linux", arch: process.arch === "arm64" ? "arm64" : "x64" }
const secret = "0123456789abcdef".repeat(4)

/** A package with native files in it. */
const packageWith = (files: { readonly launcher?: Uint8Array; readonly shim?: Uint8Array }, name = "package") => {
  const root = Path.join(Cli.scratch(), name)
  const directory = Path.join(root, "dist", "native", `${linux.platform}-${linux.arch}`)
  Fs.mkdirSync(directory, { recursive: true, mode: 0o755 })
  const launcher = Path.join(directory, "agent-exec")
  const shim = Path.join(directory, "libauditshim.so")
  if (files.launcher !== undefined) Fs.writeFileSync(launcher, files.launcher, { mode: 0o755 })
  if (files.shim !== undefined) Fs.writeFileSync(shim, files.shim, { mode: 0o644 })
  return { root, directory, launcher, shim }
}

const whole = { launcher: ElfBytes.forThisMachine("launcher"), shim: ElfBytes.forThisMachine("shim") }

const requestOf = (more: Partial<InjectionRequest> = {}): InjectionRequest => ({
  record: "auto",
  deny: { exec: [], open: [], connect: [] },
  session: "run_0123456789ab",
  agent: undefined,
  endpoint: "unix:///somewhere/audit.sock",
  secret: Redacted.make(secret),
  directory: Cli.scratch(),
  ownGroup: false,
  protect: [41],
  onAuditFailure: "stop",
  ...more
})

const prepare = (root: string, request: InjectionRequest, target: { platform: string; arch: string } = linux) =>
  Effect.flatMap(ShimInjector, (injector) => injector.prepare(request)).pipe(
    Effect.provide(ShimInjectorNative.layer({ root, ...target }))
  )

const refusal = (root: string, request = requestOf()) =>
  Effect.map(Effect.flip(prepare(root, request)), ({ exitStatus, message }) => {
    assert.strictEqual(exitStatus, 125)
    assert.notInclude(message, "\n")
    return message
  })

const valueOf = (args: ReadonlyArray<string>, flag: string) =>
  args.flatMap((arg, at) => (arg === flag ? [args[at + 1]] : []))

describe("ShimInjectorNative", () => {
  it.scoped("takes hybrid by itself, and tells the files by their hashes", () =>
    Effect.gen(function* () {
      const { launcher, root, shim } = packageWith(whole)
      const injection = yield* prepare(root, requestOf())
      assert.deepStrictEqual([injection.asked, injection.mode, injection.reasons], ["auto", "hybrid", []])
      assert.strictEqual(injection.launcher?.path, Fs.realpathSync(launcher))
      assert.deepStrictEqual(
        injection.files.map(({ role, sha256 }) => [role, sha256]),
        [
          ["launcher", createHash("sha256").update(whole.launcher).digest("hex")],
          ["shim", createHash("sha256").update(whole.shim).digest("hex")]
        ]
      )
      const args = injection.launcher?.args ?? []
      assert.deepStrictEqual(valueOf(args, "--shim"), [Fs.realpathSync(shim)])
      assert.deepStrictEqual(valueOf(args, "--record"), ["hybrid"])
      assert.deepStrictEqual(valueOf(args, "--protect"), ["41"])
      assert.deepStrictEqual(valueOf(args, "--mode"), ["closed"])
      assert.notInclude(args, "--own-group")
      assert.notInclude(args, "--keep-going")
    })
  )

  it.scoped("hands on what was asked for, each rule as it was given", () =>
    Effect.gen(function* () {
      const { root } = packageWith(whole)
      const deny = { exec: ["*/curl", "/bin/*"], open: ["/etc/shadow:r"], connect: ["10.0.0.0/8:443", "unix:*"] }
      const more = { record: "full", deny, agent: "claude", ownGroup: true, onAuditFailure: "continue" } as const
      const args = (yield* prepare(root, requestOf(more))).launcher?.args ?? []
      assert.deepStrictEqual(valueOf(args, "--record"), ["full"])
      assert.deepStrictEqual(valueOf(args, "--agent"), ["claude"])
      assert.deepStrictEqual(valueOf(args, "--deny-exec"), deny.exec)
      assert.deepStrictEqual(valueOf(args, "--deny-open"), deny.open)
      assert.deepStrictEqual(valueOf(args, "--deny-connect"), deny.connect)
      assert.deepStrictEqual(valueOf(args, "--mode"), ["open"])
      assert.include(args, "--own-group")
      assert.include(args, "--keep-going")
    })
  )

  it.scoped("takes full when a rule denies opens for reading, which the library enforces none of", () =>
    Effect.gen(function* () {
      const { root } = packageWith(whole)
      for (const [rule, mode] of [
        ["/etc/shadow", "full"],
        ["/etc/shadow:r", "full"],
        ["/etc/shadow:rw", "full"],
        ["/etc/shadow:w", "hybrid"]
      ] as const) {
        const request = requestOf({ deny: { exec: [], open: [rule], connect: [] } })
        const injection = yield* Effect.scoped(prepare(root, request))
        assert.deepStrictEqual([injection.mode, injection.reasons.length], [mode, mode === "full" ? 1 : 0])
      }
    })
  )

  it.effect("keeps the secret in a file that only this user can read, and only as long as the scope", () =>
    Effect.gen(function* () {
      const { root } = packageWith(whole)
      const request = requestOf()
      const path = yield* Effect.scoped(
        Effect.gen(function* () {
          const injection = yield* prepare(root, request)
          const [file = ""] = valueOf(injection.launcher?.args ?? [], "--secret-file")
          assert.strictEqual(Path.dirname(file ?? ""), request.directory)
          assert.strictEqual(Fs.statSync(file ?? "").mode & 0o777, 0o600)
          assert.strictEqual(Fs.readFileSync(file ?? "", "utf8"), `${secret}\n`)
          assert.notInclude(JSON.stringify(injection), secret)
          return file ?? ""
        })
      )
      assert.isFalse(Fs.existsSync(path))
      assert.deepStrictEqual(Fs.readdirSync(request.directory), [])
    })
  )

  it.scoped("does not mind that the launcher has removed the secret, and never takes over a file that is there", () =>
    Effect.gen(function* () {
      const { root } = packageWith(whole)
      const request = requestOf()
      yield* Effect.scoped(
        Effect.tap(prepare(root, request), () =>
          Effect.sync(() => Fs.rmSync(Path.join(request.directory, "runner.secret")))
        )
      )
      Fs.writeFileSync(Path.join(request.directory, "runner.secret"), "")
      assert.match(yield* refusal(root, request), /^cannot write in /)
    })
  )

  it.scoped("with --record none puts nothing beside the guest, and makes nothing", () =>
    Effect.gen(function* () {
      const request = requestOf({ record: "none" })
      const injection = yield* prepare(packageWith(whole).root, request)
      assert.deepStrictEqual([injection.launcher, injection.mode, injection.reasons], [undefined, "none", []])
      assert.deepStrictEqual(Fs.readdirSync(request.directory), [])
    })
  )
})

describe("without native files", () => {
  const elsewhere = { platform: "darwin", arch: "arm64" }

  it.scoped("auto goes on and says why; nothing is written", () =>
    Effect.gen(function* () {
      const request = requestOf()
      for (const [root, target] of [
        [packageWith({}).root, linux],
        [packageWith(whole).root, elsewhere]
      ] as const) {
        const injection = yield* prepare(root, request, target)
        assert.deepStrictEqual([injection.launcher, injection.mode, injection.files], [undefined, "none", []])
        assert.lengthOf(injection.reasons, 1)
      }
      assert.deepStrictEqual(Fs.readdirSync(request.directory), [])
    })
  )

  it.scoped("a mode that was asked for by name, and deny rules, are refused with what to do", () =>
    Effect.gen(function* () {
      const { root } = packageWith({})
      for (const record of ["hybrid", "full", "shim"] as const) {
        assert.match(yield* refusal(root, requestOf({ record })), /^--record .*build:native/)
      }
      const deny = { exec: ["/bin/sh"], open: [], connect: [] }
      assert.match(yield* refusal(root, requestOf({ deny })), /^nothing would enforce the deny rules: /)
    })
  )
})

describe("native files that are not what they must be stop every run but one with --record none", () => {
  const other = ElfBytes.make({ machine: process.arch === "arm64" ? 62 : 183, type: 2 })
  const dynamic = ElfBytes.make({ machine: process.arch === "arm64" ? 183 : 62, type: 3, programHeaders: [3] })

  it.scoped.each([
    ["a launcher that is text", { ...whole, launcher: Buffer.from("#!/bin/sh\n") }, /agent-exec is not an ELF file/],
    ["a launcher for another machine", { ...whole, launcher: other }, /agent-exec is not for this machine/],
    ["a launcher that needs a loader", { ...whole, launcher: dynamic }, /agent-exec is not statically linked/],
    ["a shim that is a program", { ...whole, shim: whole.launcher }, /libauditshim.so is not a shared library/],
    ["no launcher", { shim: whole.shim }, /agent-exec cannot be read \(ENOENT\)/],
    ["no shim", { launcher: whole.launcher }, /libauditshim.so cannot be read \(ENOENT\)/]
  ] as const)("%s", ([_name, files, expected]) =>
    Effect.gen(function* () {
      const { root } = packageWith(files)
      const said = yield* refusal(root)
      assert.match(said, expected)
      assert.include(said, "--record none")
      const injection = yield* Effect.scoped(prepare(root, requestOf({ record: "none" })))
      assert.strictEqual(injection.mode, "none")
    })
  )

  it.scoped("files and folders that others may write", () =>
    Effect.gen(function* () {
      for (const place of ["launcher", "shim", "directory"] as const) {
        for (const right of [0o020, 0o002]) {
          const made = packageWith(whole)
          Fs.chmodSync(made[place], 0o755 | right)
          assert.match(yield* refusal(made.root), /can be written by others; take that right away/)
        }
      }
    })
  )

  it.scoped("a launcher that is not executable, a link in its place, a folder in its place", () =>
    Effect.gen(function* () {
      const plain = packageWith(whole)
      Fs.chmodSync(plain.launcher, 0o644)
      assert.match(yield* refusal(plain.root), /is not executable/)
      const linked = packageWith({ shim: whole.shim })
      Fs.symlinkSync("/bin/true", linked.launcher)
      assert.match(yield* refusal(linked.root), /cannot be read \(ELOOP\)/)
      const folder = packageWith({ launcher: whole.launcher })
      Fs.mkdirSync(folder.shim)
      assert.match(yield* refusal(folder.root), /is no regular file/)
    })
  )
})

describe("a package whose path cannot stand in LD_PRELOAD", () => {
  it.scoped("is recorded by the supervisor alone, and refuses modes that need the library", () =>
    Effect.gen(function* () {
      const { root } = packageWith(whole, "my package")
      const injection = yield* prepare(root, requestOf())
      assert.strictEqual(injection.mode, "full")
      assert.match(injection.reasons.join(), /cannot be preloaded, because its path has a blank or a colon$/)
      assert.deepStrictEqual(valueOf(injection.launcher?.args ?? [], "--shim"), [])
      assert.match(
        yield* refusal(root, requestOf({ record: "hybrid" })),
        /^--record hybrid: .*install agentops elsewhere/
      )
      assert.strictEqual((yield* prepare(root, requestOf({ record: "full" }))).reasons.length, 0)
    })
  )
})
