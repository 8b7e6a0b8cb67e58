import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { LineSplitter } from "../../../src/layers/collector/LineSplitter.ts"

const limit = 16

interface Split {
  readonly lines: ReadonlyArray<string>
  readonly cut: ReadonlyArray<string>
  readonly unfinished: string
}

const split = (chunks: ReadonlyArray<Uint8Array>): Split => {
  const lines: Array<string> = []
  const cut: Array<string> = []
  const splitter = new LineSplitter(limit, {
    onLines: (bytes) => {
      assert.strictEqual(bytes.at(-1), 10)
      lines.push(...bytes.toString("latin1").split("\n").slice(0, -1))
    },
    onCut: (head) => cut.push(head.toString("latin1").slice(0, limit - 1))
  })
  for (const chunk of chunks) splitter.push(Buffer.from(chunk))
  assert.isAtMost(splitter.held, Math.max(256, limit))
  return { lines, cut, unfinished: splitter.unfinished.toString("latin1") }
}

const isLong = (line: string) => line.length >= limit

/** What it has to do, said in the simplest way. */
const simply = (text: string): Split => {
  const parts = text.split("\n")
  const last = parts.pop() ?? ""
  const long = [...parts, last].filter(isLong)
  return {
    lines: parts.filter((line) => !isLong(line)),
    cut: long.map((line) => line.slice(0, limit - 1)),
    unfinished: isLong(last) ? "" : last
  }
}

const byte = FastCheck.oneof(
  { weight: 1, arbitrary: FastCheck.constant(10) },
  { weight: 6, arbitrary: FastCheck.integer({ min: 0, max: 255 }) }
)
const chunks = FastCheck.array(FastCheck.uint8Array({ maxLength: 40 }), { maxLength: 12 })
const linesIn = FastCheck.array(FastCheck.array(byte, { maxLength: 40 }), { maxLength: 12 }).map((parts) =>
  parts.map((part) => Uint8Array.from(part))
)

describe("the splitter of lines", () => {
  it.prop("finds the same lines, however their bytes are cut into chunks", [linesIn], ([parts]) => {
    assert.deepStrictEqual(split(parts), simply(Buffer.concat(parts).toString("latin1")))
  })

  it.prop("does so for any bytes", [chunks], ([parts]) => {
    const whole = Buffer.concat(parts)
    assert.deepStrictEqual(split(parts), split([whole]))
    assert.deepStrictEqual(split([...whole].map((one) => Uint8Array.of(one))), split([whole]))
  })

  it("takes a line of exactly the limit with its LF, and gives up one that is a byte longer, once", () => {
    const longest = "a".repeat(limit - 1)
    assert.deepStrictEqual(split([Buffer.from(`${longest}\nb\n`)]), { lines: [longest, "b"], cut: [], unfinished: "" })
    const tooLong = split([Buffer.from(`${longest}a`), Buffer.from("a".repeat(1000)), Buffer.from("\nb\n")])
    assert.deepStrictEqual(tooLong, { lines: ["b"], cut: [longest], unfinished: "" })
  })

  it("gives up a line that it is told to, and goes on behind its LF", () => {
    const lines: Array<string> = []
    const cut: Array<string> = []
    const splitter = new LineSplitter(limit, {
      onLines: (bytes) => lines.push(bytes.toString()),
      onCut: (head) => cut.push(head.toString())
    })
    splitter.push(Buffer.from("one\ntw"))
    splitter.cut()
    assert.strictEqual(splitter.held, 0)
    splitter.push(Buffer.from("o\nthree\n"))
    assert.deepStrictEqual([lines, cut], [["one\n", "three\n"], ["tw"]])
  })
})
