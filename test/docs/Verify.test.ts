import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import type * as Verdict from "../../src/domain/Verdict.ts"
import * as VerifyOptions from "../../src/domain/VerifyOptions.ts"
import * as VerifyBundle from "../../src/layers/VerifyBundle.ts"
import * as Bundles from "../fixtures/Bundles.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"
import { fixture } from "../fixtures/Vectors.ts"
import * as SignedLogs from "./SignedLogs.ts"

const docs = fileURLToPath(new URL("../../docs", import.meta.url))

const runs = (command: string, ...args: ReadonlyArray<string>) => spawnSync(command, args).status === 0
const missing = [
  ...(runs("python3", "-c", "import sys; sys.exit(sys.version_info < (3, 8))") ? [] : ["python3 (3.8 or later)"]),
  ...(runs("openssl", "version") ? [] : ["openssl"])
]

/** Reads `[bundle, policy, run]` a line and answers with `[verdict, first bad]` a line, in one process. */
const driver = `
import json, sys
sys.path.insert(0, sys.argv[1])
import verify
for line in sys.stdin:
    report = verify.verify(*json.loads(line))
    print(json.dumps([report["verdict"], report["first_bad"]]), flush=True)
`

type Answer = readonly [verdict: string, firstBad: Verdict.SeqRange | null]

/** What docs/verify.py says of each file. */
const answers = (asked: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<Answer> => {
  const input = asked.map((line) => `${JSON.stringify(line)}\n`).join("")
  const options = { input, encoding: "utf8", maxBuffer: 1 << 26 } as const
  const { stderr, stdout } = spawnSync("python3", ["-B", "-c", driver, docs], options)
  assert.strictEqual(stderr, "")
  return stdout
    .trimEnd()
    .split("\n")
    .map((line): Answer => JSON.parse(line))
}

interface Expected {
  readonly bundle: string
  readonly args: ReadonlyArray<string>
  readonly verdict: Verdict.Verdict
  readonly first_bad: Verdict.SeqRange | null
}
const expected: ReadonlyArray<Expected> = JSON.parse(Bundles.read("expected.json"))

const path = (name: string) => fileURLToPath(fixture(`bundles/${name}`))
const flag = (args: ReadonlyArray<string>, name: string) => args[args.indexOf(name) + 1]
const isCovered = ({ args, bundle }: Expected) =>
  !bundle.includes("subset") &&
  !args.includes("--known") &&
  !["policy.txt", "policy-other-witness.txt"].some((policy) => args.includes(policy))

/** Compares both verifiers, and the reader of files, on texts that a policy without witnesses is for. */
const compare = (texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const policy = path("policy-nowitness.txt")
    const files = texts.map((text, at) => {
      const file = Path.join(directory, `${at}.json`)
      Fs.writeFileSync(file, text)
      return { path: file, asked: [file, policy] }
    })
    const theirs = answers(files.map(({ asked }) => asked))
    const verdicts = new Map<string, number>()
    for (const [at, text] of texts.entries()) {
      const { firstBad, verdict, why } = yield* Effect.promise(() => Bundles.verify(text))
      assert.deepStrictEqual(theirs[at], [verdict, firstBad], `${why}\n${text}`)
      const read = yield* VerifyBundle.verifyFile(files[at]!.path, Bundles.trusting)
      assert.deepStrictEqual([read.verdict, read.firstBad, read.why], [verdict, firstBad, why], text)
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
    }
    return verdicts
  })

const honest = ["ok-five.json", "ok-shredded.json", "incomplete-recovered.json"].map(Bundles.read)

/** Neither '.', 'e' nor '-': another number than an integer is one of two verdicts (docs/format.md, section 5). */
const characters = Array.from('0123456789abcdfgxyzABQ"{}[],:_/+=\\ é€')

type Edit = (lines: Array<string>) => void

