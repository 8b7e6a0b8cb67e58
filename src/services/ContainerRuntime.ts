/**
 * Runs a guest: one command, on this machine or in a container, with its output handed over as bytes.
 *
 * The port has what every runtime must do: start (with its preparation), attach, wait, signal, resize, stop, and say
 * which isolation is in force; removal is the scope's. Lifecycle is Effect; bytes go through plain callbacks, because an
 * Effect stream a chunk costs many times the copy.
 *
 * @module
 */
import { constants } from "node:os"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StreamName } from "../domain/ConsoleLines.ts"

/** Size of a terminal, in characters, both at least 1. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** What is started instead of a guest's command, and starts it in turn: `path ...args -- command ...`. */
export interface Launcher {
  /** Absolute. */
  readonly path: string
  readonly args: ReadonlyArray<string>
}

/** What to run. */
export interface GuestSpec {
  /** A name to be looked up in the guest's PATH, or a path (anything with a slash), relative to `cwd`. */
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Absolute. */
  readonly cwd: string
  /** Added to what the runtime gives by itself (local: agentops' own environment), and stronger than it. */
  readonly env: Readonly<Record<string, string>>
  /**
   * True: the guest gets a terminal of its own for all three standard streams. False: pipes for its output, and
   * agentops' own standard input as it is.
   */
  readonly tty: boolean
  /** Of the guest's terminal at its start; default 80 by 24. */
  readonly size?: TerminalSize
  /**
   * Looks `command` up once more as `execvp` does, passes the signals that it gets on to the guest, is the parent of
   * whatever the guest leaves behind and ends it, and exits with the guest's status, or 128 and the number of its signal.
   */
  readonly launcher?: Launcher | undefined
}

