/**
 * One sender: its bytes that wait for their turn, and how far it has come. It decides nothing about other connections.
 *
 * @module
 */
import type * as Net from "node:net"
import * as Protocol from "../../domain/Protocol.ts"
import type { Gate } from "./Gate.ts"
import { LineSplitter } from "./LineSplitter.ts"
import { Opening } from "./Opening.ts"
import type { Refusal } from "./Refusals.ts"

export interface Handlers {
  /** Whole lines of the connection, each with its LF. Good until this returns. */
  readonly onLines: (connection: Connection, bytes: Buffer) => void
  /** Something of the connection is refused. */
  readonly onRefused: (connection: Connection, bytes: number, refusal: Refusal) => void
}

/** Memory that a read takes besides its bytes, in bytes, generously. */
const readOverhead = 512

const tooLong = `a line longer than ${Protocol.maxLineBytes} bytes, or than there is room for`

/** Mutable; owned by the engine. */
export class Connection {
  readonly number: number
  readonly socket: Net.Socket
  channel: Protocol.Channel = "shim"
  /** It may send lines. */
  isProven: boolean
  /** Nothing more comes of it, or is wanted. */
  isEnded = false
  /** It has nothing more to say: what it carried is with the shipper. */
  isDone = false
  /** It is the collector's own, which went through the kernel's queue. */
  isMarker = false
  /** It is not being read. */
  isPaused = false
  /** When its last bytes came, in looks of the draining. */
  lastLook = 0
  readonly #gate: Gate
  readonly #handlers: Handlers
  readonly #splitter: LineSplitter
  #opening: Opening | undefined = new Opening()
  #queue: Array<Buffer> = []
  #waiting = 0

  /** @param needsToken without its token nothing that it sends is looked at */
  constructor(number: number, socket: Net.Socket, needsToken: boolean, gate: Gate, handlers: Handlers) {
    this.number = number
    this.socket = socket
    this.isProven = !needsToken
    this.#gate = gate
    this.#handlers = handlers
    this.#splitter = new LineSplitter(Protocol.maxLineBytes, {
      onLines: (bytes) => {
        gate.strike(bytes)
        handlers.onLines(this, bytes)
      },
      onCut: (line) => this.#refuseLine(line, tooLong)
    })
  }

  /** Memory of what waits for its turn, in bytes. */
  get waiting(): number {
    return this.#waiting
  }

  /** Memory of its unfinished line, in bytes. */
  get held(): number {
    return this.#splitter.held
  }

  /** Takes what was read. A token opens its channel at once, whoever else waits for a turn. */
  receive(bytes: Buffer): void {
    if (this.#opening === undefined) return this.#enqueue(bytes)
    const opened = this.#opening.push(bytes)
    if (opened._tag === "Wait") return
    this.#opening = undefined
    if (opened._tag === "Token") this.#admit(opened.token, opened.rest)
    else if (this.isProven) this.#enqueue(opened.bytes)
    else this.turnAway("a connection that did not begin with its token")
  }

  /** Its turn: handles all that waits. */
  step(): void {
    const queue = this.#queue
    const [first] = queue
    this.#queue = []
    this.#waiting = 0
    if (first !== undefined) this.#splitter.push(queue.length === 1 ? first : Buffer.concat(queue))
  }

  /** Gives up the unfinished line. */
  cut(): void {
    this.#splitter.cut()
  }

  /** Nothing more comes: refuses what has no LF. */
  finish(reason: string): void {
    this.isDone = true
    const isInOpening = this.#opening?.isBegun === true
    if (isInOpening) this.#refuse("a connection that ended in its first line, which may be a token")
    const line = this.#splitter.unfinished
    if (line.length > 0) this.#refuseLine(line, reason)
  }

  /** Says why, without a word of what it sent, and closes it. */
  turnAway(reason: string): void {
    this.#refuse(reason)
    this.destroy()
  }

  /** Forgets everything and closes. */
  destroy(): void {
    this.isDone = true
    this.#queue = []
    this.#waiting = 0
    this.socket.destroy()
  }

  #enqueue(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#queue.push(bytes)
    this.#waiting += bytes.length + readOverhead
  }

  #admit(token: Buffer, rest: Buffer): void {
    const admission = this.#gate.admit(token)
    if (admission._tag === "Refused") return this.turnAway(admission.reason)
    if (admission._tag === "Marker") {
      this.isMarker = true
      return this.destroy()
    }
    this.channel = admission.channel
    this.isProven = true
    this.#enqueue(rest)
  }

  #refuse(reason: string): void {
    this.#handlers.onRefused(this, 0, { reason })
  }

  #refuseLine(line: Buffer, reason: string): void {
    this.#gate.strike(line)
    this.#handlers.onRefused(this, line.length, { reason, line })
  }
}
