/**
 * C2SP tlog-policy: which logs are trusted, and which witnesses must have cosigned.
 *
 * The file is octets: bytes above 0x7E are opaque, so names are compared as octets (in the form of Latin-1 text) and
 * only shown as UTF-8. Groups hold their members themselves, so nothing is looked up by name after parsing.
 *
 * @module
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Vkey from "./Vkey.ts"

export interface Witness {
  readonly name: string
  /** Type 0x04. */
  readonly vkey: Vkey.Vkey
}

export interface Group {
  readonly name: string
  /** How many members must have witnessed, 1 to the number of members. */
  readonly threshold: number
  readonly members: ReadonlyArray<Member>
}

export type Member =
  | { readonly _tag: "witness"; readonly witness: Witness }
  | { readonly _tag: "group"; readonly group: Group }

export interface TlogPolicy {
  /** Type 0x01; any one of them may have signed. */
  readonly logs: ReadonlyArray<Vkey.Vkey>
  readonly witnesses: ReadonlyArray<Witness>
  readonly groups: ReadonlyArray<Group>
  readonly quorum: { readonly _tag: "none" } | Member
}

/** The policy cannot be used. `line` counts from 1 and is 0 when the file as a whole is meant. */
export class PolicyError extends Data.TaggedError("PolicyError")<{ readonly line: number; readonly reason: string }> {
  override get message(): string {
    return this.line === 0 ? `policy: ${this.reason}` : `policy, line ${this.line}: ${this.reason}`
  }
}

/** Largest policy file, bytes. */
export const maxPolicyBytes = 1024 * 1024
/** Most logs, witnesses and groups, each (C2SP asks for 32 at least). */
export const maxDefinitions = 1024

/** Trusts no log and asks for no witness. */
export const none: TlogPolicy = { logs: [], witnesses: [], groups: [], quorum: { _tag: "none" } }

const allowedLine = /^[\t -~\u0080-\u00ff]*$/

/** What stays of a line that is not empty and not a comment. */
interface Line {
  readonly number: number
  readonly words: ReadonlyArray<string>
}

const shown = (octets: string): string => Buffer.from(octets, "latin1").toString("utf8")

/** Stops the parser below; never leaves this module. */
const refuse = (line: number, reason: string): never => {
  throw new PolicyError({ line, reason })
}

const readLines = (octets: string): ReadonlyArray<Line> => {
  const lines: Array<Line> = []
  for (const [index, text] of octets.split("\n").entries()) {
    const number = index + 1
    if (text.endsWith("\r")) refuse(number, "it ends with CR LF; save the file with Unix line ends (LF)")
    if (!allowedLine.test(text)) refuse(number, "it has a control character; only tab and LF are allowed")
    const words = text.split(/[\t ]+/).filter((word) => word !== "")
    if (words[0] !== undefined && !words[0].startsWith("#")) lines.push({ number, words })
  }
  return lines
}

const readVkey = (line: Line, text: string, type: Vkey.KeyType, duplicates: Set<string>): Vkey.Vkey => {
  const parsed = Vkey.parse(shown(text))
  if (Either.isLeft(parsed)) return refuse(line.number, parsed.left.message)
  const vkey = parsed.right
  if (vkey.type !== type) {
    return refuse(
      line.number,
      type === 1
        ? "this is a witness's key (type 0x04); a log needs a key of type 0x01"
        : "this is a log's key (type 0x01); a witness needs a cosignature key of type 0x04"
    )
  }
  const id = Buffer.from(vkey.publicKey).toString("hex")
  if (duplicates.has(id)) refuse(line.number, `the public key of ${vkey.name} was already used on an earlier line`)
  duplicates.add(id)
  return vkey
}

/** Owned by one call of `parse`. */
class Reader {
  readonly logs: Array<Vkey.Vkey> = []
  readonly witnesses: Array<Witness> = []
  readonly groups: Array<Group> = []
  quorum: TlogPolicy["quorum"] | undefined
  /** Names defined so far, as octets. */
  private readonly defined = new Map<string, Member>()
  /** Names that are in a group already. */
  private readonly grouped = new Set<string>()
  private readonly logKeys = new Set<string>()
  private readonly witnessKeys = new Set<string>()

  read(line: Line): void {
    const [keyword = "", ...words] = line.words
    switch (keyword) {
      case "log":
        return this.log(line, words)
      case "witness":
        return this.witness(line, words)
      case "group":
        return this.group(line, words)
      case "quorum":
        return this.setQuorum(line, words)
      default:
        return refuse(
          line.number,
          `"${shown(keyword).slice(0, 40)}" is not a keyword; use log, witness, group or quorum`
        )
    }
  }

  log(line: Line, [vkey, , ...more]: ReadonlyArray<string>): void {
    if (vkey === undefined || more.length > 0) return refuse(line.number, "expected: log <vkey> [<url>]")
    if (this.logs.length >= maxDefinitions) refuse(line.number, `more than ${maxDefinitions} logs`)
    this.logs.push(readVkey(line, vkey, 1, this.logKeys))
  }

