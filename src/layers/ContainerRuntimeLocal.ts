/**
 * The local runtime as a plain child process: no isolation at all, which it says in the log.
 *
 * With `tty` the guest leads a session of its own on a pty. Without, its output goes into pipes and it has agentops' own
 * standard input, untouched, so that files, pipes, `/dev/null` and end of file are what they would be without agentops.
 * If that input is a terminal, the guest stays in agentops' process group, because only the foreground group may read
 * it; the kernel then delivers what is typed (Ctrl-C) to the guest. Otherwise the guest leads a session of its own, so
 * that it can be signalled as a whole.
 *
 * With a launcher, that is the process which is started and leads the session, and the guest is its child.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { statSync } from "node:fs"
import { Socket } from "node:net"
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import {
  CommandNotExecutable,
  ContainerRuntime,
  type ExitStatus,
  type Guest,
  type GuestSpec,
  type Isolation,
  RuntimeError,
  type StartError
} from "../services/ContainerRuntime.ts"
import * as JobControl from "./JobControl.ts"
import { ByteSource } from "./local/ByteSource.ts"
import * as LocalGuest from "./local/LocalGuest.ts"
import * as NodePty from "./local/NodePty.ts"
import * as Pipes from "./local/Pipes.ts"
import { PtySource } from "./local/PtySource.ts"
import { resolveCommand } from "./local/ResolveCommand.ts"

const runtime = "local"

/** What the plain child process has. */
export const isolation: Isolation = {
  kind: "none",
  reasons: ["the guest is a plain child process: it has this user's files, network, environment and processes"]
}

/** Only the foreground group of agentops' own terminal may read it. */
const leadsSession = (tty: boolean): boolean => tty || !isatty(0)

type OnExit = (status: ExitStatus) => void

type Environment = Readonly<Record<string, string>>

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Copies what is set, with PWD as shells keep it: the name of the working directory. */
const environmentOf = (spec: GuestSpec, inherited: Readonly<NodeJS.ProcessEnv>): Environment => {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(inherited)) if (value !== undefined) env[name] = value
  if (spec.cwd !== process.cwd()) env["PWD"] = spec.cwd
  return { ...env, ...spec.env }
}

/** What is executed, given the path of the guest's command. */
interface Executed {
  readonly path: string
  readonly argv0: string
  readonly args: ReadonlyArray<string>
}

const executedOf = ({ args, command, launcher }: GuestSpec, path: string): Executed =>
  launcher === undefined
    ? { path, argv0: command, args }
    : { path: launcher.path, argv0: launcher.path, args: [...launcher.args, "--", command, ...args] }

const checkSpec = (spec: GuestSpec, env: Environment): Effect.Effect<void, RuntimeError> =>
  Effect.suspend(() => {
    const texts = [spec.command, ...spec.args, spec.cwd, ...Object.entries(env).flat()]
    if (texts.some((text) => text.includes("\0"))) {
      return new RuntimeError({ runtime, reason: "a NUL character cannot be part of a command or of its environment" })
    }
    if (!statSync(spec.cwd, { throwIfNoEntry: false })?.isDirectory()) {
      return new RuntimeError({ runtime, reason: `cannot start in ${spec.cwd}: no such directory` })
    }
    return Effect.void
  })

const launchOnPty = (spec: GuestSpec, { args, argv0 }: Executed, env: Environment, onExit: OnExit) =>
  Effect.try({
    try: (): LocalGuest.Started => {
      const { cwd } = spec
      const size = spec.size ?? { columns: 80, rows: 24 }
      const pty = NodePty.fork({ args, command: argv0, cwd, env, size }, (code, signal) => {
        const name = LocalGuest.signalName(signal)
        onExit(name === undefined ? { code, signal: null } : { code: null, signal: name })
      })
      return {
        pid: pty.pid,
        sources: (onEnd) => [new PtySource(pty, onEnd)],
        ownSession: true,
        isLauncher: spec.launcher !== undefined,
        input: {
          write: (bytes) => !pty.socket.writable || pty.socket.write(bytes),
          onDrain: (callback) => {
            pty.socket.on("drain", callback)
            return () => pty.socket.off("drain", callback)
          }
        },
        resize: pty.resize
      }
    },
    catch: (cause) =>
      new RuntimeError({
        runtime,
        reason: `no terminal for the guest: ${messageOf(cause)}; try without a terminal`,
        cause
      })
  })

