import { assert, describe, it } from "@effect/vitest"
import * as Table from "../../bench/truth/Table.ts"
import * as Undisturbed from "../../bench/truth/Undisturbed.ts"
import { workloads } from "../../bench/truth/Workloads.ts"
import * as Pages from "./Pages.ts"

const page = Pages.read("docs/coverage.md")

/** The four numbers of a cell. */
const numbers = (cell = ""): ReadonlyArray<number> => cell.split(" / ").map(Number)

const rows = Pages.table(page, Table.columns.join(" | "))

describe("docs/coverage.md", () => {
  it("has a row for each workload, and the sums", () => {
    assert.deepEqual(
      rows.map(([name]) => name),
      [...workloads.map(({ name }) => name), "all"]
    )
    assert.isAtLeast(workloads.length, 20)
  })

  it("says of each workload what it is", () => {
    for (const { about, name } of workloads) assert.include(page, `- \`${name}\`: ${about}`)
  })

  it("has no exec, connect or open for writing that a supervisor missed, and no read that full missed", () => {
    for (const [name, calls, hybrid, full] of rows) {
      for (const cell of [calls, hybrid, full]) assert.lengthOf(numbers(cell), 4, name)
      assert.deepEqual(numbers(hybrid).slice(0, 3), [0, 0, 0], name)
      assert.deepEqual(numbers(full), [0, 0, 0, 0], name)
    }
  })

  it("has no exec of a dynamic program that the shim missed", () => {
    const cannot = new Set(["busybox", "static-raw", "dynamic-raw", "all"])
    for (const [name = "", , , , shim] of rows) {
      assert.lengthOf(numbers(shim), 4, name)
      if (!cannot.has(name)) assert.strictEqual(numbers(shim)[0], 0, name)
    }
  })

  it("adds up", () => {
    for (const column of [1, 2, 3, 4]) {
      const all = rows.map((row) => numbers(row[column]))
      const sums = all.slice(0, -1).reduce((sum, cell) => sum.map((total, at) => total + (cell[at] ?? 0)), [0, 0, 0, 0])
      assert.deepEqual(all.at(-1), sums)
    }
  })

  it("has each real project, the same in every mode", () => {
    const projects = Pages.table(page, Table.projectColumns.join(" | "))
    assert.deepEqual(
      projects.map(([name, about]) => ({ name, about })),
      Undisturbed.projects.map(({ about, name }) => ({ name, about }))
    )
    for (const [name, , , ...modes] of projects) {
      assert.lengthOf(modes, 3)
      for (const mode of modes) assert.match(mode, /^same, /, name)
    }
  })
})
