/**
 * Whether a value is an event, as straight-line code. Generated from ProtocolSchema.ts by scripts/protocolPredicate.ts:
 * change that, and run it.
 *
 * @module
 */
import * as Forms from "./ProtocolSchema.ts"

interface Members {
  readonly [name: string]: unknown
}

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isInteger = (value: unknown, min: number, max: number): boolean =>
  typeof value === "number" && value >= min && value <= max && Number.isInteger(value) && !Object.is(value, -0)

/** What a member that may be absent counts. */
const one = (member: unknown): number => (member === undefined ? 0 : 1)

/** Whether it has so many members, and so none but those that were looked at. */
const hasMembers = (value: Members, count: number): boolean => {
  let left = count
  for (const _ in value) left--
  return left === 0
}

const isEventExecMetadata = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { session_id, agent } = value
  return (
    typeof session_id === "string" &&
    Forms.isName(session_id, sound) &&
    (agent === undefined || (typeof agent === "string" && Forms.isName(agent, sound))) &&
    hasMembers(value, 1 + one(agent))
  )
}

const isBase64 = (value: unknown): boolean => {
  if (!isMembers(value)) return false
  const { $b64 } = value
  return typeof $b64 === "string" && Forms.isBase64($b64) && hasMembers(value, 1)
}

const isText = (value: unknown, sound: boolean): boolean => {
  return (typeof value === "string" && Forms.isWellFormed(value, sound)) || isBase64(value)
}

const isTexts = (value: unknown, sound: boolean): boolean => {
  if (!Array.isArray(value)) return false
  for (let at = 0; at < value.length; at++) {
    const item: unknown = value[at]
    if (!isText(item, sound)) return false
  }
  return true
}

const isEventExecPayload = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { pid, ppid, path, argv, cwd, env, argc, envc, result, truncated } = value
  return (
    isInteger(pid, 1, 2147483647) &&
    isInteger(ppid, 0, 2147483647) &&
    isText(path, sound) &&
    isTexts(argv, sound) &&
    (cwd === undefined || isText(cwd, sound)) &&
    (env === undefined || isTexts(env, sound)) &&
    (argc === undefined || isInteger(argc, 0, 2147483647)) &&
    (envc === undefined || isInteger(envc, 0, 2147483647)) &&
    (result === undefined || isInteger(result, 0, 4095)) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 4 + one(cwd) + one(env) + one(argc) + one(envc) + one(result) + one(truncated))
  )
}

const isEventExec = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { timestamp, source, event_type, metadata, payload } = value
  return (
    typeof timestamp === "string" &&
    Forms.isTime(timestamp) &&
    (source === "Shim" || source === "Runner") &&
    event_type === "Exec" &&
    isEventExecMetadata(metadata, sound) &&
    isEventExecPayload(payload, sound) &&
    hasMembers(value, 5)
  )
}

const isEventConnectPayload = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { pid, fd, family, address, port, path, number, result, truncated } = value
  return (
    isInteger(pid, 1, 2147483647) &&
    isInteger(fd, -2147483648, 2147483647) &&
    (family === "inet" || family === "inet6" || family === "unix" || family === "other") &&
    (address === undefined || (typeof address === "string" && Forms.isAddress(address))) &&
    (port === undefined || isInteger(port, 0, 65535)) &&
    (path === undefined || isText(path, sound)) &&
    (number === undefined || isInteger(number, 0, 65535)) &&
    (result === undefined || isInteger(result, 0, 4095)) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 3 + one(address) + one(port) + one(path) + one(number) + one(result) + one(truncated))
  )
}

const isEventConnect = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { timestamp, source, event_type, metadata, payload } = value
  return (
    typeof timestamp === "string" &&
    Forms.isTime(timestamp) &&
    (source === "Shim" || source === "Runner") &&
    event_type === "Connect" &&
    isEventExecMetadata(metadata, sound) &&
    isEventConnectPayload(payload, sound) &&
    hasMembers(value, 5)
  )
}

