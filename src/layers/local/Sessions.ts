/**
 * Finds and signals what belongs to a guest besides its main process: the processes of its session (setsid(2)), which
 * hold its pipes or its terminal. What has left the session on purpose (a daemon) is not found.
 *
 * On Linux they are read from /proc, background jobs of a job-control shell included, and known by number and start
 * time, so that nobody else is hit when a number is used again. Elsewhere only the process group of the main process is
 * reached.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs"

/** A process, or a whole group where only that is known (a negative number). */
export interface Member {
  readonly pid: number
  /** In clock ticks since boot; empty for a group. */
  readonly started: string
}

interface Process extends Member {
  readonly parent: number
  readonly session: number
}

/** proc_pid_stat(5), counted from the field after the command's name. */
const statFields = { state: 0, parent: 1, session: 3, started: 19 }

/** Names in /proc; undefined where there is none. */
const proc = (): ReadonlyArray<string> | undefined => {
  if (process.platform !== "linux") return undefined
  try {
    return readdirSync("/proc")
  } catch {
    return undefined
  }
}

/** Living processes (no zombies); undefined where there is no /proc. */
const processes = (): ReadonlyArray<Process> | undefined => {
  const names = proc()
  if (names === undefined) return undefined
  const found: Array<Process> = []
  for (const name of names) {
    if (!/^[0-9]+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1")
      // "pid (comm) state ...": comm may hold anything, so count from its last parenthesis.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      const state = fields[statFields.state]
      if (state === "Z" || state === "X") continue
      found.push({
        pid: Number(name),
        started: fields[statFields.started] ?? "",
        parent: Number(fields[statFields.parent]),
        session: Number(fields[statFields.session])
      })
    } catch {
      // ended between the two reads
    }
  }
  return found
}

/** Sends a signal to a process, or to a group when the number is negative; false when there is none. */
export const send = (target: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    process.kill(target, signal)
    return true
  } catch (error) {
    // EPERM: it lives and belongs to somebody else now (a set-user-id program); nothing more can be done to it.
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/** Living members of the session whose leader has, or had, this number. */
export const ofSession = (leader: number): ReadonlyArray<Member> =>
  processes()?.filter(({ session }) => session === leader) ?? (send(-leader, 0) ? [{ pid: -leader, started: "" }] : [])

/** Living descendants of a living process, itself left out; empty where there is no /proc. */
export const descendantsOf = (ancestor: number): ReadonlyArray<Member> => {
  const all = processes() ?? []
  const family = new Set([ancestor])
  for (let before = 0; before !== family.size;) {
    before = family.size
    for (const { parent, pid } of all) if (family.has(parent)) family.add(pid)
  }
  return all.filter(({ pid }) => pid !== ancestor && family.has(pid))
}

/** Those that still live. */
export const living = (members: ReadonlyArray<Member>): ReadonlyArray<Member> => {
  if (members.length === 0) return members
  const all = new Map((processes() ?? []).map(({ pid, started }) => [pid, started]))
  return members.filter(({ pid, started }) => all.get(pid) === started)
}
