import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { buffer } from "node:stream/consumers"
import type { TestContext } from "vitest"
import * as Protocol from "../../src/domain/Protocol.ts"
import { toRecord } from "../../src/domain/ProtocolRecord.ts"
import { payloads } from "../../src/domain/ProtocolSchema.ts"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"
import * as Vectors from "../fixtures/ProtocolVectors.ts"
import * as Pages from "./Pages.ts"

const page = Pages.read("docs/protocol.md")

/** The text under a heading of the third level. */
const section = (name: string): string => page.split(`\n### ${name}\n`)[1]?.split("\n##")[0] ?? ""

/** Names and optionality of the members in the tables of a section. */
const members = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^\| `([a-z_]+\??)` \|/gm)].map((match) => match[1]!) // the group is not optional

interface Fields {
  readonly [name: string]: { readonly ast: { readonly _tag: string } }
}

const known = (fields: Fields): ReadonlyArray<string> =>
  Object.entries(fields)
    .filter(([name]) => name !== "truncated")
    .map(([name, field]) => (field.ast._tag === "PropertySignatureDeclaration" ? `${name}?` : name))

const decoded = (line: string | Buffer): Protocol.Event => Either.getOrThrow(Protocol.decode(line))

describe("docs/protocol.md", () => {
  it.each(["Exec", "Connect", "Open", "Exit", "Start", "Drop"] as const)("has every member of %s", (type) => {
    assert.deepStrictEqual(members(section(type)), known(payloads[type].fields))
  })

  it("has every member of Deny, and every action", () => {
    const text = section("Deny")
    const other = payloads.Deny.members[3]
    assert.deepStrictEqual(members(text), known(other.fields))
    const actions = payloads.Deny.members.flatMap(({ fields }) => fields.action.literals)
    const row = Pages.table(text, "member").find(([name]) => name === "`action`")
    assert.deepStrictEqual(Pages.quoted(row?.[2] ?? ""), actions)
  })

  it("shows a message that is one", () => {
    assert.strictEqual(decoded(Pages.block(page, "json").trim()).event_type, "Exec")
  })

  it("says what type of entry each event becomes", () => {
    const rows = Pages.table(page, "event").map((row) => row.map((cell) => Pages.quoted(cell)[0] ?? ""))
    const described = new Map(rows.map(([event = "", entry = ""]) => [event, entry]))
    const events = Vectors.encoded
      .filter(({ malformed }) => malformed === undefined)
      .map(({ line }) => decoded(Vectors.bytes(line)))
    assert.deepStrictEqual(new Set(described.keys()), new Set(Object.keys(payloads)))
    assert.deepStrictEqual(new Set(events.map(({ event_type }) => event_type)), new Set(Object.keys(payloads)))
    for (const event of events) {
      assert.strictEqual(toRecord(event, "runner", "s").type, described.get(event.event_type))
    }
  })

  it("states the limits that hold", () => {
    assert.include(page, `at most ${Protocol.maxLineBytes.toLocaleString("en").replace(",", " ")} bytes`)
    assert.include(page, `strings of 1 to ${Protocol.maxNameUnits} UTF-16 code units`)
  })
})

const python = (context: TestContext): string => {
  if (spawnSync("python3", ["--version"]).status !== 0) Native.without(context, "there is no python3")
  const path = Path.join(Cli.scratch(), "sender.py")
  Fs.writeFileSync(path, Pages.block(page, "python", "<!-- sender -->"))
  return path
}

/** What the example was asked to report: a name in UTF-8, and one that is not. */
const names = ["/tmp/ä\n", String.raw`/tmp/\udcff`]

/** Python hands bytes that are not UTF-8 to a program as they are: here through the shell. */
const command = (script: string): ReadonlyArray<string> => [
  "-c",
  `exec python3 ${script} '${names[0]}' "$(printf '/tmp/\\377')"`
]

const assertLines = (sent: Buffer): void => {
  const lines = sent.toString().split("\n")
  assert.strictEqual(lines.pop(), "")
  const events = lines.map((line) => decoded(line))
  const said = events.map(({ event_type, payload }) => ({ event_type, ...payload, pid: 0 }))
  assert.deepStrictEqual(said, [
    { event_type: "Open", pid: 0, path: "/tmp/ä\n", flags: 0 },
    { event_type: "Open", pid: 0, path: { $b64: "L3RtcC//" }, flags: 0 },
    { event_type: "Drop", pid: 0, count: 2, reason: "the disk was full" }
  ])
  for (const line of lines) assert.strictEqual(Protocol.encode(decoded(line)), `${line}\n`)
}

describe("the example sender", () => {
  it("writes messages", (context) => {
    const run = spawnSync("sh", command(python(context)))
    assert.strictEqual(run.stderr.toString(), "")
    assertLines(run.stdout)
  })

  it.for(["unix", "tcp"])("sends them over %s", async (transport, context) => {
    const script = python(context)
    const server = Net.createServer()
    const received = new Promise<Buffer>((resolve) => server.once("connection", (socket) => resolve(buffer(socket))))
    const path = Path.join(Cli.scratch(), "audit.sock")
    server.listen(transport === "unix" ? { path } : { port: 0, host: "127.0.0.1" })
    await once(server, "listening")
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const endpoint = transport === "unix" ? `unix://${path}` : `tcp://127.0.0.1:${port}`
    const token = "0123456789abcdef".repeat(4)
    const env = { ...process.env, AUDIT_ENDPOINT: endpoint, AUDIT_TOKEN: token, AUDIT_SESSION_ID: "run_1" }
    const sender = spawn("sh", command(script), { env, stdio: ["ignore", "ignore", "inherit"] })
    const [bytes] = await Promise.all([received, once(sender, "close")])
    server.close()
    const first = bytes.subarray(0, 65).toString()
    assert.strictEqual(first === `${token}\n`, transport === "tcp")
    assertLines(transport === "tcp" ? bytes.subarray(65) : bytes)
  })
})