  private witness(line: Line, [name, vkey, , ...more]: ReadonlyArray<string>): void {
    if (name === undefined || vkey === undefined || more.length > 0) {
      return refuse(line.number, "expected: witness <name> <vkey> [<url>]")
    }
    if (this.witnesses.length >= maxDefinitions) refuse(line.number, `more than ${maxDefinitions} witnesses`)
    const witness = { name: shown(name), vkey: readVkey(line, vkey, 4, this.witnessKeys) }
    this.define(line, name, { _tag: "witness", witness })
    this.witnesses.push(witness)
  }

  private group(line: Line, [name, rule, ...names]: ReadonlyArray<string>): void {
    if (name === undefined || rule === undefined || names.length === 0) {
      return refuse(line.number, "expected: group <name> <all, any or a number> <member>...")
    }
    if (this.groups.length >= maxDefinitions) refuse(line.number, `more than ${maxDefinitions} groups`)
    const members = names.map((member) => this.member(line, member))
    const group = { name: shown(name), threshold: this.threshold(line, rule, members.length), members }
    this.define(line, name, { _tag: "group", group })
    this.groups.push(group)
  }

  private threshold(line: Line, rule: string, count: number): number {
    if (rule === "all") return count
    if (rule === "any") return 1
    if (!/^[1-9][0-9]{0,8}$/.test(rule)) {
      return refuse(line.number, `a group's rule is "all", "any" or a number from 1 to its members`)
    }
    const threshold = Number(rule)
    if (threshold > count) return refuse(line.number, `${threshold} members are asked for, but the group has ${count}`)
    return threshold
  }

  private member(line: Line, name: string): Member {
    const member = this.defined.get(name)
    if (name === "none") return refuse(line.number, `"none" cannot be a member of a group`)
    if (member === undefined) return refuse(line.number, `"${shown(name)}" is not defined on an earlier line`)
    if (this.grouped.has(name)) refuse(line.number, `"${shown(name)}" is already a member of a group`)
    this.grouped.add(name)
    return member
  }

  private define(line: Line, name: string, member: Member): void {
    if (name === "none") refuse(line.number, `"none" is a reserved name`)
    if (this.defined.has(name)) refuse(line.number, `the name "${shown(name)}" is already defined on an earlier line`)
    this.defined.set(name, member)
  }

  private setQuorum(line: Line, [name, ...more]: ReadonlyArray<string>): void {
    if (name === undefined || more.length > 0) return refuse(line.number, "expected: quorum <name>")
    if (this.quorum !== undefined) refuse(line.number, "there is a second quorum line; keep exactly one")
    const member = name === "none" ? none.quorum : this.defined.get(name)
    if (member === undefined) return refuse(line.number, `"${shown(name)}" is not defined on an earlier line`)
    this.quorum = member
  }
}

const octetsOf = (source: Uint8Array | string): string => {
  const tooLarge = `it is larger than ${maxPolicyBytes} bytes`
  if (source.length > maxPolicyBytes) return refuse(0, tooLarge)
  const bytes = typeof source === "string" ? Buffer.from(source, "utf8") : Buffer.from(source)
  return bytes.length > maxPolicyBytes ? refuse(0, tooLarge) : bytes.toString("latin1")
}

const read = (source: Uint8Array | string): TlogPolicy => {
  const lines = readLines(octetsOf(source))
  const reader = new Reader()
  const only = lines[0]
  if (lines.length === 1 && only?.words.length === 1 && only.words[0]?.includes("+") === true) {
    reader.log(only, only.words)
    reader.quorum = none.quorum
  } else {
    for (const line of lines) reader.read(line)
  }
  const { groups, logs, quorum, witnesses } = reader
  return quorum === undefined
    ? refuse(0, `there is no quorum line; add "quorum none" if no witness is asked for`)
    : { logs, witnesses, groups, quorum }
}

/**
 * Reads a policy file, at most `maxPolicyBytes`. A file with nothing but one vkey means `log <vkey>`, `quorum none`.
 */
export const parse = (source: Uint8Array | string): Either.Either<TlogPolicy, PolicyError> => {
  try {
    return Either.right(read(source))
  } catch (error) {
    if (error instanceof PolicyError) return Either.left(error)
    throw error
  }
}

const met = (member: Member, hasWitnessed: (witness: Vkey.Vkey) => boolean): boolean => {
  if (member._tag === "witness") return hasWitnessed(member.witness.vkey)
  let count = 0
  for (const inner of member.group.members) {
    if (met(inner, hasWitnessed) && ++count >= member.group.threshold) return true
  }
  return false
}

/** True when the witnesses for which `hasWitnessed` holds are enough. */
export const quorumMet = (policy: TlogPolicy, hasWitnessed: (witness: Vkey.Vkey) => boolean): boolean =>
  policy.quorum._tag === "none" || met(policy.quorum, hasWitnessed)

/** True when the policy trusts this log: the same name and the same key. */
export const hasLog = (policy: TlogPolicy, vkey: Vkey.Vkey): boolean =>
  policy.logs.some((log) => log.text === vkey.text)
