/**
 * Receives what guests and their runner report about execs, connects and opens, and hands it to the log.
 *
 * Who sent a record is decided by the connection it came through, never by what it says (docs/protocol.md). A connection
 * that its sender has shut down is closed by the collector once everything that it carried is durable: that is the only
 * acknowledgement, and no byte is ever written to a sender.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"

/** What a collector did so far. */
export interface CollectorCounts {
  /** Connections that were accepted, refused ones included. */
  readonly connections: number
  /** Entries that are durable, those about malformed lines included. */
  readonly entries: number
  /** Lines and connections that were refused, whether or not each has an entry of its own. */
  readonly malformed: number
  /** Of those, the ones that a `log.drop` entry only counts. */
  readonly dropped: number
}

/** The collector cannot listen, or cannot record any more. Final. */
export class CollectorFailed extends Data.TaggedError("CollectorFailed")<{
  /** The socket, the address, or the file at fault. */
  readonly path: string
  /** What went wrong with it, and what to do; names the path. */
  readonly reason: string
}> {
  override get message(): string {
    return `collector: ${this.reason}`
  }
}

export class Collector extends Context.Tag("agentops/Collector")<
  Collector,
  {
    /** Where senders connect: `unix:///path` or `tcp://HOST:PORT`. A path is one that the kernel takes, never longer. */
    readonly endpoint: string
    /** 64 hex digits; the first connection that begins with them is the runner's channel, and no later one. */
    readonly runnerSecret: Redacted.Redacted
    readonly counts: Effect.Effect<CollectorCounts>
    /** Opens the session file anew, so that one that was renamed stays as it is. Does nothing where there is none. */
    readonly rotate: Effect.Effect<void, CollectorFailed>
    /**
     * Takes the connections that the kernel has already accepted, reads each until its end or until nothing more is
     * there (bounded in time), waits until all of it is durable, and closes everything. Called again, it has the same
     * answer; the layer's release does it, too.
     */
    readonly drain: Effect.Effect<CollectorCounts, CollectorFailed>
    /** Waits for the failure of the collector; a run races it. All connections are closed by then. */
    readonly failed: Effect.Effect<never, CollectorFailed>
  }
>() {}
