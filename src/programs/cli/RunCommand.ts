/**
 * `agent run [flags] -- COMMAND…`
 *
 * @module
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { isatty } from "node:tty"
import * as RunMetadata from "../../domain/RunMetadata.ts"
import * as AuditStoreSqlite from "../../layers/AuditStoreSqlite.ts"
import * as CollectorUnix from "../../layers/CollectorUnix.ts"
import * as ContainerRuntimeLocal from "../../layers/ContainerRuntimeLocal.ts"
import * as ShimInjectorNative from "../../layers/ShimInjectorNative.ts"
import * as Tool from "../../layers/Tool.ts"
import type * as ContainerRuntime from "../../services/ContainerRuntime.ts"
import * as ExitStatus from "../ExitStatus.ts"
import * as Home from "../Home.ts"
import * as Recover from "../Recover.ts"
import * as Run from "../Run.ts"
import * as Arguments from "./Arguments.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as RecordFlags from "./RecordFlags.ts"

const name = Options.text("name").pipe(
  Options.withDescription("A name for the run, by which other commands find it"),
  Options.optional
)
const workspace = Options.text("workspace").pipe(
  Options.withDescription("Working directory of the command (default: this one)"),
  Options.optional
)
const env = Options.text("env").pipe(
  Options.withDescription(
    "NAME=VALUE, or NAME to pass on a variable; may be repeated. The log has names, never values"
  ),
  Options.repeated
)
const timeout = Options.text("timeout").pipe(
  Options.withDescription("Stop the command after this long: 90, 90s, 5m, 2h (SIGTERM, then SIGKILL after 10 s)"),
  Options.optional
)
const onAuditFailure = Options.choice("on-audit-failure", ["stop", "continue"]).pipe(
  Options.withDescription(
    "When a record cannot be written: stop the command (the default), or let it go on unrecorded"
  ),
  Options.withDefault("stop")
)
const quiet = Options.boolean("quiet").pipe(
  Options.withAlias("q"),
  Options.withDescription("Say nothing but what went wrong")
)
const json = Options.boolean("json").pipe(
  Options.withDescription("Print the closing summary as one line of JSON, on stderr: stdout belongs to the command")
)

const usage = (reason: string) => new Failure.UsageError({ reason })

const workspaceOf = (given: Option.Option<string>): Either.Either<string, Failure.UsageError> => {
  const path = Path.resolve(Option.getOrElse(given, () => "."))
  const isDirectory = Fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  return isDirectory ? Either.right(path) : Either.left(usage(`--workspace ${path}: no such directory`))
}

const environmentOf = (given: ReadonlyArray<string>): Either.Either<Record<string, string>, Failure.UsageError> => {
  const variables: Record<string, string> = {}
  for (const text of given) {
    const variable = Arguments.environmentVariable(text, process.env)
    if (variable === undefined) {
      // Never the whole text: it may hold a secret.
      const shown = text.split("=", 1)[0] ?? ""
      return Either.left(usage(`--env ${shown}: give NAME=VALUE, or the NAME of a variable that is set here`))
    }
    variables[variable[0]] = variable[1]
  }
  return Either.right(variables)
}

const isRunName: (text: string) => boolean = Schema.is(RunMetadata.RunName)

const nameOf = (given: string | undefined): Either.Either<string | undefined, Failure.UsageError> =>
  given === undefined || isRunName(given)
    ? Either.right(given)
    : Either.left(
        usage(`--name ${given}: use 1 to 63 letters, digits, '.', '_' or '-'; not 'latest', nor like a run id`)
      )

const timeoutOf = (given: string | undefined): Either.Either<number | undefined, Failure.UsageError> => {
  if (given === undefined) return Either.right(undefined)
  const millis = Arguments.durationMillis(given)
  return millis === undefined
    ? Either.left(usage(`--timeout ${given}: give a duration such as 90s, 5m or 2h, of at most 24 days`))
    : Either.right(millis)
}

const isolationLine = ({ kind, reasons }: ContainerRuntime.Isolation): string =>
  kind === "none"
    ? "no isolation yet: the command runs as a plain process with all your rights, and can change this log's files"
    : `isolation: ${kind}${reasons.length === 0 ? "" : ` (${reasons.join("; ")})`}`

const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

const tellSummary = (summary: Run.RunSummary, json: boolean, quiet: boolean) =>
  Effect.sync(() => {
    if (json) {
      const { checkpoint, entries, exit, millis, reason, run, unrecorded } = summary
      const line = { run, exit, reason, entries: entries ?? null, ms: millis, checkpoint: checkpoint ?? null }
      return Output.writeError(`${JSON.stringify({ ...line, unrecorded: unrecorded ?? null })}\n`)
    }
    if (summary.unrecorded !== undefined) Output.writeError(`agent: NOT FULLY RECORDED: ${summary.unrecorded}\n`)
    if (quiet) return
    const { entries, exit, millis, reason, run } = summary
    const ending = reason === "exit" || reason === "signal" ? `exit ${exit}` : `${reason}, exit ${exit}`
    Output.writeError(`agent: ${run}: ${entries ?? "?"} entries, signed; ${ending}; ${seconds(millis)}\n`)
    Output.writeError(`agent: check it: agent audit ${run}   share the proof: agent audit ${run} --export proof.json\n`)
  })

/** The layers make a home, which must not happen before the request is known to make sense. */
const record = (request: Run.RunRequest) =>
  Effect.gen(function* () {
    for (const warning of yield* Recover.all) yield* Output.remark(warning)
    return yield* Run.run(request)
  }).pipe(Effect.provide(Layer.mergeAll(Home.recording, ContainerRuntimeLocal.layer, ShimInjectorNative.layer())))

