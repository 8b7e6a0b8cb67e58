/**
 * The actor: state owned by one fiber behind a bounded mailbox. Made once, for the store writer, the JSONL writer and
 * the exporters.
 *
 * Invariants
 * - Messages are handled in the order in which they were accepted, each exactly once.
 * - The mailbox never holds more than `capacity` messages, nor more than `maxWeight` bytes unless one message alone is
 *   heavier (it is then the only one in the mailbox). At most `inFlight` further batches are posted and not yet done.
 * - Who waits for room stands in one line: nobody overtakes, also not `unsafeTell`.
 * - The first failure is final. It reaches everybody who waits, and everybody who calls later; whether a message that
 *   was posted before it took effect is then unknown to its caller.
 *
 * It does not retry, does not time anything, and spends no fiber and no Deferred on a message: callers are
 * `Effect.async` resumptions in plain sets, and batches form by themselves from what is queued.
 *
 * @module
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { Mailbox } from "./ActorMailbox.ts"

/** The actor's scope is closed (or closing): the message was not accepted. */
export class ActorClosed extends Data.TaggedError("ActorClosed")<{ readonly actor: string }> {
  override get message(): string {
    return `${this.actor} is closed and takes no more messages`
  }
}

/** What makes an actor. */
export interface Options<in M, out E, out R> {
  /** Named in `ActorClosed` and in logs. */
  readonly name: string
  /** Most messages in the mailbox, at least 1. */
  readonly capacity: number
  /** Most messages in a batch, at least 1. */
  readonly maxBatch: number
  /** Bytes that a message holds; pure. Without it messages weigh nothing. */
  readonly weigh?: (message: M) => number
  /** Most bytes in the mailbox. */
  readonly maxWeight?: number
  /** Most batches that are posted and not yet done; default 1. */
  readonly inFlight?: number
  /**
   * Posts one batch (never two at a time, in order). The effect that it returns completes when the batch is done; these
   * completions are awaited in order, beside the posting of later batches when `inFlight` is above 1.
   */
  readonly handle: (batch: ReadonlyArray<M>) => Effect.Effect<Effect.Effect<void, E, R>, E, R>
}

/** Callers' side of an actor. An accepted message stays accepted, whatever happens to its caller. */
export interface Actor<in M, out E> {
  /** Completes when the message is accepted. An interrupted caller's message is either accepted or never seen. */
  readonly tell: (message: M) => Effect.Effect<void, E | ActorClosed>
  /** Completes when all are accepted. They stay together and in order; interruption withdraws what is not accepted. */
  readonly tellAll: (messages: ReadonlyArray<M>) => Effect.Effect<void, E | ActorClosed>
  /** Completes when the batch that holds the message is done. */
  readonly ask: (message: M) => Effect.Effect<void, E | ActorClosed>
  /** Completes when the last of the messages is done; like `tellAll` otherwise. */
  readonly askAll: (messages: ReadonlyArray<M>) => Effect.Effect<void, E | ActorClosed>
  /** Completes when everything accepted so far is done. */
  readonly flush: Effect.Effect<void, E>
  /** Waits for the first failure; never completes when there is none. */
  readonly failed: Effect.Effect<never, E>
  /**
   * For plain Node callbacks. False: not accepted; keep the message, pause the source and offer it again from `onDrain`.
   * After a failure or a close it stays false (`failed` tells).
   */
  readonly unsafeTell: (message: M) => boolean
  /**
   * Calls back, each time after `unsafeTell` said false, when there is room again; returns the unsubscription. The
   * callback must not throw.
   */
  readonly onDrain: (callback: () => void) => () => void
}

/** Somebody who waits until `target` messages are done. */
interface Asker<in E> {
  readonly target: number
  readonly resume: (effect: Effect.Effect<void, E>) => void
}

interface Posted<out E, out R> {
  readonly completion: Effect.Effect<void, E, R>
  /** Messages taken up to and with this batch. */
  readonly target: number
}

const noop = () => {}

/**
 * Starts an actor that lives as long as the scope. Closing the scope refuses new messages (and those that still wait
 * for room) with `ActorClosed`, handles what was accepted, and then ends.
 */
