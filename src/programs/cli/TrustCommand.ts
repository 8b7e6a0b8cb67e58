/**
 * `agent trust show` and `agent trust add`.
 *
 * @module
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as TlogPolicy from "../../domain/TlogPolicy.ts"
import * as Vkey from "../../domain/Vkey.ts"
import * as TrustStore from "../../services/TrustStore.ts"
import * as Home from "../Home.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"

const quorumName = (quorum: TlogPolicy.TlogPolicy["quorum"]): string => {
  switch (quorum._tag) {
    case "none":
      return "none"
    case "witness":
      return quorum.witness.name
    case "group":
      return quorum.group.name
  }
}

const host = Options.boolean("host").pipe(
  Options.withDescription("Print nothing but this host's own key, for others to trust")
)

const show = Command.make("show", { host }, ({ host }) =>
  Effect.gen(function* () {
    const own = yield* Home.hostKey
    if (host) {
      if (own === undefined) {
        return yield* new Failure.UsageError({ reason: "this host has no key yet; the first agent run makes it" })
      }
      return yield* Output.print(own)
    }
    const trust = yield* TrustStore.TrustStore
    const policy = yield* trust.policy
    yield* Output.print(`this host  ${own ?? "no key yet; the first agent run makes it"}`)
    yield* Output.print(`policy     ${trust.path}`)
    for (const log of policy.logs) yield* Output.print(`log        ${log.text}`)
    for (const { name, vkey } of policy.witnesses) yield* Output.print(`witness    ${name} ${vkey.text}`)
    yield* Output.print(`quorum     ${quorumName(policy.quorum)}`)
  })
).pipe(Command.withDescription("Print whom `agent audit` trusts on this host"))

const key = Args.text({ name: "vkey" }).pipe(
  Args.withDescription("A host key, as `agent trust show --host` prints it on its host")
)

const add = Command.make("add", { key }, ({ key }) =>
  Effect.gen(function* () {
    const parsed = Vkey.parse(key)
    if (Either.isLeft(parsed)) {
      const reason = `${parsed.left.message}; a key looks like NAME+01234567+BASE64, see: agent trust show --host`
      return yield* new Failure.UsageError({ reason })
    }
    if (parsed.right.type !== 1) {
      const reason = "this is the key of a witness; write it into the policy file with a quorum: see agent trust show"
      return yield* new Failure.UsageError({ reason })
    }
    const trust = yield* TrustStore.TrustStore
    const added = yield* trust.addLog(parsed.right)
    yield* Output.print(`${added ? "trusted" : "was trusted already"}: ${parsed.right.name}`)
  })
).pipe(Command.withDescription("Trust the logs of another host from now on"))

export const command = Command.make("trust").pipe(
  Command.withDescription("Whose logs `agent audit` believes"),
  Command.withSubcommands([show, add])
)
