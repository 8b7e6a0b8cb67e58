/**
 * The keys of a log's epochs: one signs, the next one is ready, and older ones are gone (format section 3).
 *
 * Private keys stay inside this object and leave it at rotation and at the end: the reference is dropped, OpenSSL
 * cleanses the key when the KeyObject is collected, and no raw seed is ever taken out. That is best effort (swap and
 * memory images are outside its reach).
 *
 * A size is never signed with two roots, and no size below the last one is signed: that would be a fork by our own key.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Checkpoint from "./Checkpoint.ts"
import type * as Ed25519 from "./Ed25519.ts"
import * as SignedNote from "./SignedNote.ts"
import * as Vkey from "./Vkey.ts"

/** A bug of the caller: signing would fork the log, or the log is closed. */
export class EpochSignerError extends Data.TaggedError("EpochSignerError")<{ readonly reason: string }> {
  override get message(): string {
    return `not signed: ${this.reason}`
  }
}

/** A signed checkpoint. */
export interface Signed {
  readonly size: number
  /** RFC 6962 root, base64. */
  readonly root: string
  /** Epoch whose key signed. */
  readonly epoch: number
  /** Text of the note, without signature lines. */
  readonly text: string
  /** The epoch key's line, with its LF. */
  readonly line: string
  /** Text and line: the note as it is stored (at size 1 the host's line follows). */
  readonly note: string
}

interface EpochKey {
  readonly vkey: Vkey.Vkey
  readonly pair: Ed25519.KeyPair
}

/** Mutable, owned by the signing thread. */
export class EpochSigner {
  readonly #origin: string
  readonly #generate: () => Ed25519.KeyPair
  #epoch = 0
  #current: EpochKey | undefined
  #next: EpochKey | undefined
  #size = 0
  #root = ""

  /** @param generate a fresh pair at each call (the domain has no randomness of its own) */
  constructor(origin: string, generate: () => Ed25519.KeyPair) {
    this.#origin = origin
    this.#generate = generate
    this.#current = this.#make()
    this.#next = this.#make()
  }

  #make(): EpochKey {
    const pair = this.#generate()
    return { pair, vkey: Vkey.make(this.#origin, 1, pair.publicKey) }
  }

  /** Epoch that signs what comes next. */
  get epoch(): number {
    return this.#epoch
  }

  /** vkey text of the current epoch; undefined after `close`. */
  get key(): string | undefined {
    return this.#current?.vkey.text
  }

  /** vkey text of the epoch to come, for the `log.key` entry that names it; undefined after `close`. */
  get nextKey(): string | undefined {
    return this.#next?.vkey.text
  }

  /** @throws EpochSignerError for a size below the last one, for a second root of one size, and after `close` */
  sign(size: number, root: Uint8Array): Signed {
    if (this.#current === undefined) throw new EpochSignerError({ reason: "the log is closed" })
    const text = Checkpoint.encode({ origin: this.#origin, size, root })
    const rootText = text.split("\n", 3)[2] ?? "" // a checkpoint text has three lines
    if (size < this.#size) throw new EpochSignerError({ reason: `size ${size} comes after ${this.#size}` })
    if (size === this.#size && rootText !== this.#root) {
      throw new EpochSignerError({ reason: `size ${size} was signed with another root` })
    }
    this.#size = size
    this.#root = rootText
    const line = SignedNote.sign(text, this.#current.vkey, this.#current.pair.privateKey)
    return { size, root: rootText, epoch: this.#epoch, text, line, note: SignedNote.assemble(text, [line]) }
  }

  /** Closes the epoch: its key signs one last time and is dropped, and the key that `log.key` named takes over. */
  rotate(size: number, root: Uint8Array): Signed {
    const signed = this.sign(size, root)
    this.#current = this.#next
    this.#next = this.#make()
    this.#epoch++
    return signed
  }

  /** Closes the log: the last signature, then no key is left. */
  close(size: number, root: Uint8Array): Signed {
    const signed = this.sign(size, root)
    this.#current = undefined
    this.#next = undefined
    return signed
  }
}
