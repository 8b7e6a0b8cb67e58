import { assert, describe, it } from "@effect/vitest"
import * as Pages from "./Pages.ts"

interface Package {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const page = Pages.read("docs/decisions.md")
const about: Package = JSON.parse(Pages.read("package.json"))

describe("docs/decisions.md", () => {
  it("accounts for every dependency, and for none that there is not", () => {
    const [stack = ""] = page.slice(page.indexOf("The stack:")).split("\n\n")
    const rows = Pages.table(page, "dependency")
    const named = [...Pages.quoted(stack), ...rows.flatMap(([name = ""]) => Pages.quoted(name))]
    assert.sameMembers(named, [...Object.keys(about.dependencies), ...Object.keys(about.devDependencies)])
  })

  it("calls development only what is not installed with the package", () => {
    for (const [name = "", , why = ""] of Pages.table(page, "dependency")) {
      assert.strictEqual(
        why === "development only",
        Object.hasOwn(about.devDependencies, Pages.quoted(name)[0] ?? ""),
        name
      )
    }
  })

  it("has a measured value for every goal", () => {
    const rows = Pages.table(page, "what")
    assert.isAtLeast(rows.length, 1)
    for (const cells of rows) assert.isTrue(cells.length === 4 && cells.every((cell) => cell !== ""), cells[0])
  })
})
