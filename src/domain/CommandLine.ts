/**
 * A command line as data of a `container` entry. Command lines may be longer than an entry: what does not fit is named by
 * its SHA-256 and length (`$blob`, docs/format.md, section 2), so that who has it can show that it was this one.
 *
 * @module
 */
import * as Jcs from "./Jcs.ts"
import * as RecordData from "./RecordData.ts"
import * as Sha256 from "./Sha256.ts"

/** Longest argument that is recorded as it is, in bytes of its JSON text. */
export const maxArgumentBytes = 4096

/** Most bytes of JSON text for all arguments. A leaf holds 65 535, and has other members. */
export const maxBytes = 32_768

const blob = (text: string): Jcs.Json => ({ $blob: Sha256.textHex(text), $len: Buffer.byteLength(text, "utf8") })

const size = (value: Jcs.Json): number => Buffer.byteLength(Jcs.encode(value), "utf8")

const argument = (text: string): Jcs.Json => {
  // Lone surrogates cannot be written as text; what JSON.stringify makes of them can.
  const value = RecordData.fit(text)
  return size(value) <= maxArgumentBytes ? value : blob(text)
}

/** Members `command` and, when not all of it fits, `command_rest`: how many arguments are left, and their JSON's hash. */
export const toData = (command: ReadonlyArray<string>): Jcs.JsonObject => {
  const shown: Array<Jcs.Json> = []
  let bytes = 0
  for (const text of command) {
    const value = argument(text)
    bytes += size(value) + 1
    if (bytes > maxBytes) break
    shown.push(value)
  }
  if (shown.length === command.length) return { command: shown }
  const rest = command.slice(shown.length)
  return { command: shown, command_rest: { args: rest.length, json: blob(JSON.stringify(rest)) } }
}
