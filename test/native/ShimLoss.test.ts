import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { onTestFinished, type TestContext } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Shim from "./ShimGuest.ts"

const missing = "unix:///no/such/folder/audit.sock"

/** A collector that accepts nobody, with a full queue. */
const deaf = async (guest: string): Promise<string> => {
  const path = Path.join(Cli.scratch(), "deaf.sock")
  const running = Shim.start([guest, "deaf", path], {})
  assert.strictEqual(await running.line(), "full")
  return `unix://${path}`
}

/** A collector that accepts, and reads only when it is told to. */
const lazy = async () => {
  const path = Path.join(Cli.scratch(), "lazy.sock")
  const sockets = new Set<Net.Socket>()
  let reading = false
  let text = ""
  const read = (socket: Net.Socket) => void socket.on("data", (bytes) => (text += bytes.toString())).resume()
  const server = Net.createServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
    if (reading) read(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => void server.close())
  return {
    endpoint: `unix://${path}`,
    read: () => {
      reading = true
      for (const socket of sockets) read(socket)
    },
    /** When its senders are gone. */
    events: async (): Promise<ReadonlyArray<Shim.Event>> => {
      while (sockets.size > 0) await new Promise((resolve) => setImmediate(resolve))
      return text
        .trimEnd()
        .split("\n")
        .map((line) => Shim.decoded(Buffer.from(line)))
    }
  }
}

/** Errno of each call of the guest's case. */
const refusals = async (
  context: TestContext,
  endpoint: string | undefined,
  more: Record<string, string | undefined>
) => {
  const guest = Shim.compile(context)
  const finished = await Shim.run([guest, "refused"], Shim.environment(endpoint, { AUDIT_WAIT_MS: "20", ...more }))
  return { status: finished.status, errors: finished.stdout.trim() }
}

const EIO = 5
const ECONNREFUSED = 111

describe("where there is no collector to take events", () => {
  it("changes nothing for the program in open mode: no collector, none given, none that can be", async (context) => {
    const bare = await refusals(context, undefined, { LD_PRELOAD: undefined })
    assert.strictEqual(bare.errors.split(" ")[3], String(ECONNREFUSED))
    for (const endpoint of [missing, undefined, "", "unix://relative", "tcp://a.name:1", "tcp://127.0.0.1:1"]) {
      assert.deepStrictEqual(await refusals(context, endpoint, {}), bare)
    }
  })

  it("runs programs as without the shim when the collector accepts nobody", async (context) => {
    const guest = Shim.compile(context)
    const env = Shim.environment(await deaf(guest), { AUDIT_WAIT_MS: "50" })
    const finished = await Shim.run([guest, "flood", "2", "2", "1000"], env)
    assert.deepStrictEqual([finished.status, finished.stderr], [0, ""])
  })

  it("fails every call with EIO, and connects with ECONNREFUSED, in closed mode", async (context) => {
    const guest = Shim.compile(context)
    for (const endpoint of [missing, "tcp://a.name:1", await deaf(guest)]) {
      const { status, errors } = await refusals(context, endpoint, { AUDIT_MODE: "closed" })
      assert.strictEqual(status, 0)
      assert.strictEqual(errors, [EIO, EIO, EIO, ECONNREFUSED, ECONNREFUSED, EIO, EIO, EIO, EIO].join(" "))
    }
  })

  it("lets calls happen in closed mode while there is a collector, each reported before", async () => {
    const receiver = await Shim.receiver()
    const finished = await Shim.run(
      ["sh", "-c", "true < /dev/null; /bin/true; ls -d /"],
      Shim.environment(receiver.endpoint, { AUDIT_MODE: "closed" })
    )
    assert.deepStrictEqual([finished.status, finished.stdout], [0, "/\n"])
    const events = await receiver.events()
    assert.deepStrictEqual(
      Shim.execs(events).map(({ argv }) => Shim.words(argv)),
      ["/bin/true", "ls -d /"]
    )
    assert.isTrue(Shim.opens(events).some(({ path, result }) => path === "/dev/null" && result === undefined))
  })
})