const isEventOpenPayload = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { pid, path, flags, mode, dirfd, result, truncated } = value
  return (
    isInteger(pid, 1, 2147483647) &&
    isText(path, sound) &&
    isInteger(flags, 0, 9007199254740991) &&
    (mode === undefined || isInteger(mode, 0, 9007199254740991)) &&
    (dirfd === undefined || isInteger(dirfd, -2147483648, 2147483647)) &&
    (result === undefined || isInteger(result, 0, 4095)) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 3 + one(mode) + one(dirfd) + one(result) + one(truncated))
  )
}

const isEventOpen = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { timestamp, source, event_type, metadata, payload } = value
  return (
    typeof timestamp === "string" &&
    Forms.isTime(timestamp) &&
    (source === "Shim" || source === "Runner") &&
    event_type === "Open" &&
    isEventExecMetadata(metadata, sound) &&
    isEventOpenPayload(payload, sound) &&
    hasMembers(value, 5)
  )
}

const isEventDenyPayloadExec = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { action, rule, pid, ppid, path, argv, cwd, env, argc, envc, result, truncated } = value
  return (
    action === "Exec" &&
    isText(rule, sound) &&
    isInteger(pid, 1, 2147483647) &&
    isInteger(ppid, 0, 2147483647) &&
    isText(path, sound) &&
    isTexts(argv, sound) &&
    (cwd === undefined || isText(cwd, sound)) &&
    (env === undefined || isTexts(env, sound)) &&
    (argc === undefined || isInteger(argc, 0, 2147483647)) &&
    (envc === undefined || isInteger(envc, 0, 2147483647)) &&
    (result === undefined || isInteger(result, 0, 4095)) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 6 + one(cwd) + one(env) + one(argc) + one(envc) + one(result) + one(truncated))
  )
}

const isEventDenyPayloadConnect = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { action, rule, pid, fd, family, address, port, path, number, result, truncated } = value
  return (
    action === "Connect" &&
    isText(rule, sound) &&
    isInteger(pid, 1, 2147483647) &&
    isInteger(fd, -2147483648, 2147483647) &&
    (family === "inet" || family === "inet6" || family === "unix" || family === "other") &&
    (address === undefined || (typeof address === "string" && Forms.isAddress(address))) &&
    (port === undefined || isInteger(port, 0, 65535)) &&
    (path === undefined || isText(path, sound)) &&
    (number === undefined || isInteger(number, 0, 65535)) &&
    (result === undefined || isInteger(result, 0, 4095)) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 5 + one(address) + one(port) + one(path) + one(number) + one(result) + one(truncated))
  )
}

const isEventDenyPayloadOpen = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { action, rule, pid, path, flags, mode, dirfd, result, truncated } = value
  return (
    action === "Open" &&
    isText(rule, sound) &&
    isInteger(pid, 1, 2147483647) &&
    isText(path, sound) &&
    isInteger(flags, 0, 9007199254740991) &&
    (mode === undefined || isInteger(mode, 0, 9007199254740991)) &&
    (dirfd === undefined || isInteger(dirfd, -2147483648, 2147483647)) &&
    (result === undefined || isInteger(result, 0, 4095)) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 5 + one(mode) + one(dirfd) + one(result) + one(truncated))
  )
}

const isEventDenyPayloadSignal = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { action, rule, pid, call, target, result, truncated } = value
  return (
    (action === "Signal" || action === "Limit" || action === "Ptrace" || action === "Syscall") &&
    isText(rule, sound) &&
    isInteger(pid, 1, 2147483647) &&
    typeof call === "string" &&
    Forms.isCall(call) &&
    (target === undefined || isInteger(target, -2147483648, 2147483647)) &&
    (result === undefined || isInteger(result, 0, 4095)) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 4 + one(target) + one(result) + one(truncated))
  )
}

const isEventDenyPayload = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  switch (value["action"]) {
    case "Exec":
      return isEventDenyPayloadExec(value, sound)
    case "Connect":
      return isEventDenyPayloadConnect(value, sound)
    case "Open":
      return isEventDenyPayloadOpen(value, sound)
    case "Signal":
    case "Limit":
    case "Ptrace":
    case "Syscall":
      return isEventDenyPayloadSignal(value, sound)
    default:
      return false
  }
}

