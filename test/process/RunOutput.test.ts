import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cli from "../fixtures/Cli.ts"

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** Bytes that look random and are the same every time. */
const noise = (length: number): Buffer => {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, n) => createHash("sha256").update(`${n}`).digest())
  return Buffer.concat(blocks).subarray(0, length)
}

const file = (bytes: Uint8Array): string => {
  const path = Path.join(Cli.scratch(), "output")
  Fs.writeFileSync(path, bytes)
  return path
}

const outputs: ReadonlyArray<readonly [string, Buffer]> = [
  ["nothing", Buffer.alloc(0)],
  ["one LF", Buffer.from("\n")],
  ["no LF at the end", Buffer.from("first\nsecond")],
  ["empty lines", Buffer.from("\n\na\n\n\nb\n\n")],
  ["CRLF", Buffer.from("one\r\ntwo\r\n\r\nthree\r")],
  ["invalid UTF-8", Buffer.from([0x61, 0xff, 0xfe, 0x0a, 0xc3, 0x0a, 0xed, 0xa0, 0x80, 0x0a, 0xf0, 0x9f, 0x98])],
  ["a byte order mark", Buffer.from("\u{feff}text\n\u{feff}\n")],
  ["NUL and escape sequences", Buffer.from("a\0b\u001b[31mred\u001b[0m\u0007\u0008\n\0\0\n")],
  ["line separators that are no LF", Buffer.from("a\u2028b\u2029c\u0085d\u000be\u000cf\n")],
  ["a line of 100 KB", Buffer.from(`${"x".repeat(102_400)}\nshort\n`)],
  ["a line of 100 KB of characters of several bytes", Buffer.from(`${"häß€😀".repeat(8000)}\n`)],
  ["a line of 100 KB of control characters", Buffer.concat([Buffer.alloc(102_400, 1), Buffer.from("\n")])],
  ["300 KB of noise", noise(300_000)]
]

