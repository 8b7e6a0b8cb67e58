/**
 * Events in exactly the form in which our own encoder writes them, as records with their canonical text, without making
 * anything of JSON in between: nearly every line is an open or an exec of printable ASCII. What is different in any
 * way is not found here, and takes the complete way (`Protocol.decode`), which says the same of what is found (a property
 * test holds them together).
 *
 * The patterns are matched in one pass: no two ways lead through the same text.
 *
 * @module
 */
import type * as Jcs from "./Jcs.ts"
import { alwaysFits, type Channel } from "./ProtocolRecord.ts"
import { maxNameUnits } from "./ProtocolSchema.ts"
import { isTime } from "./ProtocolTime.ts"
import * as RecordData from "./RecordData.ts"

/** Printable ASCII that JSON writes as it is. */
const plain = String.raw`[ !#-\[\]-~]*`
const text = `"(${plain})"`
const texts = String.raw`(\[(?:"${plain}"(?:,"${plain}")*)?\])`
/** Numbers well within the ranges of the Schema. */
const positive = String.raw`([1-9]\d{0,8})`
const count = String.raw`(0|[1-9]\d{0,8})`
const natural = String.raw`(0|[1-9]\d{0,14})`
const result = String.raw`(0|[1-9]\d{0,2})`
const time = String.raw`(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)`

const member = (name: string, form: string): string => `,"${name}":${form}`
const maybe = (name: string, form: string): string => `(?:${member(name, form)})?`

/** A whole line, with its LF. */
const line = (type: string, ...members: ReadonlyArray<string>): RegExp => {
  const head = String.raw`\{"timestamp":"${time}","source":"(Shim|Runner)","event_type":"${type}"`
  const metadata = String.raw`,"metadata":\{"session_id":${text}${maybe("agent", text)}\}`
  return new RegExp(String.raw`${head}${metadata},"payload":\{"pid":${positive}${members.join("")}\}\}\n`, "y")
}

const openLine = line(
  "Open",
  member("path", text),
  member("flags", natural),
  maybe("mode", natural),
  maybe("dirfd", count),
  maybe("result", result)
)

const execLine = line(
  "Exec",
  member("ppid", count),
  member("path", text),
  maybe("cwd", text),
  member("argv", texts),
  maybe("env", texts),
  maybe("argc", count),
  maybe("envc", count),
  maybe("result", result)
)

/** A record with its canonical text. `data` is made of it when somebody asks. */
export class ScannedRecord {
  readonly type: "exec" | "open"
  readonly source: Channel
  readonly canonical: RecordData.Canonical
  /** Length of the line with its LF, in UTF-16 units. */
  readonly lineUnits: number

  constructor(type: "exec" | "open", source: Channel, canonical: RecordData.Canonical, lineUnits: number) {
    this.type = type
    this.source = source
    this.canonical = canonical
    this.lineUnits = lineUnits
  }

  get data(): Jcs.JsonObject {
    const data: Jcs.JsonObject = JSON.parse(this.canonical)
    return data
  }
}

const claimOf = { runner: "Runner", shim: "Shim" } as const

/** A member of the canonical text and the comma behind it, or nothing. */
const number = (name: string, value: string | undefined): string => (value === undefined ? "" : `"${name}":${value},`)
const string = (name: string, value: string | undefined): string => (value === undefined ? "" : `"${name}":"${value}",`)

/** Matches a line, when it says of itself what the collector knows of it anyway, and fits into a leaf. */
const match = (form: RegExp, lines: string, from: number, channel: Channel, session: string) => {
  form.lastIndex = from
  const found = form.exec(lines)
  if (found === null || found[0].length > alwaysFits) return undefined
  const [, at = "", source, session_id, agent] = found
  if (source !== claimOf[channel] || session_id !== session || session.length > maxNameUnits || !isTime(at)) {
    return undefined
  }
  const isNamed = agent === undefined || (agent.length > 0 && agent.length <= maxNameUnits)
  return isNamed && session.length > 0 ? found : undefined
}

/**
 * The record of the line that begins at `from`; undefined when it is of another form, which says nothing about it.
 *
 * @param lines well-formed text; the line ends with LF
 * @param session the collector's own
 */
export const scan = (lines: string, from: number, channel: Channel, session: string): ScannedRecord | undefined => {
  const open = match(openLine, lines, from, channel, session)
  if (open !== undefined) {
    const [whole, at, , , agent, pid, path, flags, mode, dirfd, result] = open
    const first = `${string("agent", agent)}"at":"${at}",${number("dirfd", dirfd)}"flags":${flags},${number("mode", mode)}`
    const last = result === undefined ? "" : `,"result":${result}`
    const data = `{${first}"path":"${path}","pid":${pid}${last}}`
    return new ScannedRecord("open", channel, RecordData.Canonical(data), whole.length)
  }
  const exec = match(execLine, lines, from, channel, session)
  if (exec === undefined) return undefined
  const [whole, at, , , agent, pid, ppid, path, cwd, argv, env, argc, envc, result] = exec
  const first = `${string("agent", agent)}${number("argc", argc)}"argv":${argv},"at":"${at}",${string("cwd", cwd)}`
  const middle = `${number("env", env)}${number("envc", envc)}"path":"${path}","pid":${pid},"ppid":${ppid}`
  const last = result === undefined ? "" : `,"result":${result}`
  return new ScannedRecord("exec", channel, RecordData.Canonical(`{${first}${middle}${last}}`), whole.length)
}
