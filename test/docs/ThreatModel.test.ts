import { assert, describe, it } from "@effect/vitest"
import * as Verdict from "../../src/domain/Verdict.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import * as Pages from "./Pages.ts"

const page = Pages.read("docs/threat-model.md")

const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| attack |") && !line.startsWith("| --- |"))
  .map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim())
  )

const expected: ReadonlyArray<{ readonly bundle: string; readonly verdict: Verdict.Verdict }> = JSON.parse(
  Bundles.read("expected.json")
)

describe("docs/threat-model.md", () => {
  it("says of each attack what detects it, with which verdict, and when nothing does", () => {
    assert.isAtLeast(rows.length, 50)
    for (const cells of rows) assert.lengthOf(cells, 4, cells[0])
  })

  it("gives the verdict that a test holds, where it names a bundle", () => {
    let named = 0
    for (const [attack = "", , verdict = ""] of rows) {
      for (const bundle of Pages.quoted(attack).filter((name) => name.endsWith(".json") && name !== "metadata.json")) {
        const found = expected.find((one) => one.bundle === bundle)
        assert.isDefined(found, bundle)
        assert.isTrue(verdict.startsWith(found.verdict), `${bundle}: ${verdict}`)
        named++
      }
    }
    assert.isAtLeast(named, 18)
  })

  it("shows every bundle that an attack made", () => {
    const attacks = expected.filter(
      ({ bundle, verdict }) => verdict !== "INTACT" && !bundle.startsWith("unsigned-tail")
    )
    for (const { bundle } of attacks.filter(({ bundle }) => bundle !== "key-unknown-nopolicy.json")) {
      assert.include(page, `\`${bundle}\``)
    }
  })

  it("names no verdict that there is not", () => {
    const words = rows.flatMap(([, , verdict = ""]) => verdict.match(/\b[A-Z]{3,}(?: [A-Z]{3,})?\b/g) ?? [])
    assert.includeMembers([...Object.keys(Verdict.exitStatus), "CLOCK"], words)
  })
})
