/**
 * How signals reach a guest: as the leader of a session, as a member of agentops' own process group, or through a
 * launcher that passes them on.
 *
 * @module
 */
import * as Sessions from "./Sessions.ts"

/** The processes of a guest. Synchronous, and never throws. */
export interface Reach {
  /** Sends a signal to the guest; to what can be reached of it. */
  readonly signal: (name: NodeJS.Signals) => void
  /** Sends SIGKILL to all of the guest, once; a process may fork meanwhile. */
  readonly kill: () => void
  /** What lives of the guest after its main process has ended. */
  readonly left: () => ReadonlyArray<Sessions.Member>
}

/** What a launcher cannot pass on, because nobody can catch it, and what takes one of them back. */
const direct = new Set<NodeJS.Signals>(["SIGKILL", "SIGSTOP", "SIGCONT"])

const sendAll = (members: ReadonlyArray<Sessions.Member>, name: NodeJS.Signals) => {
  for (const { pid } of members) Sessions.send(pid, name)
}

/** The leader of a session and of a process group. */
const ofLeader = (pid: number, hasEnded: () => boolean): Reach => {
  const signal = (name: NodeJS.Signals) => {
    if (!hasEnded()) Sessions.send(-pid, name)
  }
  const left = () => Sessions.ofSession(pid)
  return {
    signal,
    kill: () => {
      signal("SIGKILL")
      sendAll(left(), "SIGKILL")
    },
    left
  }
}

/** A process in agentops' own group. It has its children only as long as it lives: they are remembered when met. */
const ofRelative = (pid: number, hasEnded: () => boolean): Reach => {
  let family: ReadonlyArray<Sessions.Member> = []
  const signal = (name: NodeJS.Signals) => {
    if (hasEnded()) return
    family = Sessions.descendantsOf(pid)
    Sessions.send(pid, name)
    sendAll(family, name)
  }
  const left = () => Sessions.living(family)
  return {
    signal,
    kill: () => {
      signal("SIGKILL")
      sendAll(left(), "SIGKILL")
    },
    left
  }
}

/**
 * The descendants of a launcher, which adopts whatever loses its parent. `kill` spares the launcher itself: it reports how
 * the guest ended, and then ends.
 */
const ofLauncher = (pid: number, hasEnded: () => boolean, leadsSession: boolean): Reach => {
  let family: ReadonlyArray<Sessions.Member> = []
  const meet = () => {
    if (!hasEnded()) family = Sessions.descendantsOf(pid)
  }
  const left = () => {
    const session = leadsSession ? Sessions.ofSession(pid) : []
    const known = new Set(session.map((member) => member.pid))
    return [...session, ...Sessions.living(family).filter((member) => !known.has(member.pid))]
  }
  return {
    signal: (name) => {
      if (hasEnded()) return
      meet()
      if (direct.has(name)) sendAll(family, name)
      else Sessions.send(pid, name)
    },
    kill: () => {
      meet()
      sendAll(hasEnded() ? left() : family, "SIGKILL")
    },
    left
  }
}

/**
 * @param hasEnded whether the process has been waited for, so that its number may be somebody else's
 */
export const make = (
  process: { readonly pid: number; readonly ownSession: boolean; readonly isLauncher: boolean },
  hasEnded: () => boolean
): Reach => {
  if (process.isLauncher) return ofLauncher(process.pid, hasEnded, process.ownSession)
  return process.ownSession ? ofLeader(process.pid, hasEnded) : ofRelative(process.pid, hasEnded)
}
