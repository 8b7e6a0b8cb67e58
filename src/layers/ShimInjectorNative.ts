/**
 * Injection by this package's own native files: the launcher `agent-exec`, which supervises with seccomp notification,
 * and `libauditshim.so`, which it preloads.
 *
 * @module
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import {
  type DenyRules,
  type Injection,
  type InjectionRequest,
  InjectorError,
  type RecordMode,
  ShimInjector
} from "../services/ShimInjector.ts"
import * as NativeFiles from "./shim/NativeFiles.ts"
import * as WorkerEntry from "./WorkerEntry.ts"

export interface ShimInjectorNativeOptions {
  /** Root of the package whose files are used; default: this one. */
  readonly root?: string
  readonly platform?: string
  readonly arch?: string
}

/** The launcher reads and removes it before the guest exists. */
const secretName = "runner.secret"

/** The dynamic loader splits LD_PRELOAD there (ld.so(8)). */
const separators = /[ \t\n:]/

/** Whether a rule is about opens for reading. The preloaded library enforces none. */
const deniesReading = ({ open }: DenyRules): boolean => open.some((rule) => !rule.endsWith(":w"))

interface Decision {
  readonly mode: RecordMode
  readonly reasons: ReadonlyArray<string>
}

/** The mode for a request, or why it cannot be had. */
const modeOf = ({ deny, record }: InjectionRequest, shim: string): Decision | string => {
  if (record === "full" || record === "none") return { mode: record, reasons: [] }
  if (separators.test(shim)) {
    const why = `${shim} cannot be preloaded, because its path has a blank or a colon`
    return record === "auto"
      ? { mode: "full", reasons: [why] }
      : `--record ${record}: ${why}; install agentops elsewhere, or use --record full`
  }
  if (record === "shim") return { mode: record, reasons: [] }
  return deniesReading(deny)
    ? { mode: "full", reasons: ["a rule denies opens for reading, so the supervisor has to see all of them"] }
    : { mode: "hybrid", reasons: [] }
}

const withoutLauncher = (request: InjectionRequest, reasons: ReadonlyArray<string>): Injection => ({
  asked: request.record,
  mode: "none",
  launcher: undefined,
  env: {},
  files: [],
  mounts: [],
  reasons
})

const isRuled = ({ connect, exec, open }: DenyRules): boolean => connect.length + exec.length + open.length > 0

const refuse = (reason: string) => new InjectorError({ reason })

/** Deny rules and modes that do not go together. */
const contradiction = ({ deny, record }: InjectionRequest): InjectorError | undefined =>
  isRuled(deny) && (record === "none" || record === "shim")
    ? refuse(`deny rules need the supervisor, which --record ${record} leaves out; use --record hybrid or full`)
    : undefined

const flags = (name: string, values: ReadonlyArray<string>) => values.flatMap((value) => [name, value])

const argsOf = (
  request: InjectionRequest,
  mode: RecordMode,
  shim: string,
  secretFile: string
): ReadonlyArray<string> => [
  "--endpoint",
  request.endpoint,
  "--secret-file",
  secretFile,
  "--session",
  request.session,
  ...(request.agent === undefined ? [] : ["--agent", request.agent]),
  "--record",
  mode,
  "--quiet",
  ...(request.record === "auto" ? [] : ["--no-fallback"]),
  ...(separators.test(shim) ? [] : ["--shim", shim]),
  ...(request.onAuditFailure === "continue" ? ["--mode", "open", "--keep-going"] : ["--mode", "closed"]),
  ...flags("--protect", request.protect.map(String)),
  ...(request.ownGroup ? ["--own-group"] : []),
  ...flags("--deny-exec", request.deny.exec),
  ...flags("--deny-open", request.deny.open),
  ...flags("--deny-connect", request.deny.connect)
]

/** Writes the secret where only this user can read it, until the scope closes. */
const keepSecret = (request: InjectionRequest) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const path = Path.join(request.directory, secretName)
        // A new file or none: with `wx` nobody has it open, and its mode is what it says.
        Fs.writeFileSync(path, `${Redacted.value(request.secret)}\n`, { flag: "wx", mode: 0o600 })
        return path
      },
      catch: (error) =>
        refuse(`cannot write in ${request.directory}: ${error instanceof Error ? error.message : String(error)}`)
    }),
    (path) => Effect.sync(() => Fs.rmSync(path, { force: true }))
  )

const prepare = (options: ShimInjectorNativeOptions) =>
  Effect.fn("ShimInjector.prepare")(function* (request: InjectionRequest) {
    const contradictory = contradiction(request)
    if (contradictory !== undefined) return yield* contradictory
    if (request.record === "none") return withoutLauncher(request, [])
    const root = options.root ?? (yield* Effect.sync(WorkerEntry.packageRoot))
    const target = { platform: options.platform ?? process.platform, arch: options.arch ?? process.arch }
    const found = yield* NativeFiles.find(root, target).pipe(
      Either.match({ onLeft: Effect.fail, onRight: Effect.succeed })
    )
    if ("missing" in found) {
      if (request.record !== "auto") return yield* refuse(`--record ${request.record}: ${found.missing}`)
      if (isRuled(request.deny)) return yield* refuse(`nothing would enforce the deny rules: ${found.missing}`)
      return withoutLauncher(request, [found.missing])
    }
    const { launcher, shim } = found
    const decided = modeOf(request, shim.path)
    if (typeof decided === "string") return yield* refuse(decided)
    const { mode, reasons } = decided
    const secretFile = yield* keepSecret(request)
    const injection: Injection = {
      asked: request.record,
      mode,
      launcher: { path: launcher.path, args: argsOf(request, mode, shim.path, secretFile) },
      env: {},
      files: [launcher, shim],
      mounts: [],
      reasons
    }
    return injection
  })

export const layer = (options: ShimInjectorNativeOptions = {}): Layer.Layer<ShimInjector> =>
  Layer.succeed(ShimInjector, { prepare: prepare(options) })
