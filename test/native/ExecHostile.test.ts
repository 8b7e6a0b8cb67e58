import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import * as Net from "node:net"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { onTestFinished, type TestContext } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"
import * as Exec from "./ExecGuest.ts"
import * as Shim from "./ShimGuest.ts"

/** A server on a port of its own that ends every connection; the ports that it saw. */
const listen = async (): Promise<{ readonly port: string; readonly peers: Array<number> }> => {
  const peers: Array<number> = []
  const server = Net.createServer((socket) => {
    peers.push(socket.remotePort ?? 0)
    socket.on("error", () => {})
    socket.destroy()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  const address = server.address()
  return { port: String(typeof address === "object" ? address?.port : 0), peers }
}

const refusedCalls = [
  ["kill", "Signal"],
  ["stop", "Signal"],
  ["term", "Signal"],
  ["tkill", "Signal"],
  ["tgkill", "Signal"],
  ["rt_sigqueueinfo", "Signal"],
  ["rt_tgsigqueueinfo", "Signal"],
  ["pidfd_open", "Signal"],
  ["pidfd_send_signal", "Signal"],
  ["ptrace", "Ptrace"],
  ["seize", "Ptrace"],
  ["process_vm_readv", "Ptrace"],
  ["process_vm_writev", "Ptrace"],
  ["prlimit64", "Limit"],
  ["sched_setscheduler", "Limit"],
  ["sched_setaffinity", "Limit"],
  ["setpriority", "Limit"],
  ["setpriority_user", "Limit"],
  ["setown", "Signal"],
  ["siocspgrp", "Signal"],
  ["kill_all", "Signal"]
] as const

const callOf = (name: string) =>
  ({ stop: "kill", term: "kill", kill_all: "kill", seize: "ptrace", setpriority_user: "setpriority", setown: "fcntl" })[
    name
  ] ?? (name === "siocspgrp" ? "ioctl" : name)

const attackSupervisor = async (context: TestContext, through: ReadonlyArray<string>) => {
  if (through[0] !== undefined) Exec.needs(context, through[0])
  const guest = Exec.compile(context)
  const run = await Exec.run(["sh", "-c", `echo target $PPID; ${guest} attack $PPID; cat /dev/null; echo alive yes`], {
    through
  })
  const results = Exec.results(run.stdout)
  for (const [name] of refusedCalls) assert.strictEqual(results[name], "EPERM", name)
  const denials = Exec.denials(run.events).map((deny) => ("call" in deny ? [deny.action, deny.call] : [deny.action]))
  assert.deepStrictEqual(
    denials,
    refusedCalls.map(([name, action]) => [action, callOf(name)])
  )
  return { results, status: run.status }
}

describe("a hostile guest under agent-exec", () => {
  it("does nothing to the supervisor, and each try is a Deny", async (context) => {
    const { results, status } = await attackSupervisor(context, [])
    assert.deepStrictEqual([status, results["alive"]], [0, "yes"])
  })

  it("does nothing to the supervisor of another user than root", async (context) => {
    const { results, status } = await attackSupervisor(context, Exec.asNobody)
    assert.deepStrictEqual([status, results["alive"]], [0, "yes"])
  })

  it("does nothing to the supervisor that is PID 1", async (context) => {
    if (!Cli.isRoot) Native.without(context, "a PID namespace needs root")
    const { results, status } = await attackSupervisor(context, Exec.asPidOne)
    assert.deepStrictEqual([status, results["alive"], results["target"]], [0, "yes", "1"])
  })

  it("does nothing to whom agent-exec was told to protect, nor to the supervisor's threads", async (context) => {
    const guest = Exec.compile(context)
    const args = ["--protect", String(process.pid)]
    const script = `${guest} attack ${process.pid}; ${guest} threads $PPID`
    const run = await Exec.run(["sh", "-c", script], { args })
    const results = Exec.results(run.stdout)
    for (const [name] of refusedCalls) assert.strictEqual(results[name], "EPERM", name)
    assert.strictEqual(results["threads_signalled"], "0")
  })

  it("may signal its own group, which the supervisor is in, without hurting it", async (context) => {
    const guest = Exec.compile(context)
    const run = await Exec.run([guest, "group"], { through: ["setsid", "--wait"] })
    assert.deepStrictEqual(run.stdout, "ready 0\nkill_group 0\nchild_signal 10\n")
    assert.strictEqual(run.status, 0)
  })

  it("cannot use another system call interface, nor io_uring", async (context) => {
    const guest = Exec.compile(context)
    const run = await Exec.run(["sh", "-c", `${guest} foreign; ${guest} io_uring`], { args: ["--record", "full"] })
    assert.deepStrictEqual(Exec.results(run.stdout), { int80: "EPERM", x32: "EPERM", io_uring_setup: "EPERM" })
    const rules = Exec.denials(run.events).map(({ action, rule }) => [action, rule])
    const foreign = ["Syscall", "foreign system call interface"]
    const expected = process.arch === "x64" ? [foreign, foreign] : []
    assert.deepStrictEqual(rules, [...expected, ["Syscall", "io_uring"]])
  })

  it("is seen when it makes itself unreadable, by one call or by another", async (context) => {
    const guest = Exec.compile(context)
    const run = await Exec.run([guest, "dumpable", "/etc/passwd"], { through: Exec.asNobody })
    assert.strictEqual(run.stdout, "set 0\nopen 0\n")
    assert.include(
      Shim.opens(run.events).map(({ path }) => path),
      "/etc/passwd"
    )
  })

  it("gets the kernel's answers for pointers that lead nowhere", async (context) => {
    const run = await Exec.run([Exec.compile(context), "unreadable"], { args: ["--record", "full"] })
    assert.deepStrictEqual(Exec.results(run.stdout), {
      open: "EFAULT",
      execve: "EFAULT",
      argv: "EFAULT",
      connect: "EFAULT",
      length: "EINVAL",
      openat2: "EFAULT"
    })
    assert.strictEqual(run.status, 0)
  })

  it("never reaches a denied port, however fast it changes the address", async (context) => {
    const guest = Exec.compile(context)
    const allowed = await listen()
    const denied = await listen()
    const run = await Exec.run([guest, "race", "127.0.0.1", allowed.port, denied.port, "2000"], {
      args: ["--deny-connect", `127.0.0.1:${denied.port}`]
    })
    const results = Exec.results(run.stdout)
    assert.strictEqual(results["reached"], "0")
    assert.deepStrictEqual(denied.peers, [])
    const connects = Shim.connects(run.events)
    const denials = Exec.denials(run.events)
    assert.strictEqual(connects.length + denials.length, 2000)
    assert.strictEqual(String(denials.length), results["refused"])
    for (const connect of connects) assert.strictEqual(String(connect.port), allowed.port)
  })

  it("is refused what rules deny, whatever it calls it", async () => {
    const folder = Fs.realpathSync(Cli.scratch())
    const secret = Path.join(folder, "secret")
    const log = Path.join(folder, "log")
    Fs.writeFileSync(secret, "s")
    Fs.writeFileSync(log, "l")
    Fs.symlinkSync("secret", Path.join(folder, "link"))
    const names = ["secret", "./secret", "link", secret, `${folder}/../${Path.basename(folder)}/secret`]
    const more = ["/proc/self/cwd/secret", `/proc/self/root${secret}`, "/proc/thread-self/cwd/link"]
    const reads = [...names, ...more].map((name) => `cat ${name} && echo read ${name}`)
    const script = [...reads, "exec 3<secret", "cat log", "echo x >>log", "/usr/bin/env true", "exit 0"].join("; ")
    const args = ["--deny-open", `${secret}:r`, "--deny-open", `${folder}/l*:w`, "--deny-exec", "*/env"]
    const run = await Exec.run(["bash", "-c", script], { args, cwd: folder })
    assert.deepStrictEqual([run.status, run.stdout], [0, "l"])
    assert.strictEqual(Fs.readFileSync(log, "utf8"), "l")
    const denials = Exec.denials(run.events).map(({ action, rule }) => `${action} ${JSON.stringify(rule)}`)
    assert.deepStrictEqual(denials, [
      ...[...names, ...more, "exec"].map(() => `Open "${secret}:r"`),
      `Open "${folder}/l*:w"`,
      'Exec "*/env"'
    ])
    const [start] = Exec.starts(run.events)
    assert.deepStrictEqual([start?.mode, start?.asked, start?.reasons.length], ["full", "hybrid", 1])
  })

  it("is refused a Unix-domain socket by what its path leads to, and connects to others", async (context) => {
    const guest = Exec.compile(context)
    const folder = Fs.realpathSync(Cli.scratch())
    for (const name of ["denied", "allowed"]) {
      const server = Net.createServer((socket) => socket.destroy()).listen(Path.join(folder, name))
      await once(server, "listening")
      onTestFinished(() => void server.close())
      Fs.symlinkSync(name, Path.join(folder, `to-${name}`))
    }
    const tries = ["denied", "to-denied", "./denied", "allowed", "to-allowed", "missing"]
    const run = await Exec.run(["sh", "-c", tries.map((name) => `${guest} unix ${name}`).join("; ")], {
      args: ["--deny-connect", `unix:${folder}/denied`],
      cwd: folder
    })
    const answers = run.stdout.trim().split("\n")
    assert.deepStrictEqual(
      answers,
      ["EPERM", "EPERM", "EPERM", "0", "0", "ENOENT"].map((answer) => `connect ${answer}`)
    )
  })
})
