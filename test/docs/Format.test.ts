import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Bundle from "../../src/domain/Bundle.ts"
import * as ConsoleLines from "../../src/domain/ConsoleLines.ts"
import * as ControlEntry from "../../src/domain/ControlEntry.ts"
import * as Entry from "../../src/domain/Entry.ts"
import * as Evidence from "../../src/domain/Evidence.ts"
import * as Jcs from "../../src/domain/Jcs.ts"
import * as Schedule from "../../src/domain/Schedule.ts"
import * as Sequencer from "../../src/domain/Sequencer.ts"
import * as SignedNote from "../../src/domain/SignedNote.ts"
import * as TimestampToken from "../../src/domain/TimestampToken.ts"
import * as TlogPolicy from "../../src/domain/TlogPolicy.ts"
import * as TlogProof from "../../src/domain/TlogProof.ts"
import * as Verdict from "../../src/domain/Verdict.ts"
import * as Vkey from "../../src/domain/Vkey.ts"
import * as AuditSchema from "../../src/layers/AuditSchema.ts"
import * as ConsoleTee from "../../src/layers/ConsoleTee.ts"
import { temporaryDirectory } from "../fixtures/TemporaryDirectory.ts"
import { fixture } from "../fixtures/Vectors.ts"
import * as Pages from "./Pages.ts"

const page = Pages.read("docs/format.md")
/** As the page writes numbers: 65 536. */
const spaced = (value: number) => String(value).replace(/\B(?=(\d{3})+$)/g, " ")

const hashes = (count: number) => Array.from({ length: count }, () => Buffer.alloc(32).toString("base64"))
const mostProofHashes = () => {
  let most = 0
  while (Either.isRight(Bundle.parseRecord(Bundle.entryLine("{}", hashes(most + 1)), 1))) most++
  return most
}

