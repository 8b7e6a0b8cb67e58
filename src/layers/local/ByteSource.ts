/**
 * One output stream of a guest as bytes with backpressure, to its last byte.
 *
 * Nothing is read before `attach`. A pty reports its end as EIO, a pipe as end of file; both mean that everybody who
 * could write is gone and that everything was read. Node drops what a stream has buffered when that stream fails: a
 * pty's stream therefore must not read ahead (`tty.ReadStream` does not), or a handler that holds it would lose bytes.
 *
 * @module
 */
import type { Socket } from "node:net"
import type { StreamName } from "../../domain/ConsoleLines.ts"
import type { OutputHandler, StreamEnd } from "../../services/ContainerRuntime.ts"

/** A stream of a guest; see the module. */
export class ByteSource {
  readonly name: StreamName
  readonly #socket: Socket
  readonly #onEnd: () => void
  #handler: OutputHandler | undefined
  #held = false
  #reason: StreamEnd = "eof"
  #end: StreamEnd | undefined
  #bytes = 0

  /** @param onEnd is called once, after the handler's `onEnd` */
  constructor(name: StreamName, socket: Socket, onEnd: () => void) {
    this.name = name
    this.#socket = socket
    this.#onEnd = onEnd
    socket.pause()
    socket.on("error", () => socket.destroy())
    socket.once("close", () => this.#finish())
  }

  /** How it ended; undefined while it goes on. */
  get end(): StreamEnd | undefined {
    return this.#end
  }

  /** Whether the guest's bytes flow, as opposed to being held back by the handler (or by its absence). */
  get flowing(): boolean {
    return this.#handler !== undefined && !this.#held
  }

  /** Bytes delivered so far. */
  get bytes(): number {
    return this.#bytes
  }

  attach(handler: OutputHandler): void {
    this.#handler = handler
    if (this.#end !== undefined) return handler.onEnd(this.name)
    this.#socket.on("data", (bytes: Uint8Array) => {
      this.#bytes += bytes.length
      if (handler.onChunk(this.name, bytes) || this.#end !== undefined) return
      this.#held = true
      this.#socket.pause()
    })
    this.#socket.resume()
  }

  resume(): void {
    if (!this.#held) return
    this.#held = false
    this.#socket.resume()
  }

  /** Stops reading, for the given reason, and closes the descriptor. */
  stop(reason: StreamEnd): void {
    if (this.#end !== undefined || this.#socket.destroyed) return
    this.#reason = reason
    this.#socket.destroy()
  }

  #finish(): void {
    this.#end = this.#reason
    this.#handler?.onEnd(this.name)
    this.#onEnd()
  }
}