const edit: FastCheck.Arbitrary<Edit> = FastCheck.tuple(FastCheck.nat(), FastCheck.nat(), FastCheck.nat()).chain(
  ([a, b, c]) =>
    FastCheck.constantFrom<Edit>(
      (lines) => lines.splice(a % lines.length, 1),
      (lines) => lines.splice(a % lines.length, 0, lines[b % lines.length]!),
      (lines) => lines.splice(a % lines.length, 1, ...lines.splice(b % lines.length, 1, lines[a % lines.length]!)),
      (lines) => lines.splice(1 + (a % lines.length), 1 + (b % 3)),
      (lines) => lines.splice(Math.max(2, a % lines.length), lines.length, lines.at(-1)!),
      (lines) => {
        const other = honest[b % honest.length]!.split("\n")
        lines.splice(a % lines.length, c % 2, other[c % other.length]!)
      },
      (lines) => {
        const at = a % lines.length
        const line = lines[at]!
        const units = Array.from(line)
        units[b % Math.max(1, units.length)] = characters[c % characters.length]!
        lines[at] = units.join("")
      },
      // A letter of a console line or a digit of a time: the leaf stays one, and only hashes tell.
      (lines) => {
        const at = lines.findIndex((line, index) => index >= a % lines.length && line.startsWith('{"e"'))
        if (at >= 0)
          lines[at] = lines[at]!.replace(
            b % 2 === 0 ? /T03:04:0\d/ : /"data":\{/,
            b % 2 === 0 ? "T03:04:07" : '"data":{"A":1,'
          )
      }
    )
)

/** Commas and the tail as they must be, so that what was changed is met behind them. */
const mend = (lines: ReadonlyArray<string>): string => {
  const records = lines.slice(1, -1).map((line) => line.replace(/,$/, ""))
  const count = (start: string) => records.filter((line) => line.startsWith(start)).length
  const tail = `],"tail":{"checkpoints":${count('{"c":')},"entries":${count('{"e":')}}}`
  return `${lines[0]}\n${records.join(",\n")}\n${tail}\n`
}

const mutant = FastCheck.tuple(
  FastCheck.constantFrom(...honest),
  FastCheck.array(edit, { minLength: 1, maxLength: 2 }),
  FastCheck.boolean()
).map(([text, edits, mended]) => {
  const lines = text.trimEnd().split("\n")
  for (const change of edits) change(lines)
  return mended && lines.length > 2 ? mend(lines) : `${lines.join("\n")}\n`
})

/** A test that needs Python and openssl; without them it is skipped with the reason. */
const check = <E>(name: string, run: () => Effect.Effect<void, E, Scope.Scope>) =>
  it.scoped(
    name,
    (context) => {
      if (missing.length > 0) context.skip(`not on this machine: ${missing.join(", ")}`)
      return run()
    },
    120_000
  )

describe("docs/verify.py, which was written from docs/format.md", () => {
  check("gives the expected verdict of every bundle that it is for", () =>
    Effect.sync(() => {
      const covered = expected.filter(isCovered)
      assert.isAtLeast(covered.length, 20)
      const asked = covered.map(({ args, bundle }) => [
        path(bundle),
        args.includes("--policy") ? path(flag(args, "--policy")!) : "/dev/null",
        ...(args.includes("--run") ? [flag(args, "--run")!] : [])
      ])
      const found = answers(asked).map((answer, at) => [covered[at]!.bundle, ...answer])
      assert.deepStrictEqual(
        found,
        covered.map(({ bundle, first_bad, verdict }) => [bundle, verdict, first_bad])
      )
    })
  )

  check("exits with the verdict's status, and trusts nobody without a policy", () =>
    Effect.promise(async () => {
      const args = ["-B", Path.join(docs, "verify.py"), path("ok-five.json"), "/dev/null"]
      const { status, stdout } = spawnSync("python3", args, { encoding: "utf8" })
      const report: { readonly verdict: string } = JSON.parse(stdout)
      assert.deepStrictEqual([report.verdict, status], ["KEY UNKNOWN", 7])
      const ours = await Bundles.verify(Bundles.read("ok-five.json"), VerifyOptions.nothing)
      assert.strictEqual(ours.verdict, "KEY UNKNOWN")
    })
  )

  check("agrees on changed copies of honest bundles", () =>
    Effect.map(compare(FastCheck.sample(mutant, 300)), (verdicts) => {
      assert.includeMembers([...verdicts.keys()], ["TAMPERED", "MALFORMED"])
    })
  )

  check("agrees on signed logs that break the rules", () =>
    Effect.map(compare(FastCheck.sample(SignedLogs.steps, 200).map(SignedLogs.make)), (verdicts) => {
      assert.includeMembers([...verdicts.keys()], ["TAMPERED", "INCOMPLETE", "UNSIGNED TAIL"])
    })
  )
})
