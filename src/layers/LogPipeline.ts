/**
 * The stages that an entry passes, as plain state on one event loop: sequenced, written, durable, signed, stored.
 *
 * The order is always: append → COMMIT → sign → store the note → publish, so that no note exists for entries that a
 * crash could take back. Three deliberate exceptions sign before the COMMIT, in one transaction with the entry that the
 * note closes, and publish after it: `log.open`, `log.key` and `log.close`. A crash between such an entry and its note
 * would leave an honest log that reads as tampered, or that can never be finished, because the key is gone. When that
 * COMMIT fails, the store has failed for good and the note is thrown away unseen.
 *
 * Invariants
 * - `requested` grows strictly: no size is signed twice, and none below one that was signed.
 * - A note is only given to anybody after the transaction that holds it.
 * - Every note that was asked for before a `log.key` or `log.close` is stored before it or with it.
 * - After the first failure nothing moves; everybody who waits, or comes later, gets that failure.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import type { Receipt, StoredCheckpoint, StoreFailed } from "../services/AuditStore.ts"
import type { Prepared } from "./RecordIntake.ts"
import type { LogBackend, SignatureKind, SignedHead } from "./LogBackend.ts"

/** Segments that are posted and not yet durable; more wait. */
export const maxSegmentsInFlight = 16

type Resume<A> = (effect: Effect.Effect<A, StoreFailed>) => void

/** A segment on its way. Owned by the pipeline. */
export interface Flight {
  /** Size of the log with this segment. */
  readonly end: number
  /** Leaf hash of its last entry. */
  readonly hash: string
  readonly hashes: Uint8Array
  /** Records that somebody waits for. */
  readonly awaited: ReadonlyArray<Prepared>
  durable: boolean
  readonly resumes: Set<Resume<void>>
}

/** A note and what the head shows of it. */
interface Note {
  readonly checkpoint: StoredCheckpoint
  readonly root: string
}

/** What is posted: `SegmentBuilder.take` makes it. */
export interface Built {
  readonly first: number
  readonly leaves: ReadonlyArray<string>
  readonly hashes: Uint8Array
  /** Leaf hash of the last entry, hex. */
  readonly hash: string
  readonly awaited: ReadonlyArray<Prepared>
}

const flightOf = ({ awaited, first, hash, hashes, leaves }: Built): Flight => ({
  end: first + leaves.length,
  hash,
  hashes,
  awaited,
  durable: false,
  resumes: new Set()
})

const receiptOf = ({ hash, seq }: Prepared): Receipt => ({ seq, hash })

interface Waiter {
  readonly size: number
  readonly resume: Resume<StoredCheckpoint>
}

export interface Hooks {
  /** Entries that no signature was asked for, at a commit: sign now? */
  readonly signAtCommit: (unsigned: number) => boolean
  /** A signature was asked for; `size` entries will be covered. */
  readonly onSigning: (size: number) => void
}

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const only = parts[0]
  if (parts.length === 1 && only) return only
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Mutable; touched by synchronous code of one event loop only. */
export class LogPipeline {
  readonly #backend: LogBackend
  readonly #hooks: Hooks
  readonly #flights: Array<Flight> = []
  /** Segments whose hashes the signer does not have yet, oldest first. */
  readonly #unhashed: Array<Flight> = []
  readonly #waiters = new Set<Waiter>()
  readonly #resumes = new Set<Resume<never>>()
  readonly #receipts = new Map<Prepared, Resume<Receipt>>()
  #freed: Resume<void> | undefined
  #pending: Array<Note> = []
  #inFlight = 0
  #signWanted = false
  #committed: { readonly size: number; readonly hash: string }
  #stored: Note
  /** Size of the last signature that was asked for. */
  #requested: number
  /** Notes that were asked for, and so are stored or will be. */
  #requestedNotes = 1
  #storedNotes = 1
  /** Records that somebody waited for in the last segment that had such. */
  #crowd = 0
  #failure: StoreFailed | undefined