describe("what was lost", () => {
  it("is counted while the collector does not read, and the count arrives: made = entries + dropped", async (context) => {
    const guest = Shim.compile(context)
    const collector = await lazy()
    const env = Shim.environment(collector.endpoint, { AUDIT_WAIT_MS: "30" })
    const running = Shim.start([guest, "become", "60000", guest, "steps", "/dev/zero"], env)
    await running.line()
    collector.read()
    running.say("\n")
    assert.strictEqual((await running.finished).status, 0)
    const events = await collector.events()
    assert.isAbove(Shim.dropped(events), 0)
    assert.isAbove(Shim.opens(events).length, 200)
    // 60 000 opens, the exec, and an open after it.
    assert.strictEqual(Shim.opens(events).length + Shim.execs(events).length + Shim.dropped(events), 60_002)
  })

  it("is told with the next event once the collector is there again; SIGPIPE ends nobody", async (context) => {
    const guest = Shim.compile(context)
    const path = Path.join(Cli.scratch(), "audit.sock")
    const first = await Shim.receive({ path })
    const files = ["/dev/null", "/dev/zero", "/dev/full", "/etc/hostname", "/etc/hosts"]
    const running = Shim.start([guest, "steps", ...files], Shim.environment(first.endpoint))
    await running.line()
    await first.stop()
    for (let lost = 0; lost < 3; lost++) {
      running.say("\n")
      await running.line()
    }
    const second = await Shim.receive({ path })
    // The shim asks again 20 ms after the first failure, 40 ms after the next, and so on.
    await new Promise((resolve) => setTimeout(resolve, 200))
    running.say("\n")
    await running.line()
    running.say("\n")
    assert.strictEqual((await running.finished).status, 0)
    const events = await second.events()
    assert.deepStrictEqual(
      events.map(({ event_type, payload }) => [
        event_type,
        "count" in payload ? payload.count : "path" in payload && payload.path
      ]),
      [
        ["Drop", 3],
        ["Open", "/etc/hosts"]
      ]
    )
  })

  it("is told by the program that takes the place of the one that lost it", async (context) => {
    const guest = Shim.compile(context)
    const path = Path.join(Cli.scratch(), "audit.sock")
    const env = Shim.environment(`unix://${path}`)
    const running = Shim.start([guest, "become", "5", guest, "steps", "/dev/zero", "/dev/full"], env)
    assert.strictEqual(await running.line(), "0")
    const receiver = await Shim.receive({ path })
    await new Promise((resolve) => setTimeout(resolve, 100))
    running.say("\n")
    await running.line()
    running.say("\n")
    await running.finished
    const events = await receiver.events()
    // 5 opens, the exec, and the open before the collector was there.
    assert.strictEqual(Shim.dropped(events), 7)
    assert.deepStrictEqual(
      Shim.opens(events).map(({ path }) => path),
      ["/dev/full"]
    )
  })
})

