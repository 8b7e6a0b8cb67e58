/**
 * The options of `agent run` about what is recorded from inside the command, and what it may not do.
 *
 * @module
 */
import * as Options from "@effect/cli/Options"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { isIP, isIPv6 } from "node:net"
import type { AskedMode, DenyRules, Injection, RecordMode } from "../../services/ShimInjector.ts"
import * as Failure from "./Failure.ts"

export const options = {
  record: Options.choice("record", ["auto", "hybrid", "full", "shim", "none"]).pipe(
    Options.withDescription(
      "How execs, connects and opens are recorded: hybrid (supervisor, and a preloaded library for reads; what auto takes), full (supervisor only), shim (library only: misses static programs), none"
    ),
    Options.withDefault("auto")
  ),
  denyExec: Options.text("deny-exec").pipe(
    Options.withDescription("Refuse to execute what matches: an absolute path, or a pattern in which * matches / too"),
    Options.repeated
  ),
  denyOpen: Options.text("deny-open").pipe(
    Options.withDescription(
      "Refuse to open what matches; with :r, :w or :rw behind. Advisory, as is --deny-exec: a program with threads can exchange the path after it was looked at"
    ),
    Options.repeated
  ),
  denyConnect: Options.text("deny-connect").pipe(
    Options.withDescription("Refuse to connect to ADDRESS, ADDRESS/BITS, * or unix:PATTERN; with :PORT behind"),
    Options.repeated
  ),
  agent: Options.text("agent").pipe(
    Options.withDescription("A name for the agent, which its events carry"),
    Options.optional
  ),
  jsonl: Options.boolean("jsonl").pipe(
    Options.withDescription("Also write the events to session-<run>.jsonl in the run's directory")
  )
}

/** The rules go into one entry, which has room for 65 536 bytes of everything. */
const maxRuleBytes = 16_384

const usage = (reason: string) => new Failure.UsageError({ reason })

const isPathPattern = (text: string): boolean => /^[/*]/.test(text)

const isOpenPattern = (text: string): boolean => isPathPattern(text.replace(/:(?:rw|r|w)$/, ""))

const isPort = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= 65_535

/** An address, or a network. A zone (`%eth0`) is none of it. */
const isNetwork = (text: string): boolean => {
  const [address = "", bits, ...more] = text.split("/")
  const version = address.includes("%") ? 0 : isIP(address)
  if (version === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

/** `*`, ADDR, ADDR/BITS, each with `:PORT`; an IPv6 address with a port needs brackets. */
const isAddressPattern = (text: string): boolean => {
  if (text.startsWith("unix:")) return text.length > "unix:".length
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed !== null) {
    const [, inside = "", port] = bracketed
    return isIPv6(inside.split("/", 1)[0] ?? "") && isNetwork(inside) && (port === undefined || isPort(port))
  }
  const [host = "", port, ...more] = text.split(":")
  if (more.length > 0) return isNetwork(text)
  return (host === "*" || isNetwork(host)) && (port === undefined || isPort(port))
}

/** Rules as they were given, or what is wrong with the first that is none. */
export const rulesOf = (given: {
  readonly record: AskedMode
  readonly denyExec: ReadonlyArray<string>
  readonly denyOpen: ReadonlyArray<string>
  readonly denyConnect: ReadonlyArray<string>
}): Either.Either<DenyRules, Failure.UsageError> => {
  const { denyConnect, denyExec, denyOpen, record } = given
  const path = "give an absolute path, or a pattern that begins with / or *"
  const kinds = [
    ["--deny-exec", denyExec, isPathPattern, path],
    ["--deny-open", denyOpen, isOpenPattern, `${path}, and :r, :w or :rw behind it if you like`],
    [
      "--deny-connect",
      denyConnect,
      isAddressPattern,
      "give an IP address, ADDRESS/BITS or *, each with :PORT behind it if you like (IPv6 in brackets), or unix:PATTERN"
    ]
  ] as const
  for (const [flag, rules, isRule, advice] of kinds) {
    const wrong = rules.find((rule) => !isRule(rule) || rule.includes("\0"))
    if (wrong !== undefined) return Either.left(usage(`${flag} ${wrong}: ${advice}`))
  }
  const all = [...denyExec, ...denyOpen, ...denyConnect]
  if (all.length > 0 && (record === "none" || record === "shim")) {
    return Either.left(usage(`deny rules need the supervisor, which --record ${record} leaves out; use hybrid or full`))
  }
  const bytes = all.reduce((sum, rule) => sum + Buffer.byteLength(rule), 0)
  return bytes > maxRuleBytes
    ? Either.left(usage(`the deny rules are ${bytes} bytes together; at most ${maxRuleBytes} can be recorded`))
    : Either.right({ exec: denyExec, open: denyOpen, connect: denyConnect })
}

/** A name that fits into one line of any log. */
const agentName = /^[\p{L}\p{N}_.:@/+-]{1,64}$/u

export const agentOf = (given: Option.Option<string>): Either.Either<string | undefined, Failure.UsageError> => {
  const name = Option.getOrUndefined(given)
  return name === undefined || agentName.test(name)
    ? Either.right(name)
    : Either.left(usage(`--agent ${name}: use 1 to 64 letters, digits or the characters _ . : @ / + -`))
}

/** A session file without a collector would stay empty. */
export const jsonlOf = (jsonl: boolean, record: AskedMode): Either.Either<boolean, Failure.UsageError> =>
  jsonl && record === "none"
    ? Either.left(usage("--jsonl writes down what the command does, which --record none leaves out"))
    : Either.right(jsonl)

const recordedBy: Readonly<Record<RecordMode, string>> = {
  hybrid: "its execs, connects and opens are recorded (hybrid)",
  full: "its execs, connects and opens are recorded (full)",
  shim: "the execs, connects and opens of its dynamic programs are recorded (shim)",
  none: "what it does is not recorded, but for what it prints"
}

/** What is recorded, for the line that says that recording has begun. */
export const describe = ({ mode }: Injection): string => recordedBy[mode]

/** Where less is recorded than could be, in one line; undefined where that was asked for. */
export const shortfall = ({ asked, mode, reasons }: Injection): string | undefined =>
  asked === "auto" && (mode === "none" || mode === "shim") ? `${recordedBy[mode]}: ${reasons.join("; ")}` : undefined

/** What the supervisor found out when it started. */
export const less = (mode: RecordMode, reasons: ReadonlyArray<string>): string =>
  `${recordedBy[mode]}${reasons.length === 0 ? "" : `: ${reasons.join("; ")}`}`
