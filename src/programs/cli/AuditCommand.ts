/**
 * `agent audit [RUN]` and `agent audit --verify FILE`
 *
 * @module
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Verdict from "../../domain/Verdict.ts"
import type * as VerifyOptions from "../../domain/VerifyOptions.ts"
import * as Audit from "../Audit.ts"
import * as Export from "../Export.ts"
import * as ExitStatus from "../ExitStatus.ts"
import * as Home from "../Home.ts"
import * as RunStorage from "../../services/RunStorage.ts"
import * as Arguments from "./Arguments.ts"
import * as AuditInput from "./AuditInput.ts"
import * as AuditReport from "./AuditReport.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"

const run = Args.text({ name: "run" }).pipe(
  Args.withDescription("Id, unique prefix of an id, name, or latest (the default)"),
  Args.optional
)
const optional = (name: string, pseudo: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(pseudo), Options.withDescription(description), Options.optional)
const repeated = (name: string, pseudo: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(pseudo), Options.withDescription(description), Options.repeated)

const options = {
  verify: optional(
    "verify",
    "file",
    "Check an exported bundle ('-': standard input), or an audit.db from anywhere, instead of a run of this home"
  ),
  policy: optional("policy", "file", "Trust the logs and witnesses of this policy file (C2SP tlog-policy), or a vkey"),
  known: repeated("known", "note", "A checkpoint that you kept: the log must contain it"),
  expected: optional("run", "id", "The log must be of this run"),
  tsaCa: repeated("tsa-ca", "pem", "Certificate of a time-stamping authority that you trust (RFC 3161)"),
  export: optional("export", "file", "Write a bundle that anyone can verify ('-': standard output)"),
  entries: optional("entries", "A..B", "With --export: only these entries, with their proofs"),
  type: optional("type", "type", "With --export: only entries of this type, with their proofs"),
  proof: optional("proof", "seq", "Print the proof of one entry (C2SP tlog-proof)"),
  exportTiles: optional("export-tiles", "dir", "Write the log as C2SP tlog-tiles into a new directory"),
  json: Options.boolean("json").pipe(Options.withDescription("Print the report as one line of JSON"))
}

const usage = (reason: string) => new Failure.UsageError({ reason })

const wantedOf = (given: {
  readonly export: Option.Option<string>
  readonly entries: Option.Option<string>
  readonly type: Option.Option<string>
  readonly proof: Option.Option<string>
  readonly exportTiles: Option.Option<string>
}): Effect.Effect<Export.Wanted, Failure.UsageError> =>
  Effect.gen(function* () {
    const entries = Option.map(given.entries, Arguments.seqRange)
    if (Option.isSome(entries) && entries.value === undefined) {
      return yield* usage("--entries takes A..B, the first and the last entry, both included")
    }
    const proof = Option.map(given.proof, Arguments.seqRange)
    if (Option.isSome(proof) && (proof.value === undefined || proof.value[0] !== proof.value[1])) {
      return yield* usage("--proof takes the number of one entry")
    }
    return {
      bundle: Option.getOrUndefined(given.export),
      entries: Option.getOrUndefined(entries),
      type: Option.getOrUndefined(given.type),
      proof: Option.getOrUndefined(proof)?.[0],
      tiles: Option.getOrUndefined(given.exportTiles)
    }
  })

/** What contradicts itself in the flags, if anything. */
const contradiction = (wanted: Export.Wanted, isFile: boolean, hasRun: boolean, json: boolean): string | undefined => {
  const isSubset = wanted.entries !== undefined || wanted.type !== undefined
  if (isFile && hasRun) return "name a run or --verify a file, not both"
  if (isFile && (wanted.bundle ?? wanted.proof ?? wanted.tiles) !== undefined) {
    return "--verify only checks; export from the home where the run was recorded"
  }
  if (isSubset && wanted.bundle === undefined) return "--entries and --type go with --export FILE"
  const usesStdout = [wanted.bundle === "-", wanted.proof !== undefined].filter(Boolean).length
  if (usesStdout > 1 || (usesStdout > 0 && json))
    return "only one thing can go to standard output: drop --json or the other"
  return undefined
}

type OnProgress = (done: number, total: number) => void

/** Tells somebody who waits at a terminal how far it is. */
const withProgress = <A, E, R>(what: string, body: (onProgress: OnProgress) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Output.progress, ({ done, update }) =>
    Effect.ensuring(
      body((at, total) => update(() => `${what} ${Math.floor((100 * at) / Math.max(1, total))} %`)),
      done
    )
  )

/** A run whose directory is gone may still stand in the ledger; one that never was is not found. */
const auditGone = <E>(id: string, notFound: E) =>
  Effect.gen(function* () {
    const origin = `${(yield* Home.ledgerOrigin) ?? ""}/${id}`
    const report = Audit.auditGone(origin, yield* Home.ledgerAnswer(origin))
    if (report === undefined) return yield* Effect.fail(notFound)
    return { report, write: Effect.succeed([]) }
  })

/** Audits a run of this home; the exports that are wanted wait in `write`. */
const auditRun = (asked: string, options: VerifyOptions.VerifyOptions, wanted: Export.Wanted) =>
  Effect.gen(function* () {
    const storage = yield* RunStorage.RunStorage
    for (const warning of yield* Home.recoverKilled) yield* Output.remark(warning)
    const found = yield* Effect.either(storage.find(asked))
    if (Either.isLeft(found)) return yield* auditGone(asked, found.left)
    const run = found.right
    const ledger = yield* Home.ledgerAnswer(run.about?.origin)
    const isLive = run.about?.state === "running" && (yield* storage.isHeld(run))
    const report = yield* withProgress("checked", (onProgress) => Audit.auditRun(run, options, ledger, { onProgress }))
    const findings = isLive ? ["the run is still being recorded", ...report.findings] : report.findings
    const write = withProgress("written", (onProgress) => Export.write(run, ledger, wanted, onProgress))
    return { report: { ...report, findings }, write }
  })

export const command = Command.make("audit", { run, ...options }, (given) =>
  Effect.gen(function* () {
    const asked = Option.getOrUndefined(given.run)
    if (asked?.startsWith("-") === true) return yield* usage(`unknown option ${asked}; see: agent audit --help`)
    const wanted = yield* wantedOf(given)
    const file = Option.getOrUndefined(given.verify)
    const wrong = contradiction(wanted, file !== undefined, Option.isSome(given.run), given.json)
    if (wrong !== undefined) return yield* usage(wrong)
    const verifyOptions = yield* AuditInput.read({
      policy: Option.getOrUndefined(given.policy),
      known: given.known,
      run: Option.getOrUndefined(given.expected),
      tsaCa: given.tsaCa
    })
    const { report, write } = yield* file === undefined
      ? auditRun(
          Option.getOrElse(given.run, () => "latest"),
          verifyOptions,
          wanted
        )
      : Effect.map(
          withProgress("checked", (onProgress) => Audit.auditFile(file, verifyOptions, { onProgress })),
          (report) => ({
            report,
            write: Effect.succeed([])
          })
        )
    // Standard output belongs to an export that was sent there.
    const say = wanted.bundle === "-" || wanted.proof !== undefined ? Output.tell : Output.print
    if (given.json) yield* Output.print(Verdict.toJson(report))
    else for (const line of AuditReport.lines(report)) yield* say(line)
    yield* ExitStatus.set(Verdict.exitStatus[report.verdict])
    for (const remark of yield* write) yield* Output.remark(remark)
  })
).pipe(Command.withDescription("Check a log, and export what proves it"))
