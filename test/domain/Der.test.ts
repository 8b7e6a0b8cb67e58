import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Der from "../../src/domain/Der.ts"

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex")
const readHex = (text: string): Der.Element | undefined => Der.read(hex(text))
const timeOf = (tag: number, text: string): string | undefined =>
  Der.time(Der.read(Buffer.from([tag, text.length, ...Buffer.from(text)])))?.toISOString()

const encode = (tag: number, value: Uint8Array): Buffer => {
  const { length } = value
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.from([tag, ...size, ...value])
}

describe("Der", () => {
  it.prop("arbitrary bytes are never thrown at", [FastCheck.uint8Array({ maxLength: 200 })], ([bytes]) => {
    const element = Der.read(bytes)
    Der.oid(element)
    Der.time(element)
    Der.smallInteger(element)
    if (element !== undefined) assert.deepStrictEqual(element.bytes, bytes)
  })

  const tree = FastCheck.letrec<{ readonly node: Buffer }>((tie) => ({
    node: FastCheck.oneof(
      { maxDepth: 5 },
      FastCheck.uint8Array({ maxLength: 300 }).map((value) => encode(0x04, value)),
      FastCheck.array(tie("node"), { maxLength: 4 }).map((children) => encode(0x30, Buffer.concat(children)))
    )
  })).node
  it.prop("every tree that is encoded is read with the same bytes at every level", [tree], ([bytes]) => {
    const again = (element: Der.Element): Buffer =>
      element.tag === 0x04 ? encode(0x04, element.value) : encode(0x30, Buffer.concat(element.children.map(again)))
    const element = Der.read(bytes)
    assert.isDefined(element)
    if (element !== undefined) assert.isTrue(again(element).equals(bytes))
  })

  const refused: ReadonlyArray<readonly [why: string, bytes: string]> = [
    ["nothing", ""],
    ["a tag alone", "30"],
    ["a length beyond the end", "30 05 02 01 00"],
    ["bytes after the end", "30 03 02 01 00 00"],
    ["an indefinite length", "30 80 02 01 00 00 00"],
    ["a length that is not the shortest", "30 81 03 02 01 00"],
    ["a length with a leading zero", `30 82 00 80 04 7e ${"00".repeat(126)}`],
    ["a length of five octets", "30 85 00 00 00 00 03 02 01 00"],
    ["a length of 4 GiB", "30 84 ff ff ff ff 00"],
    ["a reserved length", "30 ff 00"],
    ["a high tag number", "1f 81 01 01 00"],
    ["a damaged element within", "30 03 02 05 00"],
    [
      "a depth of 33",
      Array.from({ length: 33 }, (_, i) => `30 ${(64 - 2 * i).toString(16).padStart(2, "0")}`).join("")
    ],
    ["8 193 elements", `30 82 40 00 ${"05 00".repeat(8192)}`]
  ]
  it.each(refused)("%s is refused", (_, bytes) => {
    assert.isUndefined(readHex(bytes))
  })

  it("a depth of 32 and 8 192 elements are read", () => {
    const deep = Array.from({ length: 32 }, (_, i) => `30 ${(62 - 2 * i).toString(16).padStart(2, "0")}`).join("")
    assert.isDefined(readHex(deep))
    assert.isDefined(readHex(`30 82 3f fe ${"05 00".repeat(8191)}`))
  })

  it("object identifiers are read in dotted form", () => {
    assert.strictEqual(Der.oid(readHex("06 09 2a 86 48 86 f7 0d 01 07 02")), "1.2.840.113549.1.7.2")
    assert.strictEqual(Der.oid(readHex("06 03 55 1d 25")), "2.5.29.37")
    assert.strictEqual(Der.oid(readHex("06 03 88 37 03")), "2.999.3")
    for (const bad of ["06 00", "06 02 2a 86", "06 0b 2a ff ff ff ff ff ff ff ff ff 7f", "04 03 55 1d 25"]) {
      assert.isUndefined(Der.oid(readHex(bad)))
    }
  })

  it("small integers are read, negative and long ones are not", () => {
    assert.strictEqual(Der.smallInteger(readHex("02 01 00")), 0)
    assert.strictEqual(Der.smallInteger(readHex("02 04 7f ff ff ff")), 2 ** 31 - 1)
    for (const bad of ["02 00", "02 01 ff", "02 05 01 00 00 00 00", "0a 01 00"]) {
      assert.isUndefined(Der.smallInteger(readHex(bad)))
    }
  })

  it("times are read in UTC, to the millisecond", () => {
    assert.strictEqual(timeOf(0x18, "20261121165315Z"), "2026-11-21T16:53:15.000Z")
    assert.strictEqual(timeOf(0x18, "20261121165315.5Z"), "2026-11-21T16:53:15.500Z")
    assert.strictEqual(timeOf(0x18, "20261121165315.123987Z"), "2026-11-21T16:53:15.123Z")
    assert.strictEqual(timeOf(0x17, "491231235959Z"), "2049-12-31T23:59:59.000Z")
    assert.strictEqual(timeOf(0x17, "500101000000Z"), "1950-01-01T00:00:00.000Z")
  })

  const badTimes: ReadonlyArray<readonly [why: string, tag: number, text: string]> = [
    ["a local time", 0x18, "20261121165315"],
    ["an offset", 0x18, "20261121165315+0100"],
    ["no seconds", 0x18, "202611211653Z"],
    ["a trailing zero in the fraction", 0x18, "20261121165315.50Z"],
    ["an empty fraction", 0x18, "20261121165315.Z"],
    ["the 31st of February", 0x18, "20260231000000Z"],
    ["a 13th month", 0x18, "20261321165315Z"],
    ["hour 24", 0x18, "20261121245315Z"],
    ["second 60", 0x18, "20261121165360Z"],
    ["four digits of the year in a UTCTime", 0x17, "20261121165315Z"],
    ["a fraction in a UTCTime", 0x17, "261121165315.5Z"],
    ["a text of another type", 0x0c, "20261121165315Z"]
  ]
  it.each(badTimes)("%s is no time", (_, tag, text) => {
    assert.isUndefined(timeOf(tag, text))
  })
})
