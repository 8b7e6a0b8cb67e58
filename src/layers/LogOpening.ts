/**
 * The first entry of a run's log and its checkpoint, signed by epoch 0 and by the host key.
 *
 * Both become durable in one transaction (see `LogPipeline`): a log exists with its opening checkpoint or not at all.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import type * as Jcs from "../domain/Jcs.ts"
import * as Sequencer from "../domain/Sequencer.ts"
import { RecordRejected, type StoredCheckpoint, type StoreFailed } from "../services/AuditStore.ts"
import type { Signer, SignerError } from "../services/Signer.ts"
import type { LogBackend, SignedHead } from "./LogBackend.ts"
import * as RecordIntake from "./RecordIntake.ts"
import { SegmentBuilder } from "./SegmentBuilder.ts"

/** What a log is opened with. */
export interface Options {
  /** `[a-z0-9_-]{1,64}`; the origin is `<ledger origin>/<run>`. */
  readonly run: string
  /** Program and version that records, such as `agent/1.2.3`. */
  readonly tool: string
  /** 32 hex digits that nobody could foresee. */
  readonly nonce: string
  /** Further members of `log.open`. */
  readonly extra?: Jcs.JsonObject | undefined
}

/** An opened log. */
export interface Opened {
  readonly origin: string
  /** Stands behind `log.open`. */
  readonly sequencer: Sequencer.Sequencer
  readonly checkpoint: StoredCheckpoint
  /** RFC 6962 root at size 1, base64. */
  readonly root: string
}

const runForm = /^[a-z0-9_-]{1,64}$/

/** The origin of a run's log, or why it has none. */
export const originOf = (signer: Signer["Type"], run: string): Effect.Effect<string, RecordRejected> =>
  runForm.test(run)
    ? Effect.succeed(`${signer.ledgerOrigin}/${run}`)
    : new RecordRejected({ member: "run", reason: "not [a-z0-9_-]{1,64}" })

/** Now, by both clocks, in milliseconds. */
export interface Now {
  readonly wall: () => number
  readonly monotonic: () => number
}

/** @param failed ends the waiting for a backend that has failed */
export const open = (
  options: Options,
  origin: string,
  signer: Signer["Type"],
  backend: LogBackend,
  now: Now,
  failed: Effect.Effect<never, StoreFailed>
): Effect.Effect<Opened, StoreFailed | RecordRejected | SignerError> =>
  Effect.gen(function* () {
    const sequencer = new Sequencer.Sequencer()
    sequencer.step(now.wall(), now.monotonic())
    const builder = new SegmentBuilder(sequencer)
    const { nonce, run, tool } = options
    const data = yield* Effect.try({
      try: () =>
        RecordIntake.controlData({
          ...options.extra,
          format: "agent-audit/1",
          kind: "run",
          run,
          origin,
          host: signer.host.text,
          key: backend.firstKey,
          nonce,
          tool
        }),
      catch: RecordIntake.rejection
    })
    builder.control("log.open", data, now.wall())
    const segment = builder.take()
    const head = yield* Effect.async<SignedHead>((resume) =>
      backend.sign("sign", segment.hashes, (signed) => resume(Effect.succeed(signed)))
    ).pipe(Effect.raceFirst(failed))
    const note = `${head.note}${yield* signer.signAsHost(head.text)}`
    const checkpoint = { size: 1, epoch: 0, note }
    yield* Effect.async<void>((resume) =>
      backend.write({ ...segment, notes: [checkpoint], awaited: true }, () => resume(Effect.void))
    ).pipe(Effect.raceFirst(failed))
    return { origin, sequencer, checkpoint, root: head.root }
  })
