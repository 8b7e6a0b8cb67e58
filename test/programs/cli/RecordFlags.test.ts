import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as RecordFlags from "../../../src/programs/cli/RecordFlags.ts"
import type { AskedMode, Injection } from "../../../src/services/ShimInjector.ts"

const nothing = { record: "auto" as AskedMode, denyExec: [], denyOpen: [], denyConnect: [] }

const refused = (given: Partial<Parameters<typeof RecordFlags.rulesOf>[0]>): string => {
  const outcome = RecordFlags.rulesOf({ ...nothing, ...given })
  assert.isTrue(Either.isLeft(outcome), JSON.stringify(given))
  return Either.isLeft(outcome) ? outcome.left.message : ""
}

const accepted = (given: Partial<Parameters<typeof RecordFlags.rulesOf>[0]>) =>
  Either.getOrThrow(RecordFlags.rulesOf({ ...nothing, ...given }))

describe("deny rules", () => {
  it.each(["/usr/bin/curl", "/usr/bin/*", "*/curl", "*", "/with space", "/a:b"])("--deny-exec takes %s", (rule) => {
    assert.deepStrictEqual(accepted({ denyExec: [rule] }).exec, [rule])
  })

  it.each(["/etc/shadow", "/etc/shadow:r", "/home/*:w", "*.pem:rw", "/a:b", "/a:b:r"])(
    "--deny-open takes %s",
    (rule) => {
      assert.deepStrictEqual(accepted({ denyOpen: [rule] }).open, [rule])
    }
  )

  it.each([
    "*",
    "*:443",
    "10.0.0.1",
    "10.0.0.0/8",
    "10.0.0.0/8:22",
    "127.0.0.1:0",
    "::1",
    "fe80::/10",
    "[::1]",
    "[::1]:443",
    "[2001:db8::/32]:65535",
    "unix:/run/docker.sock",
    "unix:@*"
  ])("--deny-connect takes %s", (rule) => {
    assert.deepStrictEqual(accepted({ denyConnect: [rule] }).connect, [rule])
  })

  it.each([
    [{ denyExec: ["curl"] }, /^--deny-exec curl: give an absolute path/],
    [{ denyExec: ["/bin/sh", ""] }, /^--deny-exec : give/],
    [{ denyOpen: ["secret:r"] }, /^--deny-open secret:r: give an absolute path/],
    [{ denyOpen: [":rw"] }, /^--deny-open :rw: /],
    [{ denyConnect: ["example.org"] }, /^--deny-connect example.org: give an IP address/],
    [{ denyConnect: [""] }, /^--deny-connect : /],
    [{ denyConnect: ["10.0.0.0/33"] }, /^--deny-connect /],
    [{ denyConnect: ["10.0.0.1:65536"] }, /^--deny-connect /],
    [{ denyConnect: ["::1/129"] }, /^--deny-connect /],
    [{ denyConnect: ["[10.0.0.1]:1"] }, /^--deny-connect /],
    [{ denyConnect: ["[::1"] }, /^--deny-connect /],
    [{ denyConnect: ["fe80::1%eth0"] }, /^--deny-connect /],
    [{ denyConnect: ["unix:"] }, /^--deny-connect unix:: /],
    [{ denyExec: ["/a"], record: "none" }, /^deny rules need the supervisor, which --record none leaves out/],
    [{ denyExec: ["/a"], record: "shim" }, /^deny rules need the supervisor, which --record shim leaves out/],
    [{ denyExec: [`/${"a".repeat(20_000)}`] }, /^the deny rules are 20001 bytes together; at most 16384/]
  ] as const)("%o is refused in one line", (given, words) => {
    const said = refused(given)
    assert.match(said, words)
    assert.notInclude(said, "\n")
  })

  it.prop("any text is taken as it is, or refused", [FastCheck.string()], ([text]) => {
    for (const flag of ["denyExec", "denyOpen", "denyConnect"] as const) {
      const outcome = RecordFlags.rulesOf({ ...nothing, [flag]: [text] })
      if (Either.isRight(outcome)) {
        const { connect, exec, open } = outcome.right
        assert.deepStrictEqual([...connect, ...exec, ...open], [text])
      }
    }
  })
})

describe("--agent and --jsonl", () => {
  it("take names that fit into a line, and nothing that would stay empty", () => {
    for (const name of ["claude", "team/agent-1.2@host:3+b_c", "Müller"]) {
      assert.strictEqual(Either.getOrThrow(RecordFlags.agentOf(Option.some(name))), name)
    }
    for (const name of ["", "two words", "a\nb", "a".repeat(65), "\u001b[1m"]) {
      assert.isTrue(Either.isLeft(RecordFlags.agentOf(Option.some(name))))
    }
    assert.isUndefined(Either.getOrThrow(RecordFlags.agentOf(Option.none())))
    assert.isTrue(Either.isLeft(RecordFlags.jsonlOf(true, "none")))
    assert.isTrue(Either.getOrThrow(RecordFlags.jsonlOf(true, "auto")))
    assert.isFalse(Either.getOrThrow(RecordFlags.jsonlOf(false, "none")))
  })
})

describe("what is said about recording", () => {
  const injection: Injection = {
    asked: "auto",
    mode: "hybrid",
    launcher: undefined,
    env: {},
    files: [],
    mounts: [],
    reasons: []
  }

  it("names the mode, and what is missing where nobody asked for that", () => {
    assert.strictEqual(RecordFlags.describe(injection), "its execs, connects and opens are recorded (hybrid)")
    assert.isUndefined(RecordFlags.shortfall(injection))
    assert.isUndefined(RecordFlags.shortfall({ ...injection, asked: "none", mode: "none" }))
    assert.strictEqual(
      RecordFlags.shortfall({ ...injection, mode: "none", reasons: ["there is no supervisor for it"] }),
      "what it does is not recorded, but for what it prints: there is no supervisor for it"
    )
  })
})