/** @param guest what stands behind `--`, if there is one */
export const command = (guest: ReadonlyArray<string> | undefined) =>
  Command.make(
    "run",
    { name, workspace, env, timeout, ...RecordFlags.options, onAuditFailure, quiet, json },
    (options) =>
      Effect.gen(function* () {
        const [program, ...args] = guest ?? []
        if (program === undefined || program === "") {
          return yield* usage("no command to run; write it behind two dashes: agent run -- COMMAND [ARGUMENT…]")
        }
        const jsonl = yield* RecordFlags.jsonlOf(options.jsonl, options.record)
        const request: Run.RunRequest = {
          command: program,
          args,
          name: yield* nameOf(Option.getOrUndefined(options.name)),
          workspace: yield* workspaceOf(options.workspace),
          env: yield* environmentOf(options.env),
          timeoutMillis: yield* timeoutOf(Option.getOrUndefined(options.timeout)),
          onAuditFailure: options.onAuditFailure,
          tty: isatty(0) && isatty(1),
          record: options.record,
          deny: yield* RecordFlags.rulesOf(options),
          agent: yield* RecordFlags.agentOf(options.agent),
          onRecording: (run, isolation, injection) => {
            // Less than what can be had is said even where nothing else is.
            const less = RecordFlags.shortfall(injection)
            const tellLess = less === undefined ? Effect.void : Output.remark(less)
            if (options.quiet) return tellLess
            const about = `${isolationLine(isolation)}; ${RecordFlags.describe(injection)}`
            return Effect.zipRight(Output.remark(`recording ${run.id}; ${about}`), tellLess)
          },
          onLess: (mode, reasons) => Output.remark(RecordFlags.less(mode, reasons)),
          openCollector: (run) =>
            CollectorUnix.layer({
              path: Path.join(run.path, "audit.sock"),
              session: run.id,
              ...(jsonl ? { jsonl: Path.join(run.path, `session-${run.id}.jsonl`) } : {})
            }),
          openStore: (run) =>
            AuditStoreSqlite.layer({
              path: run.auditDb,
              run: run.id,
              tool: Tool.name
            })
        }
        const summary = yield* record(request)
        yield* tellSummary(summary, options.json, options.quiet)
        yield* ExitStatus.set(summary.exit)
      }).pipe(Effect.catchAll(Failure.asRunFailure))
  ).pipe(Command.withDescription("Run a command and record what it does"))
