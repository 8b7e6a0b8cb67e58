/**
 * The collector without its sockets' names: connections in, batches of records out.
 *
 * Every connection that has something takes its turn with all that was read of it (about 64 KiB at most), the runner's
 * channel every other turn. When the sink is slower than the senders, nobody takes a turn, and nobody is read: the senders
 * wait in the kernel. Nothing is dropped but what `Refusals` counts.
 *
 * Plain callbacks on one event loop.
 *
 * @module
 */
import type * as Net from "node:net"
import type { CollectorCounts } from "../../services/Collector.ts"
import type { Bounds } from "./Bounds.ts"
import { Connection, type Handlers } from "./Connection.ts"
import type { Gate } from "./Gate.ts"
import * as LineReader from "./LineReader.ts"
import type { RecordSink } from "./RecordSink.ts"
import { type Refusal, Refusals } from "./Refusals.ts"
import { Shipper } from "./Shipper.ts"
import { Turns } from "./Turns.ts"

export interface Options {
  /** The collector's own session; events of another one say so. */
  readonly session: string
  readonly gate: Gate
  readonly sink: RecordSink
  readonly bounds: Bounds
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Looks without a byte, after which the kernel has none: reading may begin one turn of the event loop late. */
const quietLooks = 3

/** Turns of the event loop in a row that belong to newcomers: libuv accepts one connection in each. */
const maxArrivals = 64

const stillSending = "a connection that was still sending when the recording ended: what came later is not recorded"

/** Mutable. */
export class Engine {
  readonly #options: Options
  readonly #refusals: Refusals
  readonly #shipper: Shipper
  readonly #connections = new Set<Connection>()
  readonly #unproven = new Map<Connection, NodeJS.Timeout>()
  readonly #turns = new Turns()
  readonly #handlers: Handlers
  #accepted = 0
  /** Memory of what waits for its turn, and of unfinished lines, in bytes. */
  #waiting = 0
  #held = 0
  /** Somebody came in this turn of the event loop; how many such turns there were in a row. */
  #isArriving = false
  #arrivals = 0
  #isCongested = false
  #isScheduled = false
  #isStopped = false
  #dropTimer: NodeJS.Timeout | undefined
  #isDropDue = false
  #look = 0
  #onStop: (() => void) | undefined

  constructor(options: Options) {
    const { bounds, now, session, sink } = options
    this.#options = options
    this.#refusals = new Refusals(bounds.malformedPerSecond, now())
    this.#shipper = new Shipper({ ...bounds, sink, onDurable: () => this.#schedule() })
    const onRecord = this.#shipper.add.bind(this.#shipper)
    this.#handlers = {
      onLines: ({ channel, number }, bytes) => {
        const onRefused = (bytes: number, explain: () => Refusal) => this.#refuse(channel, number, bytes, explain)
        LineReader.read(bytes, channel, session, { onRecord, onRefused })
      },
      onRefused: ({ channel, number }, bytes, refusal) => this.#refuse(channel, number, bytes, () => refusal)
    }
  }

