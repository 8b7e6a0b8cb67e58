import { assert, describe, it } from "@effect/vitest"
import * as Verdict from "../../src/domain/Verdict.ts"
import * as LedgerKey from "../../src/layers/LedgerKey.ts"
import * as SignerFile from "../../src/layers/SignerFile.ts"
import * as Failure from "../../src/programs/cli/Failure.ts"
import * as Home from "../../src/programs/Home.ts"
import * as Pages from "./Pages.ts"

const page = Pages.read("docs/architecture.md")

describe("docs/architecture.md", () => {
  it("names every port with its implementations", () => {
    const rows = Pages.table(page, "port").map(
      ([port = "", layers = ""]) => [Pages.quoted(port)[0]!, Pages.quoted(layers)] as const
    )
    const ports = Pages.filesBelow("src/services", ".ts").map((file) => /(\w+)\.ts$/.exec(file)![1]!)
    assert.sameMembers(
      rows.map(([port]) => port),
      ports
    )
    for (const [port, layers] of rows) {
      const found = Pages.filesBelow("src/layers", ".ts").filter((file) =>
        new RegExp(`^src/layers/${port}(?:File|Local|Memory|Native|Process|Sqlite|Tcp|Unix)\\.ts$`).test(file)
      )
      assert.sameMembers(
        found,
        layers.map((layer) => `src/layers/${layer}.ts`)
      )
    }
  })

  it("names folders and modules that exist", () => {
    for (const [folders = ""] of Pages.table(page, "folder")) {
      for (const folder of Pages.quoted(folders)) assert.isTrue(Pages.exists(folder), folder)
    }
    const modules = Pages.filesBelow("src", ".ts").map((file) => /(\w+)\.ts$/.exec(file)![1]!)
    const named = page.match(/\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b/g) ?? []
    assert.isAtLeast(named.length, 25)
    assert.includeMembers(modules, named)
  })

  it("has the files of a home", () => {
    const { keys, ledger, policy } = Home.filesOf("")
    for (const file of [`${keys}/${SignerFile.fileName}`, `${keys}/${LedgerKey.fileName}`, ledger, policy]) {
      assert.include(page, `\n${file} `)
    }
    assert.include(page, `; ${LedgerKey.nextFileName} while`)
  })

  it("has the statuses that commands exit with", () => {
    const statuses = Pages.table(page, "status").map(([status]) => status)
    const last = Math.max(...Object.values(Verdict.exitStatus))
    assert.deepStrictEqual(statuses, [
      "0",
      "1",
      "2",
      `3 to ${last}`,
      `${Failure.cannotRecordStatus}`,
      "126, 127",
      "128 + n"
    ])
    assert.strictEqual(Failure.usageStatus, 2)
    assert.include(page, `${Failure.interruptedStatus}: interrupted`)
  })
})

describe("every page", () => {
  it("links to files that exist", () => {
    for (const file of Pages.filesBelow("docs", ".md")) {
      for (const [, target = ""] of Pages.read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        assert.isTrue(Pages.exists(`docs/${target}`), `${file}: ${target}`)
      }
    }
  })

  it("is named where the code cites it", () => {
    for (const file of Pages.filesBelow("src", ".ts")) {
      for (const [cited] of Pages.read(file).matchAll(/docs\/[\w-]+\.md/g))
        assert.isTrue(Pages.exists(cited), `${file}: ${cited}`)
    }
  })

  it("has no path of the machine that it was written on", () => {
    for (const file of [...Pages.filesBelow("docs", ".md"), ...Pages.filesBelow("docs", ".py")]) {
      assert.notMatch(Pages.read(file), /(?:^|[\s"'(])\/(?:work|home|root|Users)\//m)
    }
  })
})