describe("agent run: output", { timeout: 120_000 }, () => {
  it.each(outputs)("passes %s through unchanged, and the log gives it back", async (_name, bytes) => {
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "--quiet", "--", "cat", file(bytes)], { home })
    assert.deepStrictEqual([run.status, run.stderr], [0, ""])
    assert.isTrue(run.bytes.equals(bytes), "what was shown")
    assert.isTrue(Cli.consoleBytes(Cli.leaves(Cli.onlyRun(home)), "stdout").equals(bytes), "what was recorded")
    assert.strictEqual((await Cli.audit([], { home })).report.verdict, "INTACT")
  })

  it("passes 20 MB through and records them all", async () => {
    const home = Cli.newHome()
    const lines = Array.from({ length: 200_000 }, (_, n) => `${n} ${"abcdefghijklmnopqrstuvwxyz".repeat(1 + (n % 6))}`)
    const bytes = Buffer.concat([Buffer.from(lines.join("\n")), noise(1_000_000)])
    assert.isAbove(bytes.length, 20_000_000)
    const run = await Cli.agent(["run", "--quiet", "--", "cat", file(bytes)], { home })
    assert.strictEqual(run.status, 0)
    assert.strictEqual(sha256(run.bytes), sha256(bytes))
    const { report, status } = await Cli.audit([], { home })
    assert.deepStrictEqual([report.verdict, status], ["INTACT", 0])
    assert.strictEqual(sha256(Cli.consoleBytes(Cli.leaves(Cli.onlyRun(home)), "stdout")), sha256(bytes))
  })

  it("keeps standard output and standard error apart", async () => {
    const home = Cli.newHome()
    const script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf x >&2"
    const run = await Cli.agent(["run", "--quiet", "--", "sh", "-c", script], { home })
    const [out, err] = ["out 1\nout 2\nout 3\n", "err 1\nerr 2\nerr 3\nx"]
    assert.deepStrictEqual([run.stdout, run.stderr], [out, err])
    const log = Cli.leaves(Cli.onlyRun(home))
    assert.strictEqual(Cli.consoleBytes(log, "stdout").toString(), out)
    assert.strictEqual(Cli.consoleBytes(log, "stderr").toString(), err)
  })

  it("gives the guest pipes that it can open by name", async () => {
    const script = "echo one >/dev/stdout; echo two >/dev/stderr; [ -p /dev/stdout ] && [ ! -t 1 ]"
    const run = await Cli.agent(["run", "--quiet", "--", "sh", "-c", script], { home: Cli.newHome() })
    assert.deepStrictEqual([run.status, run.stdout, run.stderr], [0, "one\n", "two\n"])
  })

  it("records a line that waits for its LF while the command goes on", async () => {
    const home = Cli.newHome()
    const gate = Path.join(Cli.scratch(), "gate")
    const script = `printf 'Password: '; while [ ! -e ${gate} ]; do sleep 0.02; done; echo given`
    const run = Cli.start(["run", "--quiet", "--", "sh", "-c", script], { home })
    await run.until(() => run.stdout().toString() === "Password: ", "the prompt was shown")
    const prompt = () => Cli.leaves(Cli.onlyRun(home)).find(({ data }) => data["line"] === "Password: ")
    await Cli.eventually(() => prompt() !== undefined, "the prompt is in the log")
    Fs.writeFileSync(gate, "")
    assert.strictEqual((await run.done).stdout, "Password: given\n")
    const log = Cli.leaves(Cli.onlyRun(home))
    assert.deepStrictEqual(prompt()?.data, { eol: false, line: "Password: ", part: 0, stream: "stdout" })
    assert.strictEqual(Cli.consoleBytes(log, "stdout").toString(), "Password: given\n")
  })

  it("ends at once and with 141 when nobody reads any more, and closes the log", async () => {
    const home = Cli.newHome()
    const script = "($agent run --quiet -- yes; echo $? >status) | head -1"
    const cwd = Cli.scratch()
    const run = await Cli.shell(script, { home, cwd })
    assert.strictEqual(run.stdout, "y\n")
    await Cli.eventually(() => Fs.existsSync(Path.join(cwd, "status")), "the command ended")
    assert.strictEqual(Fs.readFileSync(Path.join(cwd, "status"), "utf8"), "141\n")
    assert.isBelow(run.millis, 10_000)
    assert.strictEqual((await Cli.audit([], { home })).report.verdict, "INTACT")
    assert.strictEqual(Cli.leaves(Cli.onlyRun(home)).at(-1)?.type, "log.close")
  })

  it.each([">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])("records with %s", async (closed) => {
    const home = Cli.newHome()
    const run = await Cli.shell(`$agent run -- sh -c 'echo out; echo err >&2; exit 3' ${closed}`, { home })
    assert.strictEqual(run.status, 3)
    const log = Cli.leaves(Cli.onlyRun(home))
    assert.strictEqual(Cli.consoleBytes(log, "stdout").toString(), "out\n")
    assert.strictEqual(Cli.consoleBytes(log, "stderr").toString(), "err\n")
    assert.strictEqual((await Cli.audit([], { home })).report.verdict, "INTACT")
  })

  it("ends a background process that holds the output", async () => {
    const home = Cli.newHome()
    const run = await Cli.agent(["run", "--quiet", "--", "sh", "-c", "sleep 300 & echo $!"], { home })
    assert.strictEqual(run.status, 0)
    assert.isBelow(run.millis, 15_000)
    assert.isFalse(Cli.isAlive(Number(run.stdout)), "the background process is gone")
    assert.strictEqual((await Cli.audit([], { home })).report.verdict, "INTACT")
  })

  it("without a supervisor does not wait for a daemon that keeps the output open, and says so in the log", async () => {
    const home = Cli.newHome()
    const daemon = "setsid sh -c 'echo $$; exec sleep 300' & while ! kill -0 $! 2>/dev/null; do :; done; sleep 0.3"
    const run = await Cli.agent(["run", "--quiet", "--record", "none", "--", "sh", "-c", daemon], { home })
    const pid = Number(run.stdout)
    try {
      assert.strictEqual(run.status, 0)
      assert.isBelow(run.millis, 20_000)
      const exited = Cli.leaves(Cli.onlyRun(home)).find(({ data }) => data["action"] === "exited")
      assert.deepStrictEqual(exited?.data["output"], { stderr: "abandoned", stdout: "abandoned" })
    } finally {
      if (pid > 1 && Cli.isAlive(pid)) process.kill(pid, "SIGKILL")
    }
    assert.strictEqual((await Cli.audit([], { home })).report.verdict, "INTACT")
  })
})

describe("agent run: input", { timeout: 120_000 }, () => {
  it("is a file", async () => {
    const bytes = noise(200_000)
    const descriptor = Fs.openSync(file(bytes), "r")
    try {
      const options = { home: Cli.newHome(), stdin: descriptor }
      const run = await Cli.agent(["run", "--quiet", "--", "sh", "-c", "[ -f /dev/stdin ] && cat"], options)
      assert.strictEqual(run.status, 0)
      assert.isTrue(run.bytes.equals(bytes))
    } finally {
      Fs.closeSync(descriptor)
    }
  })

  it("is a pipe, to its end", async () => {
    const bytes = noise(3_000_000)
    const run = await Cli.agent(["run", "--quiet", "--", "cat"], { home: Cli.newHome(), stdin: bytes })
    assert.strictEqual(run.status, 0)
    assert.isTrue(run.bytes.equals(bytes))
  })

  it("is a pipe of which the command leaves the rest to the next one", async () => {
    const script = "printf 'one\\ntwo\\n' | { $agent run --quiet -- sh -c 'read line; echo got $line'; cat; }"
    const run = await Cli.shell(script, { home: Cli.newHome() })
    assert.deepStrictEqual([run.status, run.stdout], [0, "got one\ntwo\n"])
  })

  it("is /dev/null", async () => {
    const run = await Cli.agent(["run", "--quiet", "--", "cat"], { home: Cli.newHome() })
    assert.deepStrictEqual([run.status, run.stdout], [0, ""])
  })
})