export const make = <M, E, R = never>(options: Options<M, E, R>): Effect.Effect<Actor<M, E>, never, Scope.Scope | R> =>
  Effect.gen(function* () {
    const { handle, maxBatch, name } = options
    const inFlight = options.inFlight ?? 1

    // All of this is touched by synchronous code only.
    let wakePoster = noop
    let wakeCompleter = noop
    let taken = 0
    let done = 0
    let outstanding = 0
    let closed = false
    let postedAll = false
    let failure: Cause.Cause<E> | undefined
    let failureSeen = false
    const askers = new Set<Asker<E>>()
    const observers = new Set<(effect: Effect.Effect<never, E>) => void>()
    const posted: Array<Posted<E, R>> = []
    const mailbox = new Mailbox<M>(
      {
        capacity: options.capacity,
        maxWeight: options.maxWeight ?? Number.POSITIVE_INFINITY,
        weigh: options.weigh ?? (() => 0)
      },
      () => wakePoster()
    )

    const settle = (target: number) => {
      done = target
      for (const asker of askers) {
        if (asker.target > done) return
        askers.delete(asker)
        asker.resume(Effect.void)
      }
    }

    const fail = (cause: Cause.Cause<E>) => {
      if (failure !== undefined) return
      failure = cause
      failureSeen = mailbox.waiting > 0 || askers.size > 0 || observers.size > 0
      const effect = Effect.failCause(cause)
      mailbox.clear()
      mailbox.refuseLine()
      for (const asker of askers) asker.resume(effect)
      for (const resume of observers) resume(effect)
      askers.clear()
      observers.clear()
    }

    const seeFailure = (): Effect.Effect<never, E> | undefined => {
      if (failure === undefined) return undefined
      failureSeen = true
      return Effect.failCause(failure)
    }

    const refusal = (): Effect.Effect<never, E | ActorClosed> | undefined =>
      seeFailure() ?? (closed ? new ActorClosed({ actor: name }) : undefined)

    const submit = (batch: ReadonlyArray<M>, untilDone: boolean): Effect.Effect<void, E | ActorClosed> =>
      Effect.async((resume) => {
        const refused = refusal()
        if (refused !== undefined) return resume(refused)
        let asker: Asker<E> | undefined
        const messages = batch[Symbol.iterator]()
        const waiter = {
          messages,
          next: messages.next(),
          onAccepted: (total: number) => {
            if (!untilDone || done === total) return resume(Effect.void)
            asker = { target: total, resume }
            askers.add(asker)
          },
          onRefused: () => resume(refusal() ?? Effect.void)
        }
        mailbox.join(waiter)
        return Effect.sync(() => {
          mailbox.leave(waiter)
          if (asker !== undefined) askers.delete(asker)
        })
      })

    const offer = (message: M, orTicket: boolean) =>
      !closed && failure === undefined && mailbox.offer(message, orTicket)

    const flush: Effect.Effect<void, E> = Effect.async((resume) => {
      const failed = seeFailure()
      if (failed !== undefined) return resume(failed)
      if (done === mailbox.accepted) return resume(Effect.void)
      const asker = { target: mailbox.accepted, resume }
      askers.add(asker)
      return Effect.sync(() => askers.delete(asker))
    })

    const failed: Effect.Effect<never, E> = Effect.async((resume) => {
      const failed = seeFailure()
      if (failed !== undefined) return resume(failed)
      observers.add(resume)
      return Effect.sync(() => observers.delete(resume))
    })

    // No wake-up is lost: the condition is read and the resumption registered in one synchronous step.
    const sleepPoster = Effect.async<void>((resume) => {
      wakePoster = () => {
        wakePoster = noop
        resume(Effect.void)
      }
    })
    const sleepCompleter = Effect.async<void>((resume) => {
      wakeCompleter = () => {
        wakeCompleter = noop
        resume(Effect.void)
      }
    })

    const poster = Effect.gen(function* () {
      for (;;) {
        if (mailbox.size > 0 && outstanding < inFlight) {
          outstanding++
          const batch = mailbox.take(maxBatch)
          taken += batch.length
          const target = taken
          posted.push({ completion: yield* handle(batch), target })
          wakeCompleter()
        } else if (mailbox.size === 0 && closed) {
          postedAll = true
          return wakeCompleter()
        } else {
          yield* sleepPoster
        }
      }
    })

    const completer = Effect.gen(function* () {
      for (;;) {
        const next = posted.shift()
        if (next !== undefined) {
          yield* next.completion
          outstanding--
          settle(next.target)
          wakePoster()
        } else if (postedAll) {
          return
        } else {
          yield* sleepCompleter
        }
      }
    })

    const noteFailure = <A>(self: Effect.Effect<A, E, R>) =>
      Effect.tapErrorCause(self, (cause) => Effect.sync(() => fail(cause)))
    const both = Effect.all([noteFailure(poster), noteFailure(completer)], { concurrency: "unbounded", discard: true })

    // A daemon, so that nothing interrupts it while it drains: its owner is the finalizer, which waits for its end.
    yield* Effect.acquireRelease(both.pipe(Effect.interruptible, Effect.exit, Effect.forkDaemon), (fiber) =>
      Effect.gen(function* () {
        closed = true
        mailbox.refuseLine()
        wakePoster()
        yield* Fiber.await(fiber)
        if (failure !== undefined && !failureSeen) {
          yield* Effect.logError(`${name} failed and nobody was waiting for it`, failure)
        }
      })
    )

    return {
      tell: (message) => Effect.suspend(() => (offer(message, false) ? Effect.void : submit([message], false))),
      tellAll: (messages) => submit(messages, false),
      ask: (message) => submit([message], true),
      askAll: (messages) => submit(messages, true),
      flush,
      failed,
      unsafeTell: (message) => offer(message, true),
      onDrain: (callback) => mailbox.onDrain(callback)
    }
  })