  get counts(): CollectorCounts {
    const { counted, total } = this.#refusals
    return { connections: this.#accepted, entries: this.#shipper.entries, malformed: total, dropped: counted }
  }

  /** Takes over a connection that was accepted with `allowHalfOpen`. */
  accept(socket: Net.Socket, needsToken: boolean): void {
    const { bounds, gate } = this.#options
    const number = ++this.#accepted
    this.#isArriving = true
    socket.on("error", () => {}) // "close" follows
    const connection = new Connection(number, socket, needsToken, gate, this.#handlers)
    if (this.#isStopped) return connection.destroy()
    if (this.#connections.size >= bounds.maxConnections) {
      return connection.turnAway(`a connection too many: ${bounds.maxConnections} are open`)
    }
    this.#connections.add(connection)
    if (needsToken) this.#awaitToken(connection)
    socket.on("data", (bytes: Buffer) => this.#onData(connection, bytes))
    socket.on("end", () => this.#onEnd(connection))
    socket.on("close", () => this.#onClose(connection))
    if (this.#isCongested) this.#pause(connection)
  }

  /** Something could not be accepted, or the listener is at its end. */
  refuse(reason: string): void {
    this.#refuse("shim", this.#accepted, 0, () => ({ reason }))
  }

  /** Nothing more is taken, everything is closed at once. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#dropTimer)
    for (const connection of this.#connections) connection.destroy()
    this.#turns.clear()
    this.#onStop?.()
  }

  /**
   * Reads every connection until its end or until nothing more is there, and closes all.
   *
   * @param millis longest time for reading
   * @param done called when everything is durable, or after `stop`
   */
  drain(millis: number, done: () => void): void {
    if (this.#isStopped) return done()
    this.#onStop = done
    const until = performance.now() + millis
    const look = () => {
      if (this.#isStopped) return
      this.#look++
      const loud = [...this.#connections].filter((connection) => !this.#isQuiet(connection))
      if (performance.now() >= until) for (const connection of loud) this.#cutOff(connection)
      if (loud.length > 0) return void setImmediate(look)
      for (const connection of this.#connections) this.#finish(connection, "a line without LF when the recording ended")
      this.#takeDropped()
      this.#shipper.whenDurable(() => this.stop())
      this.#schedule()
    }
    setImmediate(look)
  }

  /** The kernel has nothing more of it: it was being read, and nothing came. */
  #isQuiet(connection: Connection): boolean {
    if (connection.isDone) return true
    return connection.waiting === 0 && !connection.isPaused && connection.lastLook + quietLooks < this.#look
  }

  #cutOff(connection: Connection): void {
    if (connection.isEnded) return
    this.#refuse(connection.channel, connection.number, 0, () => ({ reason: stillSending }))
    this.#pause(connection)
    this.#onEnd(connection)
  }

  #awaitToken(connection: Connection): void {
    const { maxUnproven, tokenMillis } = this.#options.bounds
    if (this.#unproven.size >= maxUnproven) {
      for (const [oldest] of this.#unproven) {
        this.#prove(oldest)
        oldest.turnAway("a connection without its token, closed for a newer one")
        break
      }
    }
    const late = () => connection.turnAway(`a connection without its token for ${tokenMillis} ms`)
    this.#unproven.set(connection, setTimeout(late, tokenMillis))
  }

  #prove(connection: Connection): void {
    clearTimeout(this.#unproven.get(connection))
    this.#unproven.delete(connection)
  }

  #onData(connection: Connection, bytes: Buffer): void {
    const { maxConnectionBytes, maxWaitingBytes } = this.#options.bounds
    if (connection.isEnded || connection.isDone) return
    const before = connection.waiting
    connection.receive(bytes)
    connection.lastLook = this.#look
    this.#waiting += connection.waiting - before
    if (connection.isMarker) this.#accepted--
    if (connection.isProven) this.#prove(connection)
    if (connection.waiting >= maxConnectionBytes) this.#pause(connection)
    if (this.#waiting >= maxWaitingBytes && !this.#isCongested) {
      this.#isCongested = true
      for (const each of this.#connections) this.#pause(each)
    }
    if (connection.waiting > 0) this.#ready(connection)
  }

  #onEnd(connection: Connection): void {
    connection.isEnded = true
    this.#ready(connection)
  }

  #onClose(connection: Connection): void {
    this.#connections.delete(connection)
    this.#prove(connection)
    this.#onEnd(connection)
  }

  #pause(connection: Connection): void {
    if (connection.isPaused || connection.isDone) return
    connection.isPaused = true
    connection.socket.pause()
  }

  #resume(connection: Connection): void {
    if (!connection.isPaused || connection.isDone) return
    connection.isPaused = false
    connection.lastLook = this.#look
    connection.socket.resume()
  }

  #ready(connection: Connection): void {
    if (connection.isDone) return
    this.#turns.add(connection)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#shipper.isFull || this.#isStopped) return
    if (this.#turns.isEmpty && this.#shipper.gathered === 0 && !this.#isDropDue) return
    this.#isScheduled = true
    setImmediate(() => this.#turn())
  }

  /** Fills at most one batch, so that others get their turn on this event loop as well. */
  #turn(): void {
    const { maxBatchBytes, maxBatchRecords } = this.#options.bounds
    if (this.#isArriving && this.#arrivals < maxArrivals) {
      this.#isArriving = false
      this.#arrivals++
      return void setImmediate(() => this.#turn())
    }
    this.#arrivals = 0
    this.#isScheduled = false
    if (this.#isStopped || this.#shipper.isFull) return
    for (let bytes = 0; bytes < maxBatchBytes && this.#shipper.gathered < maxBatchRecords;) {
      const connection = this.#turns.next()
      if (connection === undefined) break
      bytes += connection.waiting
      this.#step(connection)
    }
    if (this.#isDropDue) this.#takeDropped()
    this.#shipper.ship()
    this.#schedule()
  }

  #step(connection: Connection): void {
    if (connection.isDone) return
    const held = connection.held
    this.#waiting -= connection.waiting
    connection.step()
    this.#hold(connection, held)
    if (this.#isCongested && this.#waiting < this.#options.bounds.maxWaitingBytes / 2) {
      this.#isCongested = false
      for (const each of this.#connections) if (each.waiting === 0) this.#resume(each)
    }
    if (connection.isEnded) this.#finish(connection, "a line without LF at the end of its connection")
    else if (!this.#isCongested) this.#resume(connection)
  }

  /** Its sender learns, by the close, that everything is durable. */
  #finish(connection: Connection, reason: string): void {
    if (connection.isDone) return
    connection.finish(reason)
    this.#held -= connection.held
    this.#shipper.whenDurable(() => connection.destroy())
  }

  /** Gives up the unfinished line that has grown when there is too much of them; the runner's never. */
  #hold(connection: Connection, before: number): void {
    this.#held += connection.held - before
    const isTooMuch = this.#held > this.#options.bounds.maxUnfinishedBytes && connection.held > before
    if (!isTooMuch || connection.channel === "runner") return
    this.#held -= connection.held
    connection.cut()
  }

  #refuse(channel: Connection["channel"], number: number, bytes: number, explain: () => Refusal): void {
    const { bounds, now } = this.#options
    const record = this.#refusals.refuse(channel, number, bytes, now(), explain)
    if (record === undefined) {
      this.#dropTimer ??= setTimeout(() => {
        this.#dropTimer = undefined
        this.#isDropDue = true
        this.#schedule()
      }, bounds.dropMillis)
    } else {
      this.#shipper.add(record)
      this.#schedule()
    }
  }

  #takeDropped(): void {
    this.#isDropDue = false
    for (const record of this.#refusals.takeDropped()) this.#shipper.add(record)
  }
}
