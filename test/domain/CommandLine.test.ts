import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as CommandLine from "../../src/domain/CommandLine.ts"
import * as Entry from "../../src/domain/Entry.ts"
import * as Jcs from "../../src/domain/Jcs.ts"
import * as Sha256 from "../../src/domain/Sha256.ts"

const bytes = (data: Jcs.JsonObject) => Buffer.byteLength(Either.getOrThrow(Entry.encodeData(data)))

describe("CommandLine", () => {
  it("keeps what an ordinary command says", () => {
    assert.deepStrictEqual(CommandLine.toData(["git", "commit", "-m", "é\n"]), {
      command: ["git", "commit", "-m", "é\n"]
    })
  })

  it("names a long argument by its hash and length", () => {
    const prompt = "x".repeat(100_000)
    assert.deepStrictEqual(CommandLine.toData(["agent", "-p", prompt, "now"]), {
      command: ["agent", "-p", { $blob: Sha256.textHex(prompt), $len: 100_000 }, "now"]
    })
  })

  it("names arguments by hash and count that are too many", () => {
    const command = ["ls", ...Array.from({ length: 20_000 }, (_, at) => `file-${at}`)]
    const data = CommandLine.toData(command)
    const shown = data["command"]
    const rest = data["command_rest"]
    if (!Jcs.isArray(shown ?? null) || !Array.isArray(shown) || !Jcs.isObject(rest)) return assert.fail("no rest")
    assert.deepStrictEqual(shown, command.slice(0, shown.length))
    const left = command.slice(shown.length)
    const text = Jcs.encode(left)
    assert.deepStrictEqual(rest, { args: left.length, json: { $blob: Sha256.textHex(text), $len: text.length } })
  })

  it.prop(
    "any command line fits an entry",
    [FastCheck.array(FastCheck.string({ unit: "binary", maxLength: 30_000 }), { maxLength: 200 })],
    ([command]) => assert.isBelow(bytes(CommandLine.toData(command)), CommandLine.maxBytes + 1024)
  )
})
