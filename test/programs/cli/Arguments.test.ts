import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Arguments from "../../../src/programs/cli/Arguments.ts"

describe("Arguments", () => {
  it.prop(
    "everything behind the first -- is the guest's, whatever it looks like",
    [
      FastCheck.array(FastCheck.string().filter((word) => word !== "--")),
      FastCheck.array(FastCheck.oneof(FastCheck.string(), FastCheck.constantFrom("--", "--help", "-v")))
    ],
    ([own, guest]) => {
      assert.deepStrictEqual(Arguments.splitAtDoubleDash([...own, "--", ...guest]), { own, guest })
      assert.deepStrictEqual(Arguments.splitAtDoubleDash(own), { own, guest: undefined })
    }
  )

  it("reads durations as timeout(1) does", () => {
    const cases: ReadonlyArray<readonly [string, number | undefined]> = [
      ["90", 90_000],
      ["90s", 90_000],
      ["1.5m", 90_000],
      ["250ms", 250],
      ["2h", 7_200_000],
      ["1d", 86_400_000],
      ["25d", undefined],
      ["0", undefined],
      ["-1s", undefined],
      ["1 s", undefined],
      ["", undefined],
      ["1e3", undefined]
    ]
    for (const [text, millis] of cases) assert.strictEqual(Arguments.durationMillis(text), millis, text)
  })

  it("reads environment variables with values, and passes on those that are set", () => {
    const environment = { TOKEN: "secret" }
    assert.deepStrictEqual(Arguments.environmentVariable("A=b=c", environment), ["A", "b=c"])
    assert.deepStrictEqual(Arguments.environmentVariable("A=", environment), ["A", ""])
    assert.deepStrictEqual(Arguments.environmentVariable("A=1\n2", environment), ["A", "1\n2"])
    assert.deepStrictEqual(Arguments.environmentVariable("TOKEN", environment), ["TOKEN", "secret"])
    for (const text of ["", "=x", "1A=x", "A-B=x", "UNSET", "A=\0"]) {
      assert.isUndefined(Arguments.environmentVariable(text, environment), text)
    }
  })

  it("reads ranges with both ends included", () => {
    assert.deepStrictEqual(Arguments.seqRange("3..7"), [3, 7])
    assert.deepStrictEqual(Arguments.seqRange("5"), [5, 5])
    for (const text of ["7..3", "", "a", "1..", "..1", "-1", "1.5", "1...2"]) {
      assert.isUndefined(Arguments.seqRange(text), text)
    }
  })
})