/** What spawn(3) could not do, after the command was found. */
const spawnError = (path: string, cause: unknown): StartError => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "EACCES" || code === "ENOENT" || code === "ENOEXEC") {
    return new CommandNotExecutable({ path, reason: `cannot be executed (${code})` })
  }
  if (code === "E2BIG") return new CommandNotExecutable({ path, reason: "the arguments and environment are too long" })
  return new RuntimeError({ runtime, reason: `cannot start ${path}: ${messageOf(cause)}`, cause })
}

/** The end that is read: of a pipe of ours, or of what Node made for the child. */
const reader = (fd: number | undefined, own: unknown): Socket => {
  if (own instanceof Socket) return own
  return new Socket({ ...(fd === undefined ? {} : { fd }), readable: true, writable: false })
}

const launchOnPipes = (spec: GuestSpec, { args, argv0, path }: Executed, env: Environment, onExit: OnExit) =>
  Effect.async<LocalGuest.Started, StartError>((resume) => {
    const pipes = Pipes.make(2)
    const ownSession = leadsSession(false)
    try {
      const child = spawn(path, [...args], {
        argv0,
        cwd: spec.cwd,
        env,
        detached: ownSession,
        stdio: ["inherit", pipes?.[0]?.write ?? "pipe", pipes?.[1]?.write ?? "pipe"]
      })
      child.once("exit", (code, signal) => onExit({ code, signal }))
      child.once("error", (cause) => {
        if (child.pid !== undefined) return
        if (pipes !== undefined) Pipes.close(pipes.map(({ read }) => read))
        resume(Effect.fail(spawnError(path, cause)))
      })
      const { pid } = child
      if (pid === undefined) return
      resume(
        Effect.succeed({
          pid,
          sources: (onEnd) => [
            new ByteSource("stdout", reader(pipes?.[0]?.read, child.stdout), onEnd),
            new ByteSource("stderr", reader(pipes?.[1]?.read, child.stderr), onEnd)
          ],
          ownSession,
          isLauncher: spec.launcher !== undefined,
          input: undefined,
          resize: () => {}
        })
      )
    } catch (cause) {
      if (pipes !== undefined) Pipes.close(pipes.map(({ read }) => read))
      resume(Effect.fail(spawnError(path, cause)))
    } finally {
      // Only the guest holds the writing ends, so that their end is its end.
      if (pipes !== undefined) Pipes.close(pipes.map(({ write }) => write))
    }
  })

/** Starts a guest on this machine; `inherited` is the environment that it gets beside `spec.env`. */
export const start = (
  spec: GuestSpec,
  inherited: Readonly<NodeJS.ProcessEnv>
): Effect.Effect<Guest, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    const env = environmentOf(spec, inherited)
    yield* checkSpec(spec, env)
    const path = yield* resolveCommand(spec, env)
    const executed = executedOf(spec, path)
    const launch = (onExit: OnExit): Effect.Effect<LocalGuest.Started, StartError> =>
      spec.tty ? launchOnPty(spec, executed, env, onExit) : launchOnPipes(spec, executed, env, onExit)
    const guest = yield* LocalGuest.make(launch, { path, isolation })
    // A guest in another session does not see the Ctrl-Z that stops agentops; on a terminal of its own it has its own.
    if (!spec.tty && leadsSession(false)) {
      yield* JobControl.listen({
        beforeStop: () => Effect.runSync(guest.signal("SIGSTOP")),
        afterContinue: () => Effect.runSync(guest.signal("SIGCONT"))
      })
    }
    return guest
  }).pipe(Effect.withSpan("ContainerRuntime.start"))

/** Guests are plain child processes. */
export const layer: Layer.Layer<ContainerRuntime> = Layer.sync(ContainerRuntime, () => ({
  name: runtime,
  isolation,
  leadsSession,
  start: (spec) => start(spec, process.env)
}))
