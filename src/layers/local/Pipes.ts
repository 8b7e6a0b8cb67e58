/**
 * Makes real pipes. Node gives a child socket pairs, and what a socket cannot do, real programs need: opening
 * `/dev/stdout` or `/dev/stderr` (ENXIO on a socket), SIGPIPE as usual, a file type that is a pipe's. A FIFO that is
 * opened at both ends and unlinked is a pipe in every respect.
 *
 * @module
 */
import { spawnSync } from "node:child_process"
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** File descriptors of one pipe. The reading end does not block, the writing end does; neither survives an exec. */
export interface Pipe {
  readonly read: number
  readonly write: number
}

/** Longest wait for mkfifo(1), in milliseconds. */
const mkfifoTimeout = 5_000

/** Closes descriptors, each once. */
export const close = (fds: ReadonlyArray<number>): void => {
  for (const fd of fds) closeSync(fd)
}

/** Makes `count` pipes, or returns undefined when this machine has no mkfifo(1) or no writable temporary directory. */
export const make = (count: number): ReadonlyArray<Pipe> | undefined => {
  let folder: string
  try {
    folder = mkdtempSync(join(tmpdir(), "agentops-"))
  } catch {
    return undefined
  }
  const opened: Array<number> = []
  try {
    const paths = Array.from({ length: count }, (_, index) => join(folder, String(index)))
    const made = spawnSync("mkfifo", ["-m", "600", ...paths], { stdio: "ignore", timeout: mkfifoTimeout })
    if (made.status !== 0) return undefined
    return paths.map((path) => {
      // The reader first, and without waiting for a writer; the writer then finds it there.
      const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      opened.push(read)
      const write = openSync(path, constants.O_WRONLY)
      opened.push(write)
      return { read, write }
    })
  } catch {
    close(opened)
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
