import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const oxlint = join(dirname(createRequire(import.meta.url).resolve("oxlint/package.json")), "bin/oxlint")

interface Diagnostic {
  readonly code: string
  readonly filename: string
}

/** Files under `cwd` for which the project's own lint configuration reports `rule`, as paths relative to `cwd`. */
const reported = (cwd: string, rule: string): ReadonlyArray<string> => {
  const args = [oxlint, "--format", "json", "src"]
  const run = spawnSync(process.execPath, args, { cwd, encoding: "utf8", maxBuffer: 64 << 20 })
  assert.strictEqual(run.stderr, "")
  const report: { readonly diagnostics: ReadonlyArray<Diagnostic> } = JSON.parse(run.stdout)
  return report.diagnostics.filter(({ code }) => code === `eslint(${rule})`).map(({ filename }) => filename)
}

/** Lints a tree that has this project's layout and configuration, and these files. */
const lint = (files: Readonly<Record<string, string>>, rule = "no-restricted-imports"): ReadonlyArray<string> => {
  const tree = mkdtempSync(join(tmpdir(), "agentops-lint-"))
  try {
    copyFileSync(join(root, ".oxlintrc.json"), join(tree, ".oxlintrc.json"))
    for (const [name, source] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, name)), { recursive: true })
      writeFileSync(join(tree, name), source)
    }
    return reported(tree, rule)
  } finally {
    rmSync(tree, { recursive: true })
  }
}

const importing = (specifier: string) => `import * as It from "${specifier}"\nexport const it = It\n`

const reExporting = (specifiers: ReadonlyArray<string>) =>
  specifiers.map((specifier, n) => `export * as It${n} from "${specifier}"\n`).join("")

describe("the import direction programs, layers, services, domain", () => {
  it.each([
    ["src/domain/A.ts", "../services/B.ts"],
    ["src/domain/A.ts", "../layers/B.ts"],
    ["src/domain/A.ts", "../programs/B.ts"],
    ["src/domain/A.ts", "../index.ts"],
    ["src/domain/deep/A.ts", "../../services/B.ts"],
    ["src/domain/A.ts", "effect"],
    ["src/domain/A.ts", "effect/Effect"],
    ["src/domain/A.ts", "effect/Clock"],
    ["src/domain/A.ts", "effect/Random"],
    ["src/domain/A.ts", "@effect/platform/Path"],
    ["src/domain/A.ts", "better-sqlite3"],
    ["src/domain/A.ts", "node:fs"],
    ["src/domain/A.ts", "fs"],
    ["src/services/A.ts", "../layers/B.ts"],
    ["src/services/A.ts", "../programs/B.ts"],
    ["src/services/A.ts", "../index.ts"],
    ["src/layers/A.ts", "../programs/B.ts"],
    ["src/layers/A.ts", "../index.ts"],
    ["src/layers/workers/A.ts", "../../programs/cli/B.ts"],
    ["src/programs/cli/A.ts", "effect"],
    ["src/layers/A.ts", "@effect/platform"]
  ])("%s must not import %s", (file, specifier) => {
    assert.deepStrictEqual(lint({ [file]: importing(specifier) }), [file])
  })

  it("holds for type imports, re-exports and dynamic imports too", () => {
    const files = {
      "src/domain/A.ts": `import type * as It from "../services/B.ts"\nexport type A = typeof It\n`,
      "src/domain/B.ts": `export * from "../services/B.ts"\n`,
      "src/domain/C.ts": `export const it = () => import("../services/B.ts")\n`
    }
    assert.deepStrictEqual([...lint(files)].toSorted(), Object.keys(files))
  })

  it("lets each folder import what is below it", () => {
    const files = {
      "src/domain/A.ts": ["./B.ts", "effect/Either", "effect/Schema", "node:crypto", "pkijs", "asn1js"],
      "src/domain/deep/A.ts": ["../A.ts"],
      "src/services/A.ts": ["./B.ts", "../domain/A.ts", "effect/Effect"],
      "src/layers/A.ts": ["./B.ts", "../domain/A.ts", "../services/A.ts", "node:fs", "@effect/platform/Path"],
      "src/programs/A.ts": ["./B.ts", "../domain/A.ts", "../services/A.ts", "../layers/A.ts", "@effect/cli/Args"]
    }
    const sources = Object.entries(files).map(([file, specifiers]) => [file, reExporting(specifiers)] as const)
    assert.deepStrictEqual(lint(Object.fromEntries(sources)), [])
  })

  it("holds in every file of this project", () => {
    assert.deepStrictEqual(reported(root, "no-restricted-imports"), [])
  })
})

describe("the purity of the domain", () => {
  it.each([
    ["no-restricted-properties", "Date.now()"],
    ["no-restricted-properties", "Math.random()"],
    ["no-restricted-globals", "process.env"]
  ])("%s refuses %s there and nowhere else", (rule, expression) => {
    const source = `export const it = ${expression}\n`
    assert.deepStrictEqual(lint({ "src/domain/A.ts": source, "src/layers/A.ts": source }, rule), ["src/domain/A.ts"])
  })

  it("holds in every file of this project", () => {
    assert.deepStrictEqual(reported(root, "no-restricted-properties"), [])
    assert.deepStrictEqual(reported(root, "no-restricted-globals"), [])
  })
})
