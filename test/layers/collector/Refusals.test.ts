import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as RecordData from "../../../src/domain/RecordData.ts"
import { maxHeadBytes, Refusals } from "../../../src/layers/collector/Refusals.ts"

const now = Date.parse("2025-12-01T12:00:00.000Z")
const because = () => ({ reason: "not JSON" })

describe("refused lines", () => {
  it("get an entry each up to the rate, and are counted beyond it", () => {
    const refusals = new Refusals(4, now)
    const refuse = (at: number) => refusals.refuse("shim", 1, 10, at, because) !== undefined
    assert.deepStrictEqual(
      Array.from({ length: 7 }, () => refuse(now)),
      [true, true, true, true, false, false, false]
    )
    assert.isTrue(refuse(now + 250))
    assert.isFalse(refuse(now + 499))
    assert.deepStrictEqual([refusals.total, refusals.counted], [9, 4])
    assert.deepStrictEqual(refusals.takeDropped(), [
      {
        type: "log.drop",
        source: "recorder",
        data: {
          bytes: 40,
          count: 4,
          since: "2025-12-01T12:00:00.000Z",
          source: "shim",
          until: "2025-12-01T12:00:00.499Z"
        }
      }
    ])
    assert.deepStrictEqual(refusals.takeDropped(), [])
  })

  it("are counted for each channel apart", () => {
    const refusals = new Refusals(0, now)
    refusals.refuse("shim", 1, 10, now, because)
    refusals.refuse("runner", 2, 20, now, because)
    assert.deepStrictEqual(
      refusals.takeDropped().map(({ data }) => [data["source"], data["count"], data["bytes"]]),
      [
        ["shim", 1, 10],
        ["runner", 1, 20]
      ]
    )
  })

  it("do not come at a higher rate when the clock is set back", () => {
    const refusals = new Refusals(2, now)
    const refuse = (at: number) => refusals.refuse("shim", 1, 1, at, because) !== undefined
    assert.deepStrictEqual([refuse(now), refuse(now), refuse(now - 60_000)], [true, true, false])
    assert.deepStrictEqual([refuse(now - 59_400), refuse(now - 59_400)], [true, false])
  })

  it.prop(
    "show at most the first bytes of the line, in a form that the log takes",
    [
      FastCheck.oneof(
        FastCheck.uint8Array({ maxLength: 1200 }),
        FastCheck.fullUnicodeString().map((text) => Buffer.from(text.repeat(80)))
      )
    ],
    ([bytes]) => {
      const record = new Refusals(1, now).refuse("shim", 1, bytes.length, now, () => ({
        reason: "not JSON",
        line: Buffer.from(bytes)
      }))
      assert.isTrue(Either.isRight(RecordData.encode(record?.data)))
      const head = record?.data["head"]
      const shown = typeof head === "string" ? Buffer.from(head) : Buffer.from(Object(head)["$b64"], "base64")
      assert.isAtMost(shown.length, maxHeadBytes)
      assert.isAtLeast(shown.length, Math.min(bytes.length, maxHeadBytes - 3))
      assert.isTrue(shown.equals(Buffer.from(bytes).subarray(0, shown.length)))
    }
  )
})
