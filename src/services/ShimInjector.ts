/**
 * Puts the recorder's native half beside a guest: a launcher that starts and supervises it, and a library that is
 * preloaded into its programs.
 *
 * The port finds and checks the files, decides how the guest will be recorded, and says what a runtime has to start,
 * mount and set. It starts nothing itself. Which mode is in force in the end is said by the launcher (the entry
 * `container` with action `supervised`): the kernel may refuse what was planned.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Launcher } from "./ContainerRuntime.ts"

/**
 * How a guest is recorded. `hybrid`: the supervisor sees execs, connects and opens for writing, the preloaded library
 * opens for reading. `full`: the supervisor sees all of them. `shim`: the library alone, which static programs escape.
 * `none`: neither.
 */
export type RecordMode = "hybrid" | "full" | "shim" | "none"

/** What a user asks for; `auto` is the best that can be had here. */
export type AskedMode = "auto" | RecordMode

/** What the guest may not do, in the launcher's own words (agent-exec --help); answered EPERM and recorded. */
export interface DenyRules {
  /** Absolute paths or glob patterns. */
  readonly exec: ReadonlyArray<string>
  /** The same, with `:r`, `:w` or `:rw` behind. */
  readonly open: ReadonlyArray<string>
  /** Addresses, networks, `unix:PATTERN` or `*`; with `:PORT` behind. */
  readonly connect: ReadonlyArray<string>
}

export interface InjectionRequest {
  readonly record: AskedMode
  readonly deny: DenyRules
  /** Session id that events carry: the run's. */
  readonly session: string
  /** A name for the agent, which events carry too. */
  readonly agent: string | undefined
  /** Where the collector listens: `unix:///PATH` or `tcp://HOST:PORT`. */
  readonly endpoint: string
  /** Opens the runner channel, once: 64 lower-case hex digits. It reaches the launcher in a file, and nothing else. */
  readonly secret: Redacted.Redacted
  /** A directory that only this user can enter, for that file. */
  readonly directory: string
  /** Whether the guest leads a process group of its own. False: it shares the terminal's foreground group. */
  readonly ownGroup: boolean
  /** Processes that the guest must not signal or trace, besides the launcher. */
  readonly protect: ReadonlyArray<number>
  /** What becomes of a guest whose events cannot be sent: `stop` ends it, `continue` lets it go on unrecorded. */
  readonly onAuditFailure: "stop" | "continue"
}

/** A native file, by what it is for. */
export interface InjectedFile {
  readonly role: "launcher" | "shim"
  /** Absolute. */
  readonly path: string
  /** Of its bytes when it was checked: 64 lower-case hex digits. */
  readonly sha256: string
}

/** What a container must see of this machine. */
export interface Mount {
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
}

export interface Injection {
  readonly asked: AskedMode
  /** What is planned. */
  readonly mode: RecordMode
  /** What the runtime starts in the guest's place. Undefined: the guest itself; only what it prints is recorded. */
  readonly launcher: Launcher | undefined
  /** For the launcher's environment; it sets what the guest's own needs. */
  readonly env: Readonly<Record<string, string>>
  readonly files: ReadonlyArray<InjectedFile>
  readonly mounts: ReadonlyArray<Mount>
  /** Why the mode is not the best one, one sentence each. */
  readonly reasons: ReadonlyArray<string>
}

/** The guest cannot be recorded as asked, or a native file is not what it must be. */
export class InjectorError extends Data.TaggedError("InjectorError")<{
  /** What is wrong and what to do, in one line. */
  readonly reason: string
}> {
  /** Status of `agent run`. */
  readonly exitStatus = 125
  override get message(): string {
    return this.reason
  }
}

export class ShimInjector extends Context.Tag("agentops/ShimInjector")<
  ShimInjector,
  {
    /**
     * Checks the files and writes the secret's file, which is gone when the launcher has read it, and at the latest when
     * the scope closes. Fails when a mode that was asked for by name, or a deny rule, cannot be had; with `auto` it is an
     * injection without a launcher, and its reasons.
     */
    readonly prepare: (request: InjectionRequest) => Effect.Effect<Injection, InjectorError, Scope.Scope>
  }
>() {}
