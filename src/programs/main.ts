/**
 * The command line: parses, provides the layers once, and turns what happened into an exit status.
 *
 * @module
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as HostSignalsProcess from "../layers/HostSignalsProcess.ts"
import * as Tool from "../layers/Tool.ts"
import { HostSignals } from "../services/HostSignals.ts"
import * as Arguments from "./cli/Arguments.ts"
import * as AuditCommand from "./cli/AuditCommand.ts"
import * as CollectorCommand from "./cli/CollectorCommand.ts"
import * as Failure from "./cli/Failure.ts"
import * as ListCommand from "./cli/ListCommand.ts"
import * as Output from "./cli/Output.ts"
import * as RunCommand from "./cli/RunCommand.ts"
import * as TrustCommand from "./cli/TrustCommand.ts"
import { ExitStatus } from "./ExitStatus.ts"
import * as Home from "./Home.ts"

const cli = (guest: ReadonlyArray<string> | undefined) =>
  Command.make("agent").pipe(
    Command.withDescription("Run AI agents, and prove afterwards what they did"),
    Command.withSubcommands([
      RunCommand.command(guest),
      AuditCommand.command,
      ListCommand.command,
      TrustCommand.command,
      CollectorCommand.command
    ]),
    Command.run({ name: "agent", version: Tool.version, executable: "agent" })
  )

/** `@effect/cli` prints its own errors in paragraphs; ours come from Failure, in one line. */
const withoutErrors = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Console.consoleWith((console) => Effect.withConsole(self, { ...console, error: () => Effect.void }))

const program = Effect.gen(function* () {
  const { guest, own } = Arguments.splitAtDoubleDash(process.argv.slice(2))
  if (guest !== undefined && own[0] !== "run") {
    return yield* new Failure.UsageError({
      reason: "two dashes stand only before the command of: agent run -- COMMAND"
    })
  }
  if (own.length === 0) return yield* cli(undefined)(["node", "agent", "--help"])
  const command = withoutErrors(cli(guest)(["node", "agent", ...own]))
  return yield* Effect.raceFirst(
    command,
    Effect.flatMap(HostSignals, (signals) => signals.unclaimed)
  )
})

/** What a layer has to say to the operator: one line on stderr. Stdout belongs to results, and to the guest. */
const logger = Logger.make<unknown, void>(({ message }) => {
  const words = (Array.isArray(message) ? message : [message]).map((part: unknown) =>
    part instanceof Error ? part.message : String(part)
  )
  Output.writeError(`agent: ${words.join(": ").replaceAll(/\s+/g, " ")}\n`)
})

const surroundings = Layer.mergeAll(
  Logger.replace(Logger.defaultLogger, logger),
  NodeContext.layer,
  HostSignalsProcess.layer,
  Home.reading,
  CliConfig.layer({ showBuiltIns: false, showTypes: false })
)

const statusOf = (exit: Exit.Exit<unknown, unknown>, success: number): number => {
  if (Exit.isSuccess(exit)) return success
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (ValidationError.isValidationError(failure) && ValidationError.isHelpRequested(failure)) return 0
  const outcome = Failure.outcomeOf(exit.cause)
  if (outcome.text !== undefined) Output.writeError(`${outcome.text}\n`)
  return outcome.status
}

const main = Effect.gen(function* () {
  const status = yield* Ref.make(0)
  const exit = yield* Effect.exit(
    Effect.scoped(
      Output.withPlainConsole(program).pipe(Effect.provide(surroundings), Effect.provideService(ExitStatus, status))
    )
  )
  return statusOf(exit, yield* Ref.get(status))
})

// Who reads our output may stop reading (`agent list | head`): that is no failure, and there is nobody to tell.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

void Effect.runPromise(main).then((status) => {
  process.exitCode = status
})
