/**
 * The bounded mailbox of an actor and the line of those who wait for room in it. Synchronous and without effects: one
 * event loop is its lock. It knows nothing of batches that are being handled, nor of failures.
 *
 * @module
 */

/** Bounds of a mailbox. */
export interface Bounds<in M> {
  /** Most messages, at least 1. */
  readonly capacity: number
  /** Most bytes; a message that alone is heavier gets in when the mailbox is empty. */
  readonly maxWeight: number
  /** Bytes that a message holds; pure. */
  readonly weigh: (message: M) => number
}

/** Somebody who hands in messages and may have to wait. */
export interface Waiter<out M> {
  readonly messages: Iterator<M>
  /** The first message that is not yet accepted. */
  next: IteratorResult<M>
  /** All of its messages are in; `total` counts everything accepted so far. */
  readonly onAccepted: (total: number) => void
  /** It will never get in. */
  readonly onRefused: () => void
}

/** A refused `offer`'s place in the line, with the bytes that must fit before it is its turn. */
interface Ticket {
  readonly weight: number
}

/** A bounded first-in, first-out mailbox that nobody can overtake others in. */
export class Mailbox<M> {
  readonly #bounds: Bounds<M>
  readonly #onMessage: () => void
  readonly #line = new Set<Waiter<M> | Ticket>()
  readonly #drains = new Set<() => void>()
  #messages: Array<M> = []
  #weight = 0
  #accepted = 0
  #ticket: Ticket | undefined
  #inCallbacks = false

  /** @param onMessage is called after each accepted message */
  constructor(bounds: Bounds<M>, onMessage: () => void) {
    this.#bounds = bounds
    this.#onMessage = onMessage
  }

  /** Messages accepted and not yet taken. */
  get size(): number {
    return this.#messages.length
  }

  /** Messages accepted since the beginning. */
  get accepted(): number {
    return this.#accepted
  }

  /** How many stand in line. */
  get waiting(): number {
    return this.#line.size - (this.#ticket === undefined ? 0 : 1)
  }

  #fits(weight: number): boolean {
    const { capacity, maxWeight } = this.#bounds
    return this.#messages.length < capacity && (this.#messages.length === 0 || this.#weight + weight <= maxWeight)
  }

  #push(message: M, weight: number): void {
    this.#messages.push(message)
    this.#weight += weight
    this.#accepted++
    this.#onMessage()
  }

  /**
   * Takes the message if there is room and nobody stands in line.
   *
   * @param orTicket when refused, get in line for a call of the drain callbacks
   */
  offer(message: M, orTicket: boolean): boolean {
    const weight = this.#bounds.weigh(message)
    if ((this.#line.size === 0 || this.#inCallbacks) && this.#fits(weight)) {
      this.#push(message, weight)
      return true
    }
    if (orTicket && this.#ticket === undefined) {
      this.#ticket = { weight }
      this.#line.add(this.#ticket)
    }
    return false
  }

  /** Puts a waiter at the end of the line, and lets it in at once when it can be. */
  join(waiter: Waiter<M>): void {
    this.#line.add(waiter)
    if (this.#line.size === 1) this.#admit()
  }

  /** Withdraws what was not accepted of a waiter's messages. */
  leave(waiter: Waiter<M>): void {
    if (this.#line.delete(waiter)) this.#admit()
  }

  /** Takes at most `max` messages out, in order, and lets in who waits. */
  take(max: number): ReadonlyArray<M> {
    const all = this.#messages
    this.#messages = all.length <= max ? [] : all.slice(max)
    const batch = all.length <= max ? all : all.slice(0, max)
    if (this.#messages.length === 0) this.#weight = 0
    else for (const message of batch) this.#weight -= this.#bounds.weigh(message)
    this.#admit()
    return batch
  }

  /** Registers a callback for each time that there is room again after a refused `offer`. */
  onDrain(callback: () => void): () => void {
    this.#drains.add(callback)
    return () => this.#drains.delete(callback)
  }

  /** Sends everybody in line away. */
  refuseLine(): void {
    const line = [...this.#line]
    this.#line.clear()
    this.#ticket = undefined
    for (const waiter of line) if ("onRefused" in waiter) waiter.onRefused()
  }

  /** Forgets what was accepted and not yet taken. */
  clear(): void {
    this.#messages = []
    this.#weight = 0
  }

  /** Lets in, from the head of the line, all that fits. */
  #admit(): void {
    for (const waiter of this.#line) {
      if ("weight" in waiter) {
        if (!this.#fits(waiter.weight)) return
        this.#line.delete(waiter)
        this.#ticket = undefined
        this.#inCallbacks = true
        for (const callback of this.#drains) callback()
        this.#inCallbacks = false
        continue
      }
      while (waiter.next.done !== true) {
        const weight = this.#bounds.weigh(waiter.next.value)
        if (!this.#fits(weight)) return
        this.#push(waiter.next.value, weight)
        waiter.next = waiter.messages.next()
      }
      this.#line.delete(waiter)
      waiter.onAccepted(this.#accepted)
    }
  }
}
