import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as FastCheck from "effect/FastCheck"
import * as Elf from "../../../src/layers/shim/Elf.ts"
import * as ElfBytes from "../../fixtures/ElfBytes.ts"

describe("reading an ELF header", () => {
  it.each([
    [
      { machine: 62, type: 2 },
      { machine: "x64", kind: "program", hasInterpreter: false }
    ],
    [
      { machine: 183, type: 3 },
      { machine: "arm64", kind: "shared", hasInterpreter: false }
    ],
    [
      { machine: 62, type: 3, programHeaders: [1, 3, 2] },
      { machine: "x64", kind: "shared", hasInterpreter: true }
    ],
    [
      { machine: 3, type: 1 },
      { machine: "other", kind: "other", hasInterpreter: false }
    ]
  ] as const)("%o is %o", (given, expected) => {
    assert.deepStrictEqual(Elf.read(ElfBytes.make(given)), expected)
  })

  it("tells for which machine this Node is, where programs are ELF files", () => {
    const elf = Elf.read(Fs.readFileSync(process.execPath))
    assert.strictEqual(elf?.machine, process.platform === "linux" ? process.arch : undefined)
  })

  it.each([
    ["nothing", new Uint8Array()],
    ["text", Buffer.from("#!/bin/sh\nexit 0\n".padEnd(100))],
    ["a file cut in its header", ElfBytes.make({ machine: 62, type: 2 }).subarray(0, 63)],
    [
      "a file cut in its program headers",
      ElfBytes.make({ machine: 62, type: 2, programHeaders: [1] }).subarray(0, 119)
    ],
    ["a 32-bit file", ElfBytes.make({ machine: 3, type: 2, elfClass: 1 })],
    ["a big-endian file", ElfBytes.make({ machine: 62, type: 2, byteOrder: 2 })]
  ])("%s is no such file", (_name, bytes) => {
    assert.isUndefined(Elf.read(bytes))
  })

  it.prop(
    "never fails, whatever the bytes behind the magic are",
    [FastCheck.uint8Array({ maxLength: 200 })],
    ([tail]) => {
      const bytes = ElfBytes.make({ machine: 62, type: 3, programHeaders: [1, 3] })
      bytes.set(tail.subarray(0, bytes.length - 8), 8)
      const elf = Elf.read(bytes)
      assert.isTrue(elf === undefined || typeof elf.hasInterpreter === "boolean")
    }
  )
})
