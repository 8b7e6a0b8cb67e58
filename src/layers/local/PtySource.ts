/**
 * The output of a guest's terminal, to its last byte.
 *
 * libuv loses output of a pty: when the last process that had the terminal open is gone (POLLHUP), it reads one piece of
 * at most 4 KiB and takes that for the end, however much the kernel still holds. So that this never happens the slave
 * side is held open here until the guest and its session are gone. What is left then is read until the kernel says that
 * there is nothing more: EAGAIN with the slave held open, and EIO without it, which shows that nobody else has it open.
 * (Linux reads what is still on its way between the two sides before it answers either.)
 *
 * @module
 */
import { closeSync, constants, openSync, readSync } from "node:fs"
import type { StreamEnd } from "../../services/ContainerRuntime.ts"
import { ByteSource } from "./ByteSource.ts"
import type { Pty } from "./NodePty.ts"

const readBytes = 65_536

/** While somebody outside of the session has the terminal open: until the next look, in milliseconds. */
const lookAgain = 20

/** A guest's terminal, master side. */
export class PtySource extends ByteSource {
  readonly #pty: Pty
  #slave: number | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(pty: Pty, onEnd: () => void) {
    super("tty", pty.socket, onEnd)
    this.#pty = pty
    this.#hold()
    pty.socket.once("close", () => {
      clearTimeout(this.#timer)
      this.#letGo()
    })
  }

  override finish(): void {
    this.#look()
  }

  /** Opens the slave side, without it becoming the terminal that controls this process. */
  #hold(): void {
    try {
      this.#slave ??= openSync(this.#pty.path, constants.O_RDWR | constants.O_NOCTTY)
    } catch {
      this.#slave = undefined // the terminal was revoked: its end comes as EIO
    }
  }

  #letGo(): void {
    if (this.#slave !== undefined) closeSync(this.#slave)
    this.#slave = undefined
  }

  /** Reads without waiting: bytes, or `empty`, or `end`. */
  #read(): Uint8Array | "empty" | "end" {
    const bytes = Buffer.allocUnsafe(readBytes)
    try {
      const count = readSync(this.#pty.fd, bytes)
      return count === 0 ? "end" : bytes.subarray(0, count)
    } catch (error) {
      return error instanceof Error && "code" in error && error.code === "EAGAIN" ? "empty" : "end"
    }
  }

  /** Reads what is there; ends when nothing is there and nobody can write any more. */
  #look(): void {
    while (!this.socket.destroyed && this.flowing && this.socket.readableLength === 0) {
      let found = this.#read()
      if (found === "empty") {
        this.#letGo()
        found = this.#read()
        this.#hold()
      }
      if (found === "end") return this.stop("eof")
      if (found === "empty") break
      this.deliver(found)
    }
    if (!this.socket.destroyed) this.#timer = setTimeout(() => this.#look(), lookAgain)
  }

  override stop(reason: StreamEnd): void {
    clearTimeout(this.#timer)
    super.stop(reason)
  }
}
