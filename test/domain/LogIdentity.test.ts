import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Entry from "../../src/domain/Entry.ts"
import type * as Jcs from "../../src/domain/Jcs.ts"
import * as LogIdentity from "../../src/domain/LogIdentity.ts"
import { vectors } from "../fixtures/Vectors.ts"

const dataOf = (leaf: string | undefined): Jcs.JsonObject => Either.getOrThrow(Entry.decode(leaf ?? "")).data
const run = dataOf(vectors.five.leaves[0])
const wrong = (change: Jcs.JsonObject, origin = vectors.five.origin): string =>
  Either.match(LogIdentity.decode({ ...run, ...change }, origin), { onLeft: (why) => why, onRight: () => "" })

describe("LogIdentity", () => {
  it("knows the logs of the vectors: a run's and a ledger's", () => {
    const five = Either.getOrThrow(LogIdentity.decode(run, vectors.five.origin))
    assert.deepStrictEqual([five.kind, five.run, five.host.text], ["run", "run_five", vectors.keys.host.vkey])
    const data = dataOf(vectors.ledger.leaves[0])
    const ledger = Either.getOrThrow(LogIdentity.decode(data, vectors.ledger.origin))
    assert.deepStrictEqual([ledger.kind, ledger.run, ledger.host.text], ["ledger", "", vectors.keys.host.vkey])
    assert.isTrue(Either.isRight(LogIdentity.decode({ ...data, run: "" }, vectors.ledger.origin)))
  })

  const attacks: ReadonlyArray<readonly [string, Jcs.JsonObject, RegExp]> = [
    ["another format", { format: "agent-audit/2" }, /another form/],
    ["a run without its id", { run: "" }, /names a run/],
    ["a ledger that names a run", { kind: "ledger" }, /names a run/],
    ["another run", { run: "run_six" }, /does not follow/],
    ["another host's key under the same name", { host: vectors.keys.evil_host.vkey }, /does not follow/],
    ["an epoch key of another log", { key: vectors.rotate.keys[0]?.vkey ?? "" }, /not named by the log/],
    ["a witness's key as host", { host: vectors.keys.witness1.vkey }, /not a key of type 0x01/],
    ["a key that is none", { key: "x" }, /epoch key is refused/]
  ]
  for (const [attack, change, why] of attacks) {
    it(`refuses ${attack}`, () => assert.match(wrong(change), why))
  }

  it("refuses a header of another origin, and a host name that is not the hash of its key", () => {
    assert.match(wrong({}, vectors.rotate.origin), /the header claims/)
  })
})
