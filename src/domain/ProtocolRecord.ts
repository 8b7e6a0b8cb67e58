/**
 * Events as records: the members of the payload with the time, the agent and the session that the sender claims, in the
 * order in which RFC 8785 writes them. The source of a record is its channel, whatever the event says.
 *
 * A record always fits into a leaf. Almost every event does as it is; one that filled its line to the end may lose the
 * end of its largest member, and then says `truncated`.
 *
 * @module
 */
import * as Entry from "./Entry.ts"
import type * as Jcs from "./Jcs.ts"
import * as ProtocolCut from "./ProtocolCut.ts"
import { type Event, payloads } from "./ProtocolSchema.ts"

/** Who an event came from: the connection that presented the runner's secret, or any other. */
export type Channel = "runner" | "shim"

/** A record of an event, as the store takes it. */
export interface EventRecord {
  readonly type: string
  readonly source: Channel
  readonly data: Jcs.JsonObject
}

const recordTypes: Record<Event["event_type"], string> = {
  Exec: "exec",
  Connect: "connect",
  Open: "open",
  Deny: "deny",
  Exit: "exit",
  Start: "container",
  Drop: "drop"
}

/** Names that the `data` of an event may have, in RFC 8785 order: they are ASCII, so any comparison will do. */
const namesOf = (type: Event["event_type"]): ReadonlyArray<string> => {
  const schema = payloads[type]
  const structs = "members" in schema ? schema.members : [schema]
  const names = structs.flatMap((struct) => Object.keys(struct.fields))
  return [...new Set([...names, "action", "agent", "at", "claims", "session"])].toSorted()
}

const names: Record<Event["event_type"], ReadonlyArray<string>> = {
  Exec: namesOf("Exec"),
  Connect: namesOf("Connect"),
  Open: namesOf("Open"),
  Deny: namesOf("Deny"),
  Exit: namesOf("Exit"),
  Start: namesOf("Start"),
  Drop: namesOf("Drop")
}

const claimOf = { runner: "Runner", shim: "Shim" } as const

/** The largest leaf without its data: the longest type, source and sequence number. */
const overhead = Entry.leafText(
  "",
  Entry.zeroHash,
  Number.MAX_SAFE_INTEGER,
  "runner",
  " ".repeat(24),
  "container"
).length

/** Largest `data` of an event, in bytes of its canonical text. */
export const maxDataBytes = Entry.maxLeafBytes - overhead

/**
 * A line that is shorter than this makes a record that fits. Strings and texts in base64 never take more bytes in
 * canonical text than in the line; a number that was written with an exponent takes up to 14 more, and an event has at
 * most 10; the members that a record adds take fewer than 500.
 */
export const alwaysFits = Entry.maxLeafBytes - 1024

/**
 * The record of an event.
 *
 * @param session the collector's own; an event of another session says so in `data.session`
 * @param lineBytes length of the line, when it is known: a short one need not be measured again
 */
export const toRecord = (event: Event, channel: Channel, session: string, lineBytes = Infinity): EventRecord => {
  const { agent, session_id } = event.metadata
  const payload: { readonly [name: string]: Jcs.Json | undefined } = event.payload
  const data: Record<string, Jcs.Json> = {}
  for (const name of names[event.event_type]) {
    const value = payload[name]
    if (value !== undefined) data[name] = value
    else if (name === "at") data["at"] = event.timestamp
    else if (name === "agent") {
      if (agent !== undefined) data["agent"] = agent
    } else if (name === "claims") {
      if (event.source !== claimOf[channel]) data["claims"] = event.source
    } else if (name === "session") {
      if (session_id !== session) data["session"] = session_id
    } else if (name === "action" && event.event_type === "Start") data["action"] = "supervised"
  }
  const fits = lineBytes <= alwaysFits
  return {
    type: recordTypes[event.event_type],
    source: channel,
    data: fits ? data : ProtocolCut.fit(data, maxDataBytes)
  }
}
