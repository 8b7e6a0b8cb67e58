/**
 * `agent collector --log-dir DIR [--socket PATH] [--tcp ADDRESS:PORT --token-file FILE] [--db FILE]`
 *
 * @module
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ControlEntry from "../../domain/ControlEntry.ts"
import * as AuditStoreSqlite from "../../layers/AuditStoreSqlite.ts"
import * as SignerMemory from "../../layers/SignerMemory.ts"
import * as Tool from "../../layers/Tool.ts"
import * as Collect from "../Collect.ts"
import * as Home from "../Home.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"

const optional = (name: string, placeholder: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(placeholder), Options.withDescription(description), Options.optional)

const socket = optional(
  "socket",
  "path",
  "Listen on this Unix socket, which anybody who reaches it may write to (mode 0222); one of a dead collector is replaced"
)
const tcp = optional("tcp", "address:port", "Listen on this address; every connection has to begin with the token")
const tokenFile = optional("token-file", "file", "For --tcp: 64 lower-case hex digits, which only you can read")
const logDir = optional("log-dir", "dir", "Write DIR/session-ID.jsonl, and make DIR if it is missing")
const db = optional(
  "db",
  "file",
  "Write the same records to a new, signed audit.db too; its host key is the one in AGENTOPS_HOME, made at first use"
)
const session = optional(
  "session",
  "id",
  "Name of the session, [a-z0-9_-] (default: AUDIT_SESSION_ID, else one is drawn); events of another one say so"
)
const json = Options.boolean("json").pipe(
  Options.withDescription("Print what is being listened on, and at the end what was collected, as lines of JSON")
)

const usage = (reason: string) => new Failure.UsageError({ reason })

const isSession: (text: string) => boolean = Schema.is(ControlEntry.RunId)

const sessionOf = (given: Option.Option<string>) =>
  Effect.gen(function* () {
    const fromEnvironment = Effect.orElseSucceed(
      Config.option(Config.nonEmptyString("AUDIT_SESSION_ID")),
      Option.none<string>
    )
    const asked = Option.isSome(given) ? given : yield* fromEnvironment
    if (Option.isNone(asked)) return `run_${randomBytes(6).toString("hex")}`
    if (isSession(asked.value)) return asked.value
    return yield* usage(`the session ${JSON.stringify(asked.value)}: use 1 to 64 of a-z, 0-9, '_' and '-'`)
  })

/** Largest file that is read as a token, in bytes; a real one has 65. */
const maxTokenBytes = 256

/** Never says what is in the file. */
const tokenOf = (path: string): Either.Either<Redacted.Redacted, Failure.UsageError> => {
  try {
    const stat = Fs.statSync(path)
    if (stat.size > maxTokenBytes) return Either.left(usage(`--token-file ${path}: it is no token`))
    if ((stat.mode & 0o077) !== 0) return Either.left(usage(`--token-file ${path}: others may read it; chmod 600 it`))
    const text = Fs.readFileSync(path, "utf8").replace(/\n$/, "")
    if (/^[0-9a-f]{64}$/.test(text)) return Either.right(Redacted.make(text))
    return Either.left(usage(`--token-file ${path}: it needs 64 lower-case hex digits; make it: openssl rand -hex 32`))
  } catch (error) {
    return Either.left(usage(`--token-file: ${error instanceof Error ? error.message : String(error)}`))
  }
}

/** Host and port of `ADDRESS:PORT`; port 0 is any that is free. Undefined: not an address. */
const addressOf = (text: string): { readonly host: string; readonly port: number } | undefined => {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || port > 65_535 ? undefined : { host, port }
}

const placesOf = (given: {
  readonly socket: Option.Option<string>
  readonly tcp: Option.Option<string>
  readonly tokenFile: Option.Option<string>
}) =>
  Effect.gen(function* () {
    const places: Array<Collect.CollectRequest["places"][0]> = []
    if (Option.isSome(given.socket)) places.push({ _tag: "Unix", path: Path.resolve(given.socket.value) })
    if (Option.isSome(given.tcp)) {
      const address = addressOf(given.tcp.value)
      if (address === undefined) {
        return yield* usage(`--tcp ${given.tcp.value}: give ADDRESS:PORT, such as 127.0.0.1:7070 or [::1]:7070`)
      }
      if (Option.isNone(given.tokenFile)) {
        return yield* usage(
          "--tcp needs --token-file FILE, with 64 lower-case hex digits; make it: openssl rand -hex 32"
        )
      }
      places.push({ _tag: "Tcp", ...address, token: yield* tokenOf(given.tokenFile.value) })
    } else if (Option.isSome(given.tokenFile)) return yield* usage("--token-file goes with --tcp")
    const [first, ...others] = places
    if (first === undefined) return yield* usage("nowhere to listen; give --socket PATH or --tcp ADDRESS:PORT, or both")
    return [first, ...others] as const
  })

const tellListening = (about: Collect.Listening, asJson: boolean) => {
  const { endpoints, file, hostKey, session } = about
  if (asJson) {
    return Output.print(JSON.stringify({ session, endpoints, file, host_key: hostKey ?? null }))
  }
  const key = hostKey === undefined ? "" : `; signed by ${hostKey}`
  return Output.remark(`collecting ${endpoints.join(" and ")} into ${file}${key}`)
}

export const command = Command.make("collector", { socket, tcp, tokenFile, logDir, db, session, json }, (options) =>
  Effect.gen(function* () {
    const places = yield* placesOf(options)
    const session = yield* sessionOf(options.session)
    if (Option.isNone(options.logDir)) return yield* usage("nowhere to write; give --log-dir DIR")
    const request: Collect.CollectRequest = {
      session,
      places,
      logDir: Path.resolve(options.logDir.value),
      openStore: Option.getOrUndefined(
        Option.map(options.db, (path) =>
          AuditStoreSqlite.layer({ path: Path.resolve(path), run: session, tool: Tool.name })
        )
      ),
      onListening: (about) => tellListening(about, options.json)
    }
    // Without a signed log nothing is signed, and a home need not exist.
    const signer = request.openStore === undefined ? SignerMemory.layer : Home.recording
    const counts = yield* Effect.scoped(Effect.provide(Collect.collect(request), signer))
    if (options.json) return yield* Output.print(JSON.stringify(counts))
    const { dropped, malformed } = counts
    if (malformed > 0)
      yield* Output.remark(`${malformed} lines or connections were refused, ${dropped} of them only counted`)
  })
).pipe(Command.withDescription("Collect what senders report, until SIGTERM; SIGHUP opens the session file anew"))
