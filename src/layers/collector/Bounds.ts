/**
 * What a collector holds at most, whatever its senders do.
 *
 * Memory that senders can claim is at most `maxUnfinishedBytes` and `maxWaitingBytes` together, two reads of the kernel's
 * (128 KiB) for each connection that was being read when the latter was reached, and `maxBatchesInFlight` batches.
 *
 * @module
 */

/** Tests narrow them; collectors in use keep `defaults`. */
export interface Bounds {
  /** Connections at a time; more are closed, and counted. */
  readonly maxConnections: number
  /** Connections at a time that have not shown the token they need; the oldest is closed for a newer one. */
  readonly maxUnproven: number
  /** Milliseconds that a connection has to show its token. */
  readonly tokenMillis: number
  /** Bytes of one connection that wait for their turn; it is not read further then. */
  readonly maxConnectionBytes: number
  /** Bytes of all connections that wait for their turn; none is read further then. */
  readonly maxWaitingBytes: number
  /** Bytes of unfinished lines of all connections but the runner's; a line that needs more is given up. */
  readonly maxUnfinishedBytes: number
  /** Records of one batch. */
  readonly maxBatchRecords: number
  /** Bytes of lines that one batch is made from, and one read more. */
  readonly maxBatchBytes: number
  /** Batches that the sink has and that are not durable yet. */
  readonly maxBatchesInFlight: number
  /** `malformed` entries at once, and again each second; what is beyond is counted. */
  readonly malformedPerSecond: number
  /** Milliseconds between two `log.drop` entries about the same source. */
  readonly dropMillis: number
  /** Milliseconds that draining reads what senders have already sent. */
  readonly drainMillis: number
}

export const defaults: Bounds = {
  maxConnections: 4096,
  maxUnproven: 256,
  tokenMillis: 5000,
  maxConnectionBytes: 64 * 1024,
  maxWaitingBytes: 16 * 1024 * 1024,
  maxUnfinishedBytes: 32 * 1024 * 1024,
  maxBatchRecords: 1024,
  maxBatchBytes: 1024 * 1024,
  maxBatchesInFlight: 4,
  malformedPerSecond: 16,
  dropMillis: 1000,
  drainMillis: 10_000
}
