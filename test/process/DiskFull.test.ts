import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { onTestFinished, type TestContext } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Evidence from "../fixtures/Evidence.ts"

/** One line for the user, and nothing else. */
const oneLine = /^agent: [^\n]+\n$/

const isCi = process.env["CI"] === "true"

/** Where a condition of the test is missing: says so, and fails in CI, where nothing may be left out. */
const without = (context: TestContext, why: string): never => {
  if (isCi) throw new Error(why)
  return context.skip(why)
}

/** A file system of its own, of so many KiB. */
const smallDisk = (context: TestContext, kib: number): string => {
  const path = Cli.scratch()
  if (!Cli.isRoot) without(context, "a small file system can only be mounted by root")
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${kib}k,mode=0700`, "tmpfs", path])
  if (mounted.status !== 0) without(context, `no tmpfs can be mounted: ${String(mounted.stderr).trim()}`)
  onTestFinished(() => {
    spawnSync("umount", ["-l", path])
  })
  return path
}

/** Room of a file system, in bytes. */
const roomOf = (path: string): number => {
  const { bavail, bsize } = Fs.statfsSync(path)
  return bavail * bsize
}

/** Fills what is left of a file system; returns the file to remove. */
const fill = (path: string): string => {
  const ballast = Path.join(path, "ballast")
  const descriptor = Fs.openSync(ballast, "a")
  try {
    for (let size = 65_536; size >= 512; size /= 2) {
      try {
        for (;;) Fs.writeSync(descriptor, Buffer.alloc(size))
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
      }
    }
  } finally {
    Fs.closeSync(descriptor)
  }
  return ballast
}

const flood = "exec yes 'the quick brown fox jumps over the lazy dog and does so again and again'"

describe("a full disk", { timeout: 180_000 }, () => {
  it.for(["auto", "none"])(
    "with --record %s stops the run with 125 and one line; what was recorded verifies when there is room again",
    async (record, context) => {
      const disk = smallDisk(context, 8192)
      const home = Path.join(disk, "home")
      const ballast = Path.join(disk, "ballast")
      Fs.writeFileSync(ballast, Buffer.alloc(5 * 1_048_576))
      const run = await Cli.agent(["run", "-q", "--record", record, "--", "sh", "-c", flood], { home })
      assert.strictEqual(run.status, 125)
      assert.match(run.stderr, oneLine)
      assert.match(run.stderr, /disk/)
      const id = Path.basename(Cli.onlyRun(home))

      // While it is still full: a verdict or one line, never a crash, and never INTACT.
      const audited = await Cli.agent(["audit", id], { home })
      assert.include([1, 5, 6], audited.status)
      assert.notInclude(audited.stdout + audited.stderr, "internal error")
      assert.notMatch(audited.stdout, /^INTACT/)
      const listed = await Cli.agent(["list"], { home })
      assert.strictEqual(listed.status, 0)
      assert.include(listed.stdout, id)
      const refused = await Cli.agent(["run", "-q", "--", "true"], { home })
      if (refused.status !== 0) {
        assert.strictEqual(refused.status, 125)
        assert.notInclude(refused.stderr, "internal error")
      }

      Fs.rmSync(ballast)
      const { report, status } = await Cli.audit([id], { home })
      assert.deepStrictEqual([report.verdict, status], ["INCOMPLETE", 5])
      assert.isAbove(report.counts["entries"] ?? 0, 100)
      const log = Cli.leaves(Cli.onlyRun(home))
      const recorded = Cli.consoleBytes(log, "stdout")
      assert.isTrue(run.bytes.subarray(0, recorded.length).equals(recorded), "a prefix of what was shown")
      assert.strictEqual(log.at(-1)?.type, "log.abort")
      const next = await Cli.agent(["run", "-q", "--", "true"], { home })
      assert.deepStrictEqual([next.status, next.stderr], [0, ""])
      assert.strictEqual((await Cli.audit([], { home })).report.verdict, "INTACT")
      Evidence.assertLedger(home)
    }
  )

  it("with --on-audit-failure continue lets the command finish, and says what was not recorded", async (context) => {
    const disk = smallDisk(context, 6144)
    const home = Path.join(disk, "home")
    const ballast = Path.join(disk, "ballast")
    Fs.writeFileSync(ballast, Buffer.alloc(4 * 1_048_576))
    const script = "yes 'the quick brown fox jumps over the lazy dog' | head -n 60000; echo last; exit 4"
    const args = ["run", "-q", "--on-audit-failure", "continue", "--", "sh", "-c", script]
    const run = await Cli.agent(args, { home })
    assert.strictEqual(run.status, 4)
    assert.isTrue(run.stdout.endsWith("dog\nlast\n"))
    assert.strictEqual(run.stdout.split("\n").length, 60_002)
    assert.match(run.stderr, /^agent: NOT FULLY RECORDED: [^\n]*disk[^\n]*\n$/)
    Fs.rmSync(ballast)
    const { report, status } = await Cli.audit([], { home })
    assert.deepStrictEqual([report.verdict, status], ["INCOMPLETE", 5])
  })

  it("keeps a run from starting, with one line, and nothing half made stands in the way later", async (context) => {
    const disk = smallDisk(context, 2048)
    const home = Path.join(disk, "home")
    const first = await Cli.agent(["run", "-q", "--", "true"], { home })
    assert.deepStrictEqual([first.status, first.stderr], [0, ""])
    const before = Cli.listing(Path.join(home, "runs"))
    const ballast = fill(disk)
    assert.isBelow(roomOf(disk), 4096)
    const run = await Cli.agent(["run", "-q", "--", "echo", "must not run"], { home })
    assert.deepStrictEqual([run.status, run.stdout], [125, ""])
    assert.match(run.stderr, oneLine)
    assert.match(run.stderr, /disk|space/)
    assert.deepStrictEqual(Cli.listing(Path.join(home, "runs")), before)
    const exported = await Cli.agent(["audit", "--export", Path.join(disk, "proof.json")], { home })
    assert.notStrictEqual(exported.status, 0)
    assert.match(exported.stderr, oneLine)
    assert.isFalse(Fs.existsSync(Path.join(disk, "proof.json")))
    assert.strictEqual((await Cli.audit([], { home })).report.verdict, "INTACT")
    Fs.rmSync(ballast)
    const last = await Cli.agent(["run", "-q", "--", "true"], { home })
    assert.deepStrictEqual([last.status, last.stderr], [0, ""])
    Evidence.assertLedger(home)
  })

  it("where even the home cannot be made, says so in one line", async (context) => {
    const disk = smallDisk(context, 64)
    fill(disk)
    const run = await Cli.agent(["run", "--", "echo", "must not run"], { home: Path.join(disk, "home") })
    assert.deepStrictEqual([run.status, run.stdout], [125, ""])
    assert.match(run.stderr, oneLine)
  })
})

describe("a home that cannot be used", { timeout: 180_000 }, () => {
  const mustNotRun = ["run", "--", "echo", "must not run"]

  it("that is a file", async () => {
    const home = Path.join(Cli.scratch(), "home")
    Fs.writeFileSync(home, "not a directory")
    const run = await Cli.agent(mustNotRun, { home })
    assert.deepStrictEqual([run.status, run.stdout], [125, ""])
    assert.match(run.stderr, oneLine)
    for (const args of [["list"], ["audit"], ["audit", "x"], ["trust", "show"]]) {
      const { status, stderr } = await Cli.agent(args, { home })
      assert.notInclude(stderr, "internal error")
      if (status !== 0) assert.match(stderr, oneLine)
    }
    assert.strictEqual(Fs.readFileSync(home, "utf8"), "not a directory")
  })

  it("that is on a read-only file system, and can be audited all the same", async (context) => {
    const disk = smallDisk(context, 8192)
    const home = Path.join(disk, "home")
    assert.strictEqual((await Cli.agent(["run", "-q", "--", "echo", "one"], { home })).status, 0)
    const before = Cli.listing(home)
    assert.strictEqual(spawnSync("mount", ["-o", "remount,ro", disk]).status, 0)
    const run = await Cli.agent(mustNotRun, { home })
    assert.deepStrictEqual([run.status, run.stdout], [125, ""])
    assert.match(run.stderr, oneLine)
    const { report, status, stderr } = await Cli.audit([], { home })
    assert.deepStrictEqual([report.verdict, status, stderr], ["INTACT", 0, ""])
    const proof = Path.join(Cli.scratch(), "proof.json")
    const exported = await Cli.agent(["audit", "--export", proof], { home })
    assert.strictEqual(exported.status, 0)
    const listed = await Cli.agent(["list"], { home })
    assert.deepStrictEqual([listed.status, listed.stderr], [0, ""])
    assert.deepStrictEqual(Cli.listing(home), before)
  })

  it("that belongs to somebody else", async (context) => {
    if (!Cli.isRoot) without(context, "only root can become somebody else")
    const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    const probe = spawnSync(nobody[0] ?? "", [...nobody.slice(1), process.execPath, Cli.agentPath, "--version"])
    if (probe.status !== 0) without(context, "another user cannot execute this program here")
    const home = Cli.newHome()
    assert.strictEqual((await Cli.agent(["run", "-q", "--", "echo", "one"], { home })).status, 0)
    const before = Cli.listing(home)
    const run = await Cli.agent(mustNotRun, { home, through: nobody })
    assert.deepStrictEqual([run.status, run.stdout], [125, ""])
    assert.match(run.stderr, oneLine)
    for (const args of [["list"], ["audit"], ["trust", "show"]]) {
      const { status, stderr } = await Cli.agent(args, { home, through: nobody })
      assert.notStrictEqual(status, 0)
      assert.match(stderr, oneLine)
    }
    assert.deepStrictEqual(Cli.listing(home), before)
  })
})
