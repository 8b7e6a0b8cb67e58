/**
 * The ways to watch a command, as `bench/capture.ts` compares them: not at all, by the preloaded library, by the
 * supervisor with and without its help, and by strace with the same calls.
 *
 * @module
 */
import { type ChildProcess, fork } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Programs from "./Programs.ts"

export const modes = ["bare", "shim", "hybrid", "full", "strace"] as const
export type Mode = (typeof modes)[number]

/** What strace watches: the calls that agentops records. */
const traced = "execve,execveat,connect,open,openat,openat2,creat"

export interface Capture {
  /** The command line that runs `command` in this mode. */
  readonly argv: (mode: Mode, command: ReadonlyArray<string>) => ReadonlyArray<string>
  /** Events that the reader got since it was last asked. Waits until every sender has ended. */
  readonly events: () => Promise<number>
  readonly close: () => void
}

/** Asks for the reader's next message; it dies only when something is wrong with it. */
const listenTo = (reader: ChildProcess): (() => Promise<unknown>) => {
  let waiting: { readonly resolve: (message: unknown) => void; readonly reject: (error: Error) => void } | undefined
  reader.on("message", (message) => waiting?.resolve(message))
  reader.on("error", (error) => waiting?.reject(error))
  reader.on("exit", (status) => waiting?.reject(new Error(`the reader ended with ${status}`)))
  return () => new Promise((resolve, reject) => (waiting = { resolve, reject }))
}

/** Starts the reader. `directory` is private and has a short path. */
export const open = async (directory: string): Promise<Capture> => {
  const { launcher, shim } = Programs.native()
  const socket = Path.join(directory, "audit.sock")
  const reader = fork(await Programs.bundle("captureReader"), [socket], { execArgv: [] })
  const next = listenTo(reader)
  await next()
  let secrets = 0
  const secretFile = () => {
    const path = Path.join(directory, `secret-${secrets++}`)
    Fs.writeFileSync(path, `${"0123456789abcdef".repeat(4)}\n`, { mode: 0o600 })
    return path
  }
  const ours = (record: Mode) => {
    const channel = ["--endpoint", `unix://${socket}`, "--secret-file", secretFile(), "--session", "run_0123456789ab"]
    return [launcher, ...channel, "--record", record, "--shim", shim, "--"]
  }
  const strace = ["strace", "-f", "--seccomp-bpf", "-e", `trace=${traced}`, "-o", Path.join(directory, "strace.out")]
  return {
    argv: (mode, command) => {
      if (mode === "bare") return command
      return [...(mode === "strace" ? strace : ours(mode)), ...command]
    },
    events: async () => {
      const answer = next()
      reader.send("events")
      return Number(await answer)
    },
    close: () => reader.kill()
  }
}