describe("what is sent", () => {
  it("keeps names of variables, values of few, and never those whose names look secret", async () => {
    const receiver = await Shim.receiver()
    const secret = "c0ffee-do-not-tell"
    const names = [
      "API_KEY",
      "github_token",
      "DB_PASSWORD",
      "AWS_SECRET",
      "LC_SECRET_KEY",
      "MY_CREDENTIALS",
      "OAUTH",
      "PLAIN"
    ]
    const variables = names.map((name) => `${name}=${secret}`)
    const script = ["env", "-i", "LANG=C", "LC_ALL=C", ...variables, "/bin/sh", "-c", "/bin/true; exit 0"]
    await Shim.run(script, Shim.environment(receiver.endpoint, { AUDIT_MARK: "0123456789abcdef" }))
    const events = await receiver.events()
    const last = Shim.execs(events).at(-1)
    const env = (last?.env ?? []).map(Shim.plain)
    assert.includeMembers(env, [...names, "LANG=C", "LC_ALL=C", "AUDIT_MARK", "AUDIT_ENDPOINT"])
    assert.notInclude(JSON.stringify(Shim.execs(events).map((exec) => exec.env)), secret)
  })

  it("cuts what is too long for a line, and says how much there was", async (context) => {
    const guest = Shim.compile(context)
    const receiver = await Shim.receiver()
    const long = Array.from({ length: 1000 }, (_, at) => `${at}`.padStart(100, "x"))
    const finished = await Shim.run([guest, "become", "0", "true", ...long], Shim.environment(receiver.endpoint))
    assert.strictEqual(finished.status, 0)
    const [exec] = Shim.execs(await receiver.events())
    assert.deepInclude(exec, { argc: 1001, truncated: true })
    assert.isAbove(exec?.argv.length ?? 0, 150)
    assert.deepStrictEqual(exec?.argv.slice(0, 2).map(Shim.plain), ["true", long[0]])
    assert.include((exec?.env ?? []).map(Shim.plain), "AUDIT_ENDPOINT")
    for (const { lines } of receiver.connections) for (const line of lines) assert.isBelow(line.length, 32_768)
    const one = await Shim.run([guest, "become", "0", "true", "y".repeat(100_000)], Shim.environment(receiver.endpoint))
    assert.strictEqual(one.status, 0)
    const last = Shim.execs(await receiver.events()).at(-1)
    assert.deepInclude(last, { argc: 2, truncated: true })
    assert.include((last?.env ?? []).map(Shim.plain), "AUDIT_ENDPOINT")
  })

  it("goes to a socket whose path is longer than an address can hold", async (context) => {
    const guest = Shim.compile(context)
    const folder = Path.join(Cli.scratch(), "f".repeat(150))
    const short = Path.join(Cli.scratch(), "short")
    Fs.mkdirSync(folder)
    Fs.symlinkSync(folder, short)
    const receiver = await Shim.receive({ path: Path.join(short, "audit.sock") })
    const env = Shim.environment(`unix://${Path.join(folder, "audit.sock")}`)
    assert.strictEqual((await Shim.run([guest, "flood", "0", "0", "0"], env)).status, 0)
    assert.strictEqual((await Shim.run([guest, "altstack"], env)).status, 0)
    assert.strictEqual(Shim.opens(await receiver.events()).length, 2)
  })

  it("goes over TCP after the token, whole lines from threads and processes", async (context) => {
    const guest = Shim.compile(context)
    const receiver = await Shim.receive({ port: 0 })
    const token = "0123456789abcdef".repeat(4)
    const env = Shim.environment(receiver.endpoint, { AUDIT_TOKEN: token })
    const finished = await Shim.run([guest, "flood", "4", "4", "500"], env)
    assert.deepStrictEqual([finished.status, finished.stderr], [0, ""])
    const events = await receiver.events()
    assert.strictEqual(Shim.opens(events).length + Shim.dropped(events), 8000)
    for (const { lines } of receiver.connections) assert.strictEqual(lines[0], token)
  })

  it("ends with a Drop when the program installs a seccomp filter of its own, which then does not kill it", async (context) => {
    const guest = Shim.compile(context)
    const receiver = await Shim.receiver()
    const finished = await Shim.run([guest, "filter"], Shim.environment(receiver.endpoint))
    assert.strictEqual(finished.status, 0)
    const events = await receiver.events()
    assert.deepStrictEqual(
      events.map(({ event_type }) => event_type),
      ["Open", "Drop"]
    )
    assert.match(Shim.drops(events)[0]?.reason ?? "", /seccomp filter of its own/)
  })

  it("is only opens for reading, and addressed sends, in hybrid mode; the rest is the supervisor's", async (context) => {
    const guest = Shim.compile(context)
    const folder = Cli.scratch()
    const receiver = await Shim.receiver()
    const env = Shim.environment(receiver.endpoint, { AUDIT_SHIM: "hybrid", AUDIT_MARK: "0123456789abcdef" })
    for (const args of [["opens", folder], ["execs"], ["connects"], ["clean", "3"]]) {
      const finished = await Shim.run([guest, ...args], env)
      assert.deepStrictEqual([finished.status, finished.stderr], [0, ""])
      if (args[0] === "clean") assert.strictEqual(finished.stdout.split("AUDIT_MARK=0123456789abcdef\n").length, 5)
    }
    const events = await receiver.events()
    assert.deepStrictEqual(Shim.execs(events), [])
    assert.deepStrictEqual(
      Shim.connects(events).map(({ port }) => port),
      [10, 11, 12]
    )
    const writing = 0o101 | 0o2 | 0o1000
    assert.isTrue(Shim.opens(events).every(({ flags }) => (flags & writing) === 0))
    const seen = Shim.opens(events).map(({ path }) => Shim.plain(path).replace(folder, ""))
    assert.includeMembers(seen, ["", "/missing/file", "/bin/true"])
  })

  it("is nothing in hybrid mode without a mark, or while no line gets through", async (context) => {
    const guest = Shim.compile(context)
    const receiver = await Shim.receiver()
    const finished = await Shim.run(
      [guest, "steps", "/dev/null"],
      Shim.environment(receiver.endpoint, { AUDIT_SHIM: "hybrid", AUDIT_MARK: "not hexadecimal!" })
    )
    assert.strictEqual(finished.stdout, "0\n")
    assert.deepStrictEqual(await receiver.events(), [])
  })
})