const isEventDeny = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { timestamp, source, event_type, metadata, payload } = value
  return (
    typeof timestamp === "string" &&
    Forms.isTime(timestamp) &&
    (source === "Shim" || source === "Runner") &&
    event_type === "Deny" &&
    isEventExecMetadata(metadata, sound) &&
    isEventDenyPayload(payload, sound) &&
    hasMembers(value, 5)
  )
}

const isEventExitPayload = (value: unknown): boolean => {
  if (!isMembers(value)) return false
  const { pid, status, signal, user_us, system_us, max_rss_kib, minor_faults, major_faults, truncated } = value
  return (
    isInteger(pid, 1, 2147483647) &&
    isInteger(user_us, 0, 9007199254740991) &&
    isInteger(system_us, 0, 9007199254740991) &&
    isInteger(max_rss_kib, 0, 9007199254740991) &&
    isInteger(minor_faults, 0, 9007199254740991) &&
    isInteger(major_faults, 0, 9007199254740991) &&
    (status === undefined || isInteger(status, 0, 255)) &&
    (signal === undefined || isInteger(signal, 1, 64)) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 6 + one(status) + one(signal) + one(truncated))
  )
}

const isEventExit = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { timestamp, source, event_type, metadata, payload } = value
  return (
    typeof timestamp === "string" &&
    Forms.isTime(timestamp) &&
    (source === "Shim" || source === "Runner") &&
    event_type === "Exit" &&
    isEventExecMetadata(metadata, sound) &&
    isEventExitPayload(payload) &&
    hasMembers(value, 5)
  )
}

const isStrings = (value: unknown, sound: boolean): boolean => {
  if (!Array.isArray(value)) return false
  for (let at = 0; at < value.length; at++) {
    const item: unknown = value[at]
    if (!(typeof item === "string" && Forms.isWellFormed(item, sound))) return false
  }
  return true
}

const isEventStartPayload = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { pid, mode, asked, reasons, supervisor_pid, truncated } = value
  return (
    isInteger(pid, 1, 2147483647) &&
    (mode === "hybrid" || mode === "full" || mode === "shim" || mode === "none") &&
    (asked === "hybrid" || asked === "full" || asked === "shim" || asked === "none") &&
    isStrings(reasons, sound) &&
    isInteger(supervisor_pid, 1, 2147483647) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 5 + one(truncated))
  )
}

const isEventStart = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { timestamp, source, event_type, metadata, payload } = value
  return (
    typeof timestamp === "string" &&
    Forms.isTime(timestamp) &&
    (source === "Shim" || source === "Runner") &&
    event_type === "Start" &&
    isEventExecMetadata(metadata, sound) &&
    isEventStartPayload(payload, sound) &&
    hasMembers(value, 5)
  )
}

const isEventDropPayload = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { pid, count, reason, truncated } = value
  return (
    isInteger(pid, 1, 2147483647) &&
    isInteger(count, 1, 9007199254740991) &&
    (reason === undefined || (typeof reason === "string" && Forms.isWellFormed(reason, sound))) &&
    (truncated === undefined || truncated === true) &&
    hasMembers(value, 2 + one(reason) + one(truncated))
  )
}

const isEventDrop = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  const { timestamp, source, event_type, metadata, payload } = value
  return (
    typeof timestamp === "string" &&
    Forms.isTime(timestamp) &&
    (source === "Shim" || source === "Runner") &&
    event_type === "Drop" &&
    isEventExecMetadata(metadata, sound) &&
    isEventDropPayload(payload, sound) &&
    hasMembers(value, 5)
  )
}

const isEvent = (value: unknown, sound: boolean): boolean => {
  if (!isMembers(value)) return false
  switch (value["event_type"]) {
    case "Exec":
      return isEventExec(value, sound)
    case "Connect":
      return isEventConnect(value, sound)
    case "Open":
      return isEventOpen(value, sound)
    case "Deny":
      return isEventDeny(value, sound)
    case "Exit":
      return isEventExit(value, sound)
    case "Start":
      return isEventStart(value, sound)
    case "Drop":
      return isEventDrop(value, sound)
    default:
      return false
  }
}

/**
 * Says exactly what the Schema says, much sooner.
 *
 * @param sound whether no string in it can have a lone surrogate
 */
export const test = (value: unknown, sound: boolean): value is Forms.Event => isEvent(value, sound)
