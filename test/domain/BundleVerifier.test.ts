import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import { BundleVerifier } from "../../src/domain/BundleVerifier.ts"
import * as Evidence from "../../src/domain/Evidence.ts"
import * as TlogPolicy from "../../src/domain/TlogPolicy.ts"
import type * as Verdict from "../../src/domain/Verdict.ts"
import * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import { fixture } from "../fixtures/Vectors.ts"

interface Expected {
  readonly bundle: string
  readonly args: ReadonlyArray<string>
  readonly verdict: Verdict.Verdict
  readonly first_bad: readonly [number, number] | null
}

const expected: ReadonlyArray<Expected> = JSON.parse(Fs.readFileSync(fixture("bundles/expected.json"), "utf8"))
const read = (name: string) => Fs.readFileSync(fixture(`bundles/${name}`), "utf8")

const optionsOf = (args: ReadonlyArray<string>): VerifyOptions.VerifyOptions => {
  const options: { -readonly [name in keyof VerifyOptions.VerifyOptions]: VerifyOptions.VerifyOptions[name] } = {
    ...VerifyOptions.nothing
  }
  for (let at = 0; at < args.length; at += 2) {
    const value = args[at + 1]!
    if (args[at] === "--policy") options.policy = Either.getOrThrow(TlogPolicy.parse(read(value)))
    else if (args[at] === "--known") options.known = [Either.getOrThrow(Evidence.parseKnown(read(value)))]
    else if (args[at] === "--run") options.run = value
    else if (args[at] === "--tsa-ca") options.tsaAnchors = [read(value)]
    else throw new Error(`unknown argument ${args[at]}`)
  }
  return options
}

const verify = (text: string, args: ReadonlyArray<string>) => {
  const verifier = new BundleVerifier(optionsOf(args))
  const lines = text.split("\n")
  if (lines.at(-1) === "") lines.pop()
  for (const line of lines) verifier.line(line)
  return verifier.finish()
}

describe("BundleVerifier", () => {
  for (const { args, bundle, first_bad, verdict } of expected) {
    it(`says ${verdict} of ${bundle}`, async () => {
      const report = await verify(read(bundle), args)
      assert.strictEqual(report.verdict, verdict, report.why)
      assert.deepStrictEqual(report.firstBad, first_bad)
    })
  }
})
