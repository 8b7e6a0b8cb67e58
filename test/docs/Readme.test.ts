import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Verdict from "../../src/domain/Verdict.ts"

const read = (path: string) => Fs.readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")
const readme = read("README.md")

describe("README", () => {
  it("shows the example that the tests run", () => {
    const shown = /<!-- example: (\S+) -->\n\n```ts\n([^]*?)```/.exec(readme)
    assert.strictEqual(shown?.[2], read(shown?.[1] ?? "README.md"))
  })

  it("has every verdict with its exit status, and no other", () => {
    const rows = [...readme.matchAll(/^\| ([A-Z][A-Z ]+) \| (\d+) \|/gm)].map(([, verdict, status]) => [
      verdict,
      Number(status)
    ])
    assert.deepStrictEqual(rows, Object.entries(Verdict.exitStatus))
  })

  it("links to files that exist", () => {
    for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      assert.isTrue(Fs.existsSync(new URL(`../../${target}`, import.meta.url)), target)
    }
  })
})
