/**
 * A vitest reporter that closes the output with one plain line: `N passed, N failed, N skipped`. A file that does not
 * load, a hook that fails and an error that no test caught count as one failure each. Skipped tests are named with their note, so that nothing is left out in silence.
 *
 * @module
 */
import { relative } from "node:path"
import type { Reporter, TestCase, TestModule } from "vitest/node"

/** Counts the tests of all modules when the run ends. */
export default class Totals implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<unknown>): void {
    const totals = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    const skipped: Array<TestCase> = []
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed") totals.passed++
        else if (state === "failed") totals.failed++
        else {
          totals.skipped++
          skipped.push(test)
        }
      }
      totals.failed += module.errors().length
      for (const suite of module.children.allSuites()) totals.failed += suite.errors().length
    }
    const lines = skipped.map((test) => {
      const result = test.result()
      const why = result.state === "skipped" && result.note ? result.note : "no reason given"
      return `skipped: ${relative(".", test.module.moduleId)} > ${test.fullName}: ${why}`
    })
    lines.push(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
    // The other reporters print their own closing lines after this event; these come last.
    process.once("exit", () => process.stdout.write(`${lines.join("\n")}\n`))
  }
}
