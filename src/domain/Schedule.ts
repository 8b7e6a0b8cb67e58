/**
 * When a log is signed, when its epoch ends, and when silence is recorded (format section 3). Pure: time is an
 * argument, monotonic and in milliseconds.
 *
 * @module
 */

/** Intervals of a log. Tests shorten them; logs in use keep `defaults`. */
export interface Intervals {
  /** Longest time that an entry stays unsigned, milliseconds. */
  readonly signAfterMillis: number
  /** Entries without a signature that are signed at the next commit. */
  readonly signAfterEntries: number
  /** Length of an epoch, milliseconds, from its first entry that is not the store's own. */
  readonly rotateAfterMillis: number
  /** Length of an epoch, entries with the `log.key` that ends it. */
  readonly rotateAfterEntries: number
  /** Silence that a `log.tick` breaks, milliseconds. */
  readonly tickAfterMillis: number
}

/** The values of format section 3. */
export const defaults: Intervals = {
  signAfterMillis: 1000,
  signAfterEntries: 256,
  rotateAfterMillis: 60_000,
  rotateAfterEntries: 4096,
  tickAfterMillis: 10_000
}

/** What the writer knows; immutable, changed once a batch. */
export interface State {
  /** Entries of the epoch so far. */
  readonly epochEntries: number
  /** When the epoch saw its first record. A tick or `log.key` alone never makes an epoch active. */
  readonly activeSince: number | undefined
  /** When the oldest entry came that no signature was asked for. */
  readonly unsignedSince: number | undefined
  readonly lastEntryAt: number
}

/** The state of a log whose opening is signed. */
export const initial = (now: number): State => ({
  epochEntries: 0,
  activeSince: undefined,
  unsignedSince: undefined,
  lastEntryAt: now
})

/**
 * Entries were appended.
 *
 * @param records how many of them are records, not the store's own
 */
export const appended = (state: State, entries: number, records: number, now: number): State => ({
  epochEntries: state.epochEntries + entries,
  activeSince: state.activeSince ?? (records > 0 ? now : undefined),
  unsignedSince: state.unsignedSince ?? now,
  lastEntryAt: now
})

/**
 * A signature was asked for.
 *
 * @param rest whether newer entries remain that it does not cover
 */
export const signing = (state: State, rest: boolean, now: number): State => ({
  ...state,
  unsignedSince: rest ? now : undefined
})

/** The epoch was closed: everything is signed, and nothing has happened yet in the new one. */
export const rotated = (now: number): State => initial(now)

/** Entries that fit into the epoch before its `log.key`. */
export const roomInEpoch = (state: State, intervals: Intervals): number =>
  Math.max(0, intervals.rotateAfterEntries - 1 - state.epochEntries)

export type Action = "sign" | "rotate" | "tick"

export interface Due {
  readonly action: Action
  readonly at: number
}

/** What is to be done next, and when; `at` in the past means now. */
export const next = (state: State, intervals: Intervals): Due => {
  let due: Due = { action: "tick", at: state.lastEntryAt + intervals.tickAfterMillis }
  if (state.activeSince !== undefined) {
    const at = state.activeSince + intervals.rotateAfterMillis
    if (at <= due.at) due = { action: "rotate", at }
  }
  if (state.unsignedSince !== undefined) {
    const at = state.unsignedSince + intervals.signAfterMillis
    if (at <= due.at) due = { action: "sign", at }
  }
  return due
}

/** Whether a commit is followed by a signature at once. */
export const signAtCommit = (unsigned: number, intervals: Intervals): boolean => unsigned >= intervals.signAfterEntries