/** How the guest's main process ended: one of the two is not null. */
export interface ExitStatus {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The status that a shell would show: the guest's own code, or 128 and the number of the signal. */
export const statusOf = (exit: ExitStatus): number =>
  exit.signal === null ? (exit.code ?? 0) : 128 + constants.signals[exit.signal]

/** Isolation in force, as it goes into the `container` entry. */
export type Isolation = {
  /** `none`: a plain process of this user, with all that this user may do. */
  readonly kind: string
  /** What a reader of the log should know about it, one sentence each. */
  readonly reasons: ReadonlyArray<string>
}

/** Receives the guest's output. Called from plain Node callbacks; must not throw. */
export interface OutputHandler {
  /**
   * The next bytes of a stream, which the handler may keep. False: no more of this stream until `resume`; that holds the
   * guest back once the kernel's buffer is full.
   */
  readonly onChunk: (stream: StreamName, bytes: Uint8Array) => boolean
  /** Nothing follows in this stream. */
  readonly onEnd: (stream: StreamName) => void
}

/**
 * How a stream came to its end. `eof`: everybody who could write to it is gone, and every byte was delivered.
 * `destination-closed`: `close` was called. `abandoned`: the guest has ended, and a process that left its session still
 * holds the stream open; what it writes from now on is not seen.
 */
export type StreamEnd = "eof" | "destination-closed" | "abandoned"

/** How the output ended, per stream that the guest had. */
export type Drained = { readonly [stream in StreamName]?: StreamEnd }

/** The guest's output. Nothing is read, and so nothing lost, before `attach`. */
export interface GuestOutput {
  /** `stdout` and `stderr`, or `tty` alone. */
  readonly streams: ReadonlyArray<StreamName>
  /** Sends everything to the handler from now on. Once per guest. */
  readonly attach: (handler: OutputHandler) => void
  /** Goes on with a stream that the handler stopped. */
  readonly resume: (stream: StreamName) => void
  /** Nobody reads this stream any more: who writes to it gets SIGPIPE (a terminal: SIGHUP), as without agentops. */
  readonly close: (stream: StreamName) => void
  /**
   * Completes when the guest has ended and every stream has, each to its last byte or abandoned. Not before an attached
   * handler has taken everything: a stream that the handler stopped is waited for without bound.
   */
  readonly drained: Effect.Effect<Drained>
}

/** The guest's end of a terminal that types into it; guests with pipes have none. */
export interface GuestInput {
  /** True: more may follow at once. False: it was taken too, but wait for `onDrain`. */
  readonly write: (bytes: Uint8Array) => boolean
  /** Calls back, each time after `write` said false, when more may follow; returns the unsubscription. */
  readonly onDrain: (callback: () => void) => () => void
}

/** A guest that was started. */
export interface Guest {
  /** Process id on this machine, of the main process or of what stands for it (the launcher). */
  readonly pid: number
  /** What was executed: the path that the command was resolved to. */
  readonly path: string
  readonly isolation: Isolation
  readonly output: GuestOutput
  readonly input: GuestInput | undefined
  /** Completes when the main process has ended. Its output may still be on its way: see `output.drained`. */
  readonly exit: Effect.Effect<ExitStatus>
  /** Sends a signal to the guest and all of its processes that can be reached; to a guest that has ended, nothing. */
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  /**
   * Passes on a signal that agentops itself received. Does nothing where the guest has had it already: a guest that
   * shares agentops' terminal gets what is typed there (Ctrl-C, Ctrl-\, Ctrl-Z) from the kernel.
   */
  readonly forward: (name: NodeJS.Signals) => Effect.Effect<void>
  /** Sends `signal` (default SIGTERM), waits `grace` (default 10 s), sends SIGKILL. Completes when the guest has ended. */
  readonly stop: (options?: {
    readonly signal?: NodeJS.Signals
    readonly grace?: Duration.DurationInput
  }) => Effect.Effect<ExitStatus>
  /** Sets the size of the guest's terminal; its foreground processes get SIGWINCH. Nothing for guests with pipes. */
  readonly resize: (size: TerminalSize) => Effect.Effect<void>
}

/** The command was found neither as a path nor in PATH. */
export class CommandNotFound extends Data.TaggedError("CommandNotFound")<{
  readonly command: string
  /** PATH that was searched; undefined when the command is a path itself. */
  readonly searched: string | undefined
}> {
  /** Status of `agent run`, as shells have it. */
  readonly exitStatus = 127
  override get message(): string {
    if (this.searched === undefined) return `${this.command}: no such file`
    return `${this.command || "(empty name)"}: command not found${this.searched === "" ? ": PATH is empty" : ""}`
  }
}

/** The command exists and cannot be executed. */
export class CommandNotExecutable extends Data.TaggedError("CommandNotExecutable")<{
  readonly path: string
  readonly reason: string
}> {
  /** Status of `agent run`, as shells have it. */
  readonly exitStatus = 126
  override get message(): string {
    return `${this.path}: ${this.reason}`
  }
}

/** The guest could not be started for a reason that lies with agentops or this machine. */
export class RuntimeError extends Data.TaggedError("RuntimeError")<{
  readonly runtime: string
  /** What failed and what to do, in one line. */
  readonly reason: string
  readonly cause?: unknown
}> {
  /** Status of `agent run`. */
  readonly exitStatus = 125
  override get message(): string {
    return `${this.runtime} runtime: ${this.reason}`
  }
}

export type StartError = CommandNotFound | CommandNotExecutable | RuntimeError

/** Runs guests. */
export class ContainerRuntime extends Context.Tag("agentops/ContainerRuntime")<
  ContainerRuntime,
  {
    /** `local`, `docker` or `apple`. */
    readonly name: string
    /** What a guest that is started now will have. */
    readonly isolation: Isolation
    /** Whether a guest with, or without, a terminal of its own leads a session, apart from agentops' terminal. */
    readonly leadsSession: (tty: boolean) => boolean
    /**
     * Starts a guest that lives at most as long as the scope: closing it stops the guest (as `stop` does) and what it
     * left behind, and removes everything that was made for it.
     */
    readonly start: (spec: GuestSpec) => Effect.Effect<Guest, StartError, Scope.Scope>
  }
>() {}