describe("docs/format.md", () => {
  it("has every verdict with its exit status, in the code's order", () => {
    const rows = Pages.table(page, "verdict").map(([verdict, status]) => [verdict, Number(status)])
    assert.deepStrictEqual(rows, Object.entries(Verdict.exitStatus))
  })

  it("has the limits that the code has", () => {
    assert.deepStrictEqual(Pages.table(page, "limit"), [
      ["line with its LF", `${spaced(Bundle.maxLineBytes)} bytes`],
      ["nesting of brackets in a line", spaced(Jcs.maxDepth)],
      ["leaf", `${spaced(Entry.maxLeafBytes)} bytes`],
      ["nesting of `data`", spaced(Entry.maxDataDepth)],
      ["note", `${spaced(SignedNote.maxNoteBytes)} bytes`],
      ["signature lines of a note", spaced(SignedNote.maxSignatures)],
      ["elements of one `t` or `w`", spaced(Bundle.maxAttachments)],
      ["hashes of one `p` or `k`", spaced(mostProofHashes())],
      ["hashes of a tlog-proof", spaced(TlogProof.maxHashes)],
      ["ledger records", spaced(Evidence.maxClaims)],
      ["kept checkpoints", spaced(Evidence.maxClaims)],
      ["TimeStampResp", `${spaced(TimestampToken.maxTokenBytes)} bytes`],
      ["vkey", `${spaced(Vkey.maxTextLength)} characters`],
      ["policy file", `${spaced(TlogPolicy.maxPolicyBytes)} bytes`],
      ["logs, witnesses and groups of a policy, each", spaced(TlogPolicy.maxDefinitions)]
    ])
  })

  it("has the intervals of the recorder", () => {
    const { defaults } = Schedule
    const text = page.replaceAll(/\s+/g, " ")
    assert.include(text, `at most ${defaults.signAfterMillis / 1000} s after the first unsigned entry`)
    assert.include(text, `at the commit that makes it ${defaults.signAfterEntries} of them`)
    assert.include(text, `after ${defaults.rotateAfterMillis / 1000} s of activity`)
    assert.include(text, `after ${spaced(defaults.rotateAfterEntries)} entries with the \`log.key\``)
    assert.include(text, `nothing for ${defaults.tickAfterMillis / 1000} s`)
    assert.include(text, `stepped by more than ${Sequencer.maxStepMillis / 1000} s`)
    assert.include(text, `A line of at most ${spaced(ConsoleLines.maxPieceBytes)} bytes has neither`)
    assert.include(text, `stayed without LF for ${ConsoleTee.idleMillis / 1000} s`)
  })

  it("has the tables of audit.db word for word", () => {
    const sql = Pages.block(page, "sql")
    const [pragmas, ...statements] = sql.split(/^(?=CREATE)/m)
    assert.deepStrictEqual(
      statements.map((statement) => statement.trim().replace(/;$/, "")),
      [...AuditSchema.statements]
    )
    assert.strictEqual(pragmas?.trim(), "PRAGMA encoding='UTF-8'; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
  })

  it("names every member of every control entry, and marks those that may be missing", () => {
    const schemas: Readonly<Record<string, { readonly fields: Schema.Struct.Fields }>> = {
      "log.open": ControlEntry.LogOpen,
      "log.key": ControlEntry.LogKey,
      "log.close": ControlEntry.LogClose,
      "log.abort": ControlEntry.LogAbort,
      "log.drop": ControlEntry.LogDrop,
      "log.clock": ControlEntry.LogClock,
      "log.anchor": ControlEntry.LogAnchor,
      "run.open": ControlEntry.RunOpen,
      "run.point": ControlEntry.RunPoint
    }
    const rows = new Map(Pages.table(page, "type").map(([type, data]) => [type?.replaceAll("`", ""), data ?? ""]))
    for (const [type, { fields }] of Object.entries(schemas)) {
      const row = rows.get(type) ?? ""
      for (const [name, field] of Object.entries(fields)) {
        const isOptional = "ast" in field && "isOptional" in field.ast && field.ast.isOptional
        assert.include(row, `\`${name}\`${isOptional ? "?" : ""}`, type)
        if (!isOptional) assert.notInclude(row, `\`${name}\`?`, type)
      }
    }
    const others = ["log.tick", "run.close", "run.purge"]
    assert.sameMembers([...rows.keys()], [...Object.keys(schemas), ...others])
  })

  it("names every reason of log.close and every action of container entries", () => {
    const reasons = /export type Reason = ([^\n]*)/.exec(Pages.read("src/programs/RunOutcome.ts"))?.[1]
    const sentence = /Reason of `log.close`: ([^.]*)\./.exec(page)?.[1]
    assert.deepStrictEqual(
      Pages.quoted(sentence ?? ""),
      [...(reasons ?? "").matchAll(/"([^"]+)"/g)].map((match) => match[1]!)
    )
    const actions = [...Pages.read("src/programs/GuestSession.ts").matchAll(/action: "(\w+)"/g)].map(
      (match) => match[1]!
    )
    const rows = Pages.table(page, "action").map(([action]) => Pages.quoted(action ?? "")[0]!)
    assert.sameMembers(rows, actions)
  })

  it("has every section that the code refers to", () => {
    let references = 0
    const sections = new Set([...page.matchAll(/^## (\d+)\. /gm)].map((match) => match[1]))
    for (const file of [...Pages.filesBelow("src", ".ts"), ...Pages.filesBelow("docs", ".md")]) {
      const text = Pages.read(file).replaceAll(/\n \*?/g, "")
      for (const [reference, list] of text.matchAll(/\bformat(?:\.md)?,? sections? ([0-9]+(?:(?:, | and )[0-9]+)*)/g)) {
        references++
        for (const number of list!.split(/, | and /)) assert.isTrue(sections.has(number), `${file}: ${reference}`)
      }
    }
    assert.isAtLeast(references, 30)
  })

  it.scoped("has an example that openssl and sha256sum confirm", (context) =>
    Effect.gen(function* () {
      const missing = ["openssl version", "sha256sum --version", "sed --version"].filter(
        (command) => spawnSync("sh", ["-c", command]).status !== 0
      )
      if (missing.length > 0) context.skip(`not on this machine: ${missing.join(", ")}`)
      const directory = yield* temporaryDirectory
      Fs.copyFileSync(fileURLToPath(fixture("bundles/ok-five.json")), Path.join(directory, "ok-five.json"))
      const script = Pages.block(page, "sh", "<!-- check: section 8 -->")
      const { status, stderr, stdout } = spawnSync("sh", ["-e", "-c", script], { cwd: directory, encoding: "utf8" })
      assert.deepStrictEqual([status, stderr], [0, ""])
      assert.strictEqual(stdout, Pages.block(page, "text", "<!-- check: section 8 -->"))
    })
  )
})
