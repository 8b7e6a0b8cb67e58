/**
 * What the readers of evidence share: their settings, their one error, and lines of a file in flat memory.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Os from "node:os"
import * as Bundle from "../domain/Bundle.ts"

/** The file could not be read; nothing is known about what it holds. */
export class VerifyIoError extends Data.TaggedError("VerifyIoError")<{
  readonly path: string
  readonly reason: string
  /** Whether there is no such file. */
  readonly isMissing: boolean
}> {
  override get message(): string {
    return `cannot read ${this.path}: ${this.reason}`
  }
}

/** How a verification is carried out; it never changes the report. */
export interface Settings {
  /** Threads that check entries; default 1 for small files, else what the machine has, at most 4. */
  readonly threads?: number | undefined
  /** Called from time to time: bytes of the file that were read, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Bytes of a bundle, or entries of a database, that a thread takes at a time. */
  readonly piece?: number | undefined
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file; check the path",
  EACCES: "permission denied; check its owner and mode",
  EPERM: "permission denied; check its owner and mode",
  EISDIR: "it is a directory; name the file itself",
  EMFILE: "too many open files; raise the limit (ulimit -n)"
}

/** Any failure of the file system as the typed error. */
export const ioError =
  (path: string) =>
  (cause: unknown): VerifyIoError => {
    if (cause instanceof VerifyIoError) return cause
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
    const text = cause instanceof Error ? cause.message : String(cause)
    return new VerifyIoError({ path, reason: reasons[code] ?? text, isMissing: code === "ENOENT" })
  }

/** Runs `work`; an interruption aborts it and waits until it has ended, so that what it uses can be closed. */
export const attempt = <A>(work: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.async<A, unknown>((resume, signal) => {
    const running = work(signal).then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(Effect.fail(error))
    )
    return Effect.promise(() => running)
  })

/** Lets the event loop go on, so that signals and interruptions come through. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Files below this size are not worth the start of threads, in bytes. */
const smallFile = 16 * 1024 * 1024
const mostThreads = 4

/** Threads for a file of `bytes`. */
export const threadsFor = (settings: Settings, bytes: number): number =>
  settings.threads ?? (bytes < smallFile ? 1 : Math.min(mostThreads, Os.availableParallelism()))

/** What is read of an open file; a file handle of Node is one. */
export interface EvidenceFile {
  readonly fd: number
  readonly stat: () => Promise<{ readonly size: number; readonly isFile: () => boolean }>
  readonly read: (
    buffer: Buffer,
    offset: number,
    length: number,
    position: null
  ) => Promise<{ readonly bytesRead: number }>
  readonly close: () => Promise<void>
}

/** Bytes that one read asks for. */
export const chunkBytes = 1024 * 1024

/** Receives lines without their LF; `refuse` ends the reading. */
export interface LineSink {
  readonly line: (text: string) => void
  readonly refuse: (why: string) => void
  /** Whether reading on is pointless. */
  readonly isDecided: boolean
}

/** What is wrong with a line that cannot even be read as text. */
export const lineTooLong = `longer than ${Bundle.maxLineBytes} bytes`
export const notUtf8 = "not UTF-8"

const lineFeed = 0x0a

/**
 * Cuts bytes into lines, in flat memory: at most one line, of at most `Bundle.maxLineBytes` with its LF, is kept.
 * Owned by one reader.
 */
export class LineSplitter {
  readonly #sink: LineSink
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  #rest: Array<Buffer> = []
  #restBytes = 0
  #refused = false

  constructor(sink: LineSink) {
    this.#sink = sink
  }

  /** Whether more bytes would be ignored. */
  get isDone(): boolean {
    return this.#refused || this.#sink.isDecided
  }

  #emit(bytes: Uint8Array): void {
    let text: string
    try {
      text = this.#decoder.decode(bytes)
    } catch {
      this.#refuse(notUtf8)
      return
    }
    this.#sink.line(text)
  }

  #refuse(why: string): void {
    this.#refused = true
    this.#rest = []
    this.#sink.refuse(why)
  }

  /** The bytes that come next; they may be overwritten afterwards. */
  push(chunk: Buffer): void {
    let from = 0
    while (!this.isDone) {
      const end = chunk.indexOf(lineFeed, from)
      const stop = end < 0 ? chunk.length : end
      if (this.#restBytes + stop - from > Bundle.maxLineBytes - 1) return this.#refuse(lineTooLong)
      if (end < 0) {
        if (stop > from) this.#rest.push(Buffer.from(chunk.subarray(from)))
        this.#restBytes += stop - from
        return
      }
      const piece = chunk.subarray(from, end)
      this.#emit(this.#restBytes === 0 ? piece : Buffer.concat([...this.#rest, piece]))
      this.#rest = []
      this.#restBytes = 0
      from = end + 1
    }
  }

  /** The end of the file; a last line may lack its LF. */
  end(): void {
    if (!this.isDone && this.#restBytes > 0) this.#emit(Buffer.concat(this.#rest))
  }
}

/** Reads a file from `position` on, chunk by chunk, until `visit` says that it has enough. Stops when aborted. */
export const readChunks = async (
  file: EvidenceFile,
  signal: AbortSignal,
  visit: (chunk: Buffer) => boolean | Promise<boolean>
): Promise<void> => {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  for (;;) {
    signal.throwIfAborted()
    // Chunks are read in turn: memory stays flat.
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
    if (bytesRead === 0 || !(await visit(buffer.subarray(0, bytesRead)))) return
  }
}
