/**
 * The native half of node-pty 1.1.0 (pinned), without its JavaScript half.
 *
 * node-pty's `UnixTerminal` loses output: it destroys its socket 200 ms after the child's exit, whatever is still to be
 * read (a paused reader, a background process that goes on writing), and emits nothing of what its stream holds. Its
 * native functions do only what forkpty(3), TIOCSWINSZ and waitpid(2) do; how the descriptor is read without loss is
 * PtySource's. They are not documented, hence the exact version and the check of their shape.
 *
 * @module
 */
import { createRequire } from "node:module"
import { dirname, resolve } from "node:path"
import { ReadStream } from "node:tty"
import type { TerminalSize } from "../../services/ContainerRuntime.ts"

/** How the child ended: `signal` is 0 when it exited. */
type OnExit = (code: number, signal: number) => void

interface Native {
  readonly fork: (
    file: string,
    args: ReadonlyArray<string>,
    env: ReadonlyArray<string>,
    cwd: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helperPath: string,
    onExit: OnExit
  ) => { readonly fd: number; readonly pid: number; readonly pty: string }
  readonly resize: (fd: number, columns: number, rows: number) => void
}

interface Utils {
  readonly loadNativeModule: (name: string) => { readonly dir: string; readonly module: Native }
}

/** A child on a terminal of its own, as leader of its own session. */
export interface Pty {
  readonly pid: number
  /** The master side, non-blocking; it belongs to `socket`. */
  readonly fd: number
  /** Of the slave side. */
  readonly path: string
  /** The master side, both ways; paused. */
  readonly socket: ReadStream
  /** Sets the window size; nothing after the socket is closed. */
  readonly resize: (size: TerminalSize) => void
}

const isUtils = (value: unknown): value is Utils =>
  typeof value === "object" && value !== null && "loadNativeModule" in value

/** Largest window size that `struct winsize` holds. */
const maxCells = 65_535
const cells = (count: number) => Math.min(Math.max(Math.trunc(count), 1), maxCells)

/**
 * Forks and executes. What cannot be executed shows as a message on the terminal and exit 1: check before.
 *
 * @throws when the native module is missing or no pty can be had
 */
export const fork = (
  options: {
    readonly command: string
    readonly args: ReadonlyArray<string>
    readonly env: Readonly<Record<string, string>>
    readonly cwd: string
    readonly size: TerminalSize
  },
  onExit: OnExit
): Pty => {
  const require = createRequire(import.meta.url)
  const utils: unknown = require("node-pty/lib/utils.js")
  if (!isUtils(utils)) throw new Error("node-pty is not the version that this was written for")
  const { dir, module } = utils.loadNativeModule("pty")
  const helper = resolve(dirname(require.resolve("node-pty/lib/utils.js")), dir, "spawn-helper")
  const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`)
  const { columns, rows } = options.size
  const inherit = -1 // of user and group id
  const {
    fd,
    pid,
    pty: path
  } = module.fork(
    options.command,
    options.args,
    env,
    options.cwd,
    cells(columns),
    cells(rows),
    inherit,
    inherit,
    true,
    helper,
    onExit
  )
  const socket = new ReadStream(fd)
  return {
    pid,
    fd,
    path,
    socket,
    resize: (size) => {
      if (!socket.destroyed) module.resize(fd, cells(size.columns), cells(size.rows))
    }
  }
}
