import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as ConsoleLines from "../../src/domain/ConsoleLines.ts"
import * as Entry from "../../src/domain/Entry.ts"

const utf8 = (text: string) => Buffer.from(text, "utf8")

const split = (...chunks: ReadonlyArray<Uint8Array>) => {
  const splitter = new ConsoleLines.Splitter("stdout")
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.flush(true)]
}

const joined = (lines: ReadonlyArray<ConsoleLines.ConsoleLine>) => Buffer.concat(lines.map(ConsoleLines.bytesOf))

describe("ConsoleLines", () => {
  it("a line that ends with LF is one entry with neither part nor eol, and CR stays in it", () => {
    assert.deepStrictEqual(split(utf8("one\r\n\ntwo\n")), [
      { line: "one\r", stream: "stdout" },
      { line: "", stream: "stdout" },
      { line: "two", stream: "stdout" }
    ])
  })

  it("a last line without LF says so", () => {
    assert.deepStrictEqual(split(utf8("one\ntwo")), [
      { line: "one", stream: "stdout" },
      { eol: false, line: "two", part: 0, stream: "stdout" }
    ])
    assert.deepStrictEqual(split(), [])
  })

  it("a character that comes in two chunks is whole in its line", () => {
    const bytes = utf8("grün ✓ 𝄞\n")
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepStrictEqual(split(bytes.subarray(0, cut), bytes.subarray(cut)), [
        { line: "grün ✓ 𝄞", stream: "stdout" }
      ])
    }
  })

  it("a byte order mark is kept", () => {
    assert.deepStrictEqual(split(utf8("\uFEFFa\n")), [{ line: "\uFEFFa", stream: "stdout" }])
  })

  it("only the line that is not UTF-8 becomes $b64", () => {
    assert.deepStrictEqual(split(Uint8Array.of(97, 10, 0xff, 0xc3, 10, 98, 10)), [
      { line: "a", stream: "stdout" },
      { line: { $b64: "/8M=" }, stream: "stdout" },
      { line: "b", stream: "stdout" }
    ])
  })

  it("a prompt is recorded when it is flushed, and its line goes on as the next part", () => {
    const splitter = new ConsoleLines.Splitter("tty")
    assert.deepStrictEqual(splitter.push(utf8("$ ")), [])
    assert.isTrue(splitter.pending)
    assert.deepStrictEqual(splitter.flush(false), [{ eol: false, line: "$ ", part: 0, stream: "tty" }])
    assert.isFalse(splitter.pending)
    assert.deepStrictEqual(splitter.flush(false), [])
    assert.deepStrictEqual(splitter.push(utf8("ls\r\nnext\n")), [
      { line: "ls\r", part: 1, stream: "tty" },
      { line: "next", stream: "tty" }
    ])
  })

  it("a flush leaves an incomplete character behind until its end or the end of the stream", () => {
    const splitter = new ConsoleLines.Splitter("tty")
    splitter.push(utf8("a✓").subarray(0, 3))
    assert.deepStrictEqual(splitter.flush(false), [{ eol: false, line: "a", part: 0, stream: "tty" }])
    assert.deepStrictEqual(splitter.flush(false), [])
    assert.deepStrictEqual(splitter.push(utf8("✓\n").subarray(2)), [{ line: "✓", part: 1, stream: "tty" }])
    splitter.push(utf8("✓").subarray(0, 2))
    assert.deepStrictEqual(splitter.flush(true), [{ eol: false, line: { $b64: "4pw=" }, part: 0, stream: "tty" }])
  })

  it("a line of exactly 16 KiB is whole, one byte more makes two parts", () => {
    const full = "x".repeat(ConsoleLines.maxPieceBytes)
    assert.deepStrictEqual(split(utf8(`${full}\n`)), [{ line: full, stream: "stdout" }])
    assert.deepStrictEqual(split(utf8(`${full}y\nz\n`)), [
      { eol: false, line: full, part: 0, stream: "stdout" },
      { line: "y", part: 1, stream: "stdout" },
      { line: "z", stream: "stdout" }
    ])
    assert.deepStrictEqual(split(utf8(full), utf8("y")), [
      { eol: false, line: full, part: 0, stream: "stdout" },
      { eol: false, line: "y", part: 1, stream: "stdout" }
    ])
  })

  it("a long line is cut between characters", () => {
    const line = `x${"✓".repeat(10_000)}`
    const pieces = split(utf8(`${line}\n`))
    assert.strictEqual(joined(pieces).toString("utf8"), `${line}\n`)
    assert.isTrue(pieces.every((piece) => typeof piece.line === "string"))
    assert.deepStrictEqual(
      pieces.map((piece) => piece.part),
      [0, 1]
    )
  })

  it("a long line of control characters is cut so that every entry fits in a leaf", () => {
    const bytes = new Uint8Array(100_000)
    const pieces = split(bytes)
    assert.deepStrictEqual(joined(pieces), Buffer.from(bytes))
    for (const piece of pieces) assert.isBelow(Buffer.byteLength(JSON.stringify(piece)), Entry.maxLeafBytes - 1024)
  })

  const bytes = FastCheck.oneof(
    FastCheck.uint8Array({ maxLength: 40 }),
    FastCheck.string({ unit: "binary", maxLength: 40 }).map(utf8),
    FastCheck.constantFrom("\n", "\r\n", "\n\n", "✓", "𝄞").map(utf8),
    FastCheck.tuple(
      FastCheck.integer({ min: 5_000, max: 40_000 }),
      FastCheck.constantFrom("a", "\u0000", '"', "é", "𝄞", "\ud7ff")
    ).map(([count, text]) => utf8(text.repeat(count)).subarray(0, count)),
    FastCheck.tuple(FastCheck.integer({ min: 1, max: 40_000 }), FastCheck.constantFrom(0x80, 0xc3, 0xf0, 0xff)).map(
      ([count, byte]) => new Uint8Array(count).fill(byte)
    )
  )

  it.prop(
    "for any bytes in any chunks, flushed at any time: what is recorded is the bytes, in pieces that the format allows",
    [FastCheck.array(FastCheck.tuple(bytes, FastCheck.boolean()), { maxLength: 12 })],
    ([chunks]) => {
      const splitter = new ConsoleLines.Splitter("stderr")
      const lines: Array<ConsoleLines.ConsoleLine> = []
      for (const [chunk, flush] of chunks) {
        const mutable = Buffer.from(chunk)
        lines.push(...splitter.push(mutable))
        mutable.fill(0x2e)
        if (flush) lines.push(...splitter.flush(false))
      }
      lines.push(...splitter.flush(true))
      assert.isTrue(joined(lines).equals(Buffer.concat(chunks.map(([chunk]) => chunk))))
      let part = 0
      for (const line of lines) {
        const content = ConsoleLines.bytesOf(line).length - (line.eol === false ? 0 : 1)
        assert.isAtMost(content, ConsoleLines.maxPieceBytes)
        assert.strictEqual(line.part, part === 0 && line.eol !== false ? undefined : part)
        part = line.eol === false ? part + 1 : 0
        if (content === 0) continue
        const encoded = Either.getOrThrow(Entry.encodeData(line))
        assert.isAtMost(Buffer.byteLength(encoded), Entry.maxLeafBytes - 1024)
      }
    },
    { fastCheck: { numRuns: 100 } }
  )

  it.prop(
    "for any text without flushes: the chunks do not matter",
    [FastCheck.array(bytes, { maxLength: 6 }), FastCheck.array(FastCheck.nat(400), { maxLength: 20 })],
    ([parts, cuts]) => {
      const whole = Buffer.concat(parts)
      const chunks: Array<Uint8Array> = []
      let from = 0
      for (const cut of cuts) {
        chunks.push(whole.subarray(from, from + cut))
        from += cut
      }
      chunks.push(whole.subarray(from))
      assert.deepStrictEqual(split(...chunks), split(whole))
    }
  )
})
