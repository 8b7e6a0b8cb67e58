/**
 * One output stream of a guest as bytes with backpressure, to its last byte. Nothing is read before `attach`.
 *
 * @module
 */
import type { Socket } from "node:net"
import type { StreamName } from "../../domain/ConsoleLines.ts"
import type { OutputHandler, StreamEnd } from "../../services/ContainerRuntime.ts"

/** A pipe: it ends by itself when everybody who could write to it is gone. */
export class ByteSource {
  readonly name: StreamName
  protected readonly socket: Socket
  readonly #onEnd: () => void
  #handler: OutputHandler | undefined
  #held = false
  #reason: StreamEnd = "eof"
  #end: StreamEnd | undefined
  #bytes = 0

  /** @param onEnd is called once, after the handler's `onEnd` */
  constructor(name: StreamName, socket: Socket, onEnd: () => void) {
    this.name = name
    this.socket = socket
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
    this.socket.on("data", (bytes: Uint8Array) => this.deliver(bytes))
    this.socket.resume()
  }

  resume(): void {
    if (!this.#held) return
    this.#held = false
    this.socket.resume()
  }

  /** Called when the guest and its session are gone: only what they left is still to be read. */
  finish(): void {}

  /** Stops reading, for the given reason, and closes the descriptor. */
  stop(reason: StreamEnd): void {
    if (this.#end !== undefined || this.socket.destroyed) return
    this.#reason = reason
    this.socket.destroy()
  }

  /** Hands bytes to the handler; only while it flows. */
  protected deliver(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    if (this.#handler?.onChunk(this.name, bytes) !== false || this.#end !== undefined) return
    this.#held = true
    this.socket.pause()
  }

  #finish(): void {
    this.#end = this.#reason
    this.#handler?.onEnd(this.name)
    this.#onEnd()
  }
}
