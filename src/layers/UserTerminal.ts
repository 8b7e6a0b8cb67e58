/**
 * The user's terminal as the guest's: every key goes to the guest as it is, Ctrl-C and Ctrl-Z included, and nothing that
 * the guest prints is translated on its way.
 *
 * The terminal is put into raw mode by stty(1). Node's own raw mode goes on translating LF into CR LF on output, which
 * breaks full-screen programs that move the cursor down by LF; it is used only where there is no stty. The modes are
 * put back when the scope closes, when this process exits for whatever reason (also by an exception that nobody caught;
 * not by SIGKILL), and while it is stopped by job control.
 *
 * @module
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { isatty, ReadStream } from "node:tty"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Guest, GuestInput, TerminalSize } from "../services/ContainerRuntime.ts"
import * as JobControl from "./JobControl.ts"

const input = 0

/** What a terminal sends to say "end of file" in its usual modes (Ctrl-D). */
const endOfFile = Uint8Array.of(4)

/** Longest wait for stty(1), in milliseconds; it waits for output that is still being shown. */
const sttyTimeout = 2_000

/** Runs stty(1) on standard input; its output, or undefined when it failed. */
const stty = (...args: ReadonlyArray<string>): string | undefined => {
  const run = spawnSync("stty", args, { stdio: [input, "pipe", "ignore"], timeout: sttyTimeout, encoding: "utf8" })
  return run.status === 0 ? run.stdout.trim() : undefined
}

/** The size that stty(1) sees now. Node's own is the one at its last SIGWINCH, which a stopped process misses. */
const freshSize = (): TerminalSize | undefined => {
  const [rows, columns] = (stty("size") ?? "").split(" ").map(Number)
  return rows !== undefined && columns !== undefined && rows > 0 && columns > 0 ? { columns, rows } : size()
}

/** Size of the terminal that standard output shows on; undefined when it is none or does not know its size. */
export const size = (): TerminalSize | undefined => {
  if (!process.stdout.isTTY) return undefined
  const [columns, rows] = process.stdout.getWindowSize()
  return columns > 0 && rows > 0 ? { columns, rows } : undefined
}

/** Whether this process may read the terminal and set its modes: a background job that does is stopped by the kernel. */
const inForeground = (): boolean => {
  if (process.platform !== "linux") return true
  try {
    const stat = readFileSync("/proc/self/stat", "latin1")
    // proc_pid_stat(5), after the command's name: state ppid pgrp session tty_nr tpgid
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return group === foreground
  } catch {
    return true
  }
}

/** Raw mode until the scope closes, whenever this process is in the foreground. */
const rawMode = (keys: ReadStream) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let saved: string | undefined
      let raw = false
      const leave = () => {
        if (raw && (saved === undefined || stty(saved) === undefined)) keys.setRawMode(false)
        raw = false
      }
      /** True when the terminal is in raw mode now. */
      const enter = () => {
        if (!inForeground()) return false
        saved ??= stty("-g")
        if (saved === undefined || stty("raw", "-echo", "-iexten") === undefined) keys.setRawMode(true)
        raw = true
        return true
      }
      process.once("exit", leave)
      return { enter, leave }
    }),
    ({ leave }) =>
      Effect.sync(() => {
        process.removeListener("exit", leave)
        leave()
      })
  )

/** Types into the guest what the user types. */
const pump = (keys: NodeJS.ReadStream | ReadStream, to: GuestInput, onHangUp: () => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const onData = (bytes: Uint8Array) => {
        if (!to.write(bytes)) keys.pause()
      }
      const onError = () => {
        keys.destroy()
        onHangUp()
      }
      const stop = to.onDrain(() => keys.resume())
      keys.on("data", onData)
      keys.once("end", onHangUp)
      keys.once("error", onError)
      return () => {
        stop()
        keys.off("data", onData)
        keys.off("end", onHangUp)
        keys.destroy()
      }
    }),
    (stop) => Effect.sync(stop)
  )

/** Gives the guest's terminal the size of the user's. */
const copySize = (guest: Guest, now: TerminalSize | undefined): void => {
  if (now !== undefined) Effect.runSync(guest.resize(now))
}

/** Follows the size of the user's terminal. */
const followSize = (guest: Guest) => {
  const onResize = () => copySize(guest, size())
  return Effect.acquireRelease(
    Effect.sync(() => {
      process.stdout.on("resize", onResize)
      onResize()
    }),
    () => Effect.sync(() => process.stdout.off("resize", onResize))
  )
}

/**
 * Connects standard input and the window size with a guest that has a terminal. Where standard input is no terminal, its
 * bytes are typed into the guest, and its end is typed as Ctrl-D.
 */
export const attach = (guest: Guest, to: GuestInput): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* followSize(guest)
    if (!isatty(input)) {
      yield* pump(process.stdin, to, () => void to.write(endOfFile))
      return
    }
    const keys = yield* Effect.acquireRelease(
      Effect.sync(() => new ReadStream(input)),
      (stream) => Effect.sync(() => stream.destroy())
    )
    const { enter, leave } = yield* rawMode(keys)
    const foreground = enter()
    yield* pump(keys, to, () => Effect.runSync(guest.signal("SIGHUP")))
    if (!foreground) keys.pause()
    yield* JobControl.listen({
      beforeStop: leave,
      afterContinue: () => {
        if (!enter()) return void keys.pause()
        keys.resume()
        copySize(guest, freshSize())
      }
    })
  })
