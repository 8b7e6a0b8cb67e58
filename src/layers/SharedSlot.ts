/**
 * One record on its way between the store and its writer thread, in shared memory, for who waits for a lone record: no
 * message is copied, and no event loop is woken while both sides watch. Measured: 7 us for both ways, a pair of messages
 * 30 us.
 *
 * The slot goes `empty → full → stored → empty`. The store fills it only when nothing else is on its way, so that a full
 * slot is always older than any message in the port. Who fills it may stop watching: the state `asleep` asks the writer
 * to answer by message.
 *
 * @module
 */
import * as Entry from "../domain/Entry.ts"

const digestBytes = 32
const empty = 0
const full = 1
const asleep = 2
const stored = 3

/** Words of the header: the count of what was sent, the state, the bytes of the leaf; then `seq` as a float. */
const wakeWord = 0
const stateWord = 1
const lengthWord = 2
const seqOffset = 16
const hashOffset = 24
const textOffset = hashOffset + digestBytes

/** What the slot holds. */
export interface SlotRecord {
  readonly seq: number
  readonly leaf: string
  /** 32 bytes. */
  readonly hash: Uint8Array
}

/** Both threads make one over the same memory. */
export class SharedSlot {
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #seq: Float64Array
  readonly #hash: Buffer
  readonly #text: Buffer

  constructor(memory = new SharedArrayBuffer(textOffset + Entry.maxLeafBytes + 1)) {
    this.memory = memory
    this.#words = new Int32Array(memory, 0, 3)
    this.#seq = new Float64Array(memory, seqOffset, 1)
    this.#hash = Buffer.from(memory, hashOffset, digestBytes)
    this.#text = Buffer.from(memory, textOffset)
  }

  /** Tells the writer that there is something, in the slot or in its port. */
  wake(): void {
    Atomics.add(this.#words, wakeWord, 1)
    Atomics.notify(this.#words, wakeWord)
  }

  /** How often `wake` was called. Read before looking for work: what comes later changes it. */
  get wakes(): number {
    return Atomics.load(this.#words, wakeWord)
  }

  /** Returns when `wakes` is not `seen` any more: at once, or after up to `watchMillis` of watching and then sleep. */
  sleep(seen: number, watchMillis: number): void {
    if (watchMillis > 0) {
      const until = performance.now() + watchMillis
      while (this.wakes === seen && performance.now() < until);
    }
    Atomics.wait(this.#words, wakeWord, seen)
  }

  /** Fills the slot. The store's side; nothing else may be on its way. */
  put({ hash, leaf, seq }: SlotRecord): void {
    this.#seq[0] = seq
    this.#hash.set(hash)
    this.#words[lengthWord] = this.#text.write(leaf)
    Atomics.store(this.#words, stateWord, full)
    this.wake()
  }

  /** The store's side looks: true, once, when the record is durable. */
  collect(): boolean {
    if (Atomics.load(this.#words, stateWord) !== stored) return false
    Atomics.store(this.#words, stateWord, empty)
    return true
  }

  /** The store's side stops watching. True: the answer has just come. False: it comes by message, then `collect`. */
  rest(): boolean {
    Atomics.compareExchange(this.#words, stateWord, full, asleep)
    return this.collect()
  }

  /** What the slot holds. The writer's side; the hash is a view that is good until `answer`. */
  get content(): SlotRecord | undefined {
    const state = Atomics.load(this.#words, stateWord)
    if (state !== full && state !== asleep) return undefined
    const seq = this.#seq[0]! // the array has one
    return { seq, leaf: this.#text.toString("utf8", 0, this.#words[lengthWord]), hash: this.#hash }
  }

  /** The record is durable. True: nobody watches any more, and the store's side wants a message. */
  answer(): boolean {
    return Atomics.exchange(this.#words, stateWord, stored) === asleep
  }
}
