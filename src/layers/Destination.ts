/**
 * Where the guest's output is shown: agentops' own standard output or error, written without ever blocking this process.
 *
 * Node writes to a terminal synchronously, so that one stalled terminal would stop the recorder, the signals and the
 * time-outs with it. A `tty.ReadStream` is the same handle without that; its writing side is asynchronous. Pipes are
 * asynchronous and files do not stall, so those stay with `process.stdout` and `process.stderr`.
 *
 * @module
 */
import type { Writable } from "node:stream"
import { isatty, ReadStream } from "node:tty"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Receives bytes, in order, as they are. */
export interface Destination {
  /** True: more may follow at once. False: it was taken too, but wait for `onDrain`. */
  readonly write: (bytes: Uint8Array) => boolean
  /** Called each time that more may follow after `write` said false, and once when nobody reads any more. */
  readonly onDrain: (callback: () => void) => void
  /** Nobody reads any more: the other end of the pipe is closed, the terminal is gone, the disk is full. */
  readonly closed: () => boolean
  /** Completes when everything written was taken by the kernel, or when it is closed. May wait for ever; interruptible. */
  readonly flush: Effect.Effect<void>
}

/** Wraps a stream; writing to it later than the first error does nothing. */
export const fromStream = (stream: Writable): Destination => {
  let closed = stream.destroyed
  const callbacks: Array<() => void> = []
  const wake = () => {
    for (const callback of callbacks) callback()
  }
  const flushing = new Set<() => void>()
  const onClosed = () => {
    if (closed) return
    closed = true
    wake()
    for (const done of flushing) done()
  }
  // For good: an error that comes when nobody listens any more would end this process.
  stream.on("error", onClosed)
  stream.on("close", onClosed)
  stream.on("drain", wake)
  return {
    write: (bytes) => closed || stream.write(bytes),
    onDrain: (callback) => void callbacks.push(callback),
    closed: () => closed,
    flush: Effect.async((resume) => {
      if (closed || stream.writableLength === 0) return resume(Effect.void)
      const done = () => {
        flushing.delete(done)
        resume(Effect.void)
      }
      flushing.add(done)
      stream.write("", done)
      return Effect.sync(() => flushing.delete(done))
    })
  }
}

/** Standard output or error, until the scope closes. */
export const standard = (fd: 1 | 2): Effect.Effect<Destination, never, Scope.Scope> =>
  isatty(fd)
    ? Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => new ReadStream(fd)),
          (stream) => Effect.sync(() => stream.destroy())
        ),
        fromStream
      )
    : Effect.sync(() => fromStream(fd === 1 ? process.stdout : process.stderr))