  /** @param opening the stored note of size 1 */
  constructor(backend: LogBackend, hooks: Hooks, opening: Note, hash: string) {
    this.#backend = backend
    this.#hooks = hooks
    this.#stored = opening
    this.#committed = { size: opening.checkpoint.size, hash }
    this.#requested = opening.checkpoint.size
  }

  get failure(): StoreFailed | undefined {
    return this.#failure
  }

  /** The last durable entry. */
  get committed(): { readonly size: number; readonly hash: string } {
    return this.#committed
  }

  /** The latest stored note. */
  get stored(): Note {
    return this.#stored
  }

  get storedNotes(): number {
    return this.#storedNotes
  }

  /** Notes that will be stored before anything that is sequenced now. */
  get requestedNotes(): number {
    return this.#requestedNotes
  }

  /** Final: reaches everybody who waits. */
  fail(failure: StoreFailed): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    const effect = Effect.fail(failure)
    for (const resume of this.#resumes) resume(effect)
    for (const resume of this.#receipts.values()) resume(effect)
    for (const flight of this.#flights) for (const resume of flight.resumes) resume(effect)
    for (const waiter of this.#waiters) waiter.resume(effect)
    this.#freed?.(effect)
    this.#resumes.clear()
    this.#receipts.clear()
    this.#waiters.clear()
  }

  /** Completes when another segment may be posted. One waits at a time. */
  readonly room: Effect.Effect<void, StoreFailed> = Effect.async((resume) => {
    if (this.#failure !== undefined) return resume(Effect.fail(this.#failure))
    if (this.#inFlight < maxSegmentsInFlight) return resume(Effect.void)
    this.#freed = resume
  })

  /** Nothing is posted that is not durable. */
  get isIdle(): boolean {
    return this.#inFlight === 0
  }

  /** Of those who wait, one at a time comes lately. */
  get isLonely(): boolean {
    return this.#crowd < 2
  }

  get hasRoom(): boolean {
    return this.#inFlight < maxSegmentsInFlight
  }

  /** Posts a segment, with the notes that wait to be stored. */
  post(built: Built): Flight {
    const flight = flightOf(built)
    this.#unhashed.push(flight)
    this.#write(flight, built)
    return flight
  }

  /**
   * Signs up to and with the last of `leaves`, which closes an epoch or the log, and posts them with that note. Hashes
   * of segments in flight go to the signer first.
   */
  postClosing(
    kind: Exclude<SignatureKind, "sign">,
    built: Built
  ): Effect.Effect<{ readonly flight: Flight; readonly head: SignedHead }, StoreFailed> {
    return Effect.async((resume) => {
      if (this.#failure !== undefined) return resume(Effect.fail(this.#failure))
      const flight = flightOf(built)
      const before = this.#unhashed.splice(0)
      this.#resumes.add(resume)
      this.#sign(kind, flight.end, concat([...before.map((each) => each.hashes), built.hashes]), (head) => {
        this.#resumes.delete(resume)
        // In the same step as the note's arrival: nothing else may take the note into an earlier transaction.
        this.#write(flight, built)
        resume(Effect.succeed({ flight, head }))
      })
    })
  }

  /** Completes when the segment is durable. */
  readonly durable = (flight: Flight): Effect.Effect<void, StoreFailed> =>
    Effect.async((resume) => {
      if (flight.durable) return resume(Effect.void)
      if (this.#failure !== undefined) return resume(Effect.fail(this.#failure))
      flight.resumes.add(resume)
      return Effect.sync(() => flight.resumes.delete(resume))
    })

  /**
   * Completes when the record, which the actor accepted, is durable. An interrupted caller stays listed until then, and
   * its resumption does nothing: a way to leave the list would cost more than waiting does.
   */
  readonly receipt = (record: Prepared): Effect.Effect<Receipt, StoreFailed> =>
    Effect.async((resume) => {
      if (record.seq >= 0 && record.seq < this.#committed.size) return resume(Effect.succeed(receiptOf(record)))
      if (this.#failure !== undefined) return resume(Effect.fail(this.#failure))
      this.#receipts.set(record, resume)
    })

  /** Completes with a stored note that covers `size` durable entries. */
  readonly covered = (size: number): Effect.Effect<StoredCheckpoint, StoreFailed> =>
    Effect.async((resume) => {
      if (this.#stored.checkpoint.size >= size) return resume(Effect.succeed(this.#stored.checkpoint))
      if (this.#failure !== undefined) return resume(Effect.fail(this.#failure))
      const waiter = { size, resume }
      this.#waiters.add(waiter)
      if (size > this.#requested) this.signSoon()
      this.#storeNotes()
      return Effect.sync(() => this.#waiters.delete(waiter))
    })

  /** Signs what is durable now, or else at the next commit. */
  signSoon(): void {
    if (this.#committed.size > this.#requested) this.#signDurable()
    else this.#signWanted = true
  }

  #sign(kind: SignatureKind, size: number, hashes: Uint8Array, then: (head: SignedHead) => void): void {
    this.#requested = size
    this.#requestedNotes++
    this.#signWanted = false
    this.#hooks.onSigning(size)
    this.#backend.sign(kind, hashes, (head) => {
      if (this.#failure !== undefined) return
      this.#pending.push({ checkpoint: { size: head.size, epoch: head.epoch, note: head.note }, root: head.root })
      then(head)
    })
  }

  #signDurable(): void {
    const { size } = this.#committed
    const covered: Array<Uint8Array> = []
    for (let next = this.#unhashed[0]; next !== undefined && next.end <= size; next = this.#unhashed[0]) {
      covered.push(next.hashes)
      this.#unhashed.shift()
    }
    this.#sign("sign", size, concat(covered), () => this.#storeNotes())
  }

  /** Notes ride with the next segment; when there is none in sight, or somebody waits, they go alone. */
  #storeNotes(): void {
    if (this.#pending.length === 0 || this.#failure !== undefined) return
    if (this.#inFlight > 0 && this.#waiters.size === 0) return
    const { end, hash } = this.#flights.at(-1) ?? { end: this.#committed.size, hash: this.#committed.hash }
    const alone = { first: end, leaves: [], hashes: new Uint8Array(0), hash, awaited: [] }
    this.#write(flightOf(alone), alone)
  }

  #write(flight: Flight, { awaited, first, hashes, leaves }: Built): void {
    const notes = this.#pending
    this.#pending = []
    this.#inFlight++
    this.#flights.push(flight)
    const segment = { first, leaves, hashes, notes: notes.map((note) => note.checkpoint), awaited: awaited.length > 0 }
    this.#backend.write(segment, () => this.#onDurable(notes))
  }

  #onDurable(notes: ReadonlyArray<Note>): void {
    const flight = this.#flights.shift()
    if (flight === undefined || this.#failure !== undefined) return
    this.#inFlight--
    this.#committed = { size: flight.end, hash: flight.hash }
    flight.durable = true
    for (const note of notes) this.#publish(note)
    if (flight.awaited.length > 0) this.#crowd = flight.awaited.length
    for (const record of flight.awaited) {
      this.#receipts.get(record)?.(Effect.succeed(receiptOf(record)))
      this.#receipts.delete(record)
    }
    for (const resume of flight.resumes) resume(Effect.void)
    const freed = this.#freed
    this.#freed = undefined
    freed?.(Effect.void)
    const unsigned = this.#committed.size - this.#requested
    if (unsigned > 0 && (this.#signWanted || this.#hooks.signAtCommit(unsigned))) this.#signDurable()
    this.#storeNotes()
  }

  #publish(note: Note): void {
    this.#stored = note
    this.#storedNotes++
    for (const waiter of this.#waiters) {
      if (waiter.size > note.checkpoint.size) continue
      this.#waiters.delete(waiter)
      waiter.resume(Effect.succeed(note.checkpoint))
    }
  }
}
