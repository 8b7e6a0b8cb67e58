import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import type { TestContext } from "vitest"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"
import * as Shim from "./ShimGuest.ts"

const passed = { status: 0, stderr: "" }

const outcome = ({ status, stderr }: Shim.Finished) => ({ status, stderr })

/** Runs a case of the guest; what it reported. */
const guestCase = async (context: TestContext, command: ReadonlyArray<string>, compiler: "cc" | "musl-gcc" = "cc") => {
  const receiver = await Shim.receiver()
  const finished = await Shim.run([Shim.compile(context, compiler), ...command], Shim.environment(receiver.endpoint))
  return { finished, events: await receiver.events(), receiver }
}

describe("libauditshim.so", () => {
  it("needs no library, and nothing of libc but what every libc has", (context) => {
    if (!Fs.existsSync(Shim.library)) Native.without(context, "libauditshim.so is not built")
    const read = (...args: ReadonlyArray<string>): string => {
      const run = spawnSync("readelf", [...args, "-W", Shim.library], { encoding: "utf8" })
      return run.status === 0 ? run.stdout : Native.without(context, "there is no readelf")
    }
    assert.notMatch(read("-d"), /NEEDED|TEXTREL/)
    const undefinedNames = [...read("--dyn-syms").matchAll(/(GLOBAL|WEAK)\s+DEFAULT\s+UND (\S+)/g)].map(
      ([, binding, name]) => `${binding} ${name}`
    )
    assert.deepStrictEqual(undefinedNames.toSorted(), [
      "GLOBAL __errno_location",
      "GLOBAL memcmp",
      "GLOBAL memcpy",
      "GLOBAL memset",
      "WEAK _r_debug",
      "WEAK dlsym",
      "WEAK environ"
    ])
  })

  it("enters libc's dlopen and syscall by a jump, so that they see the caller's address", (context) => {
    if (process.arch !== "x64") return void Native.without(context, "reads x86-64 code")
    const code = spawnSync("objdump", ["-d", "--no-show-raw-insn", Shim.library], { encoding: "utf8" })
    if (code.status !== 0) Native.without(context, "there is no objdump")
    const body = (name: string) => code.stdout.split(`<${name}>:\n`)[1]?.split("\n\n")[0] ?? ""
    assert.match(body("dlopen"), /jmp +\*%r/)
    assert.notMatch(body("dlopen"), /\tcall +\*/)
    assert.match(body("syscall"), /jmp +\*0x[0-9a-f]+\(%rip\)/)
    assert.notMatch(body("syscall"), /\t(call|push|sub +\$0x[0-9a-f]+,%rsp)/)
  })

  it("reports ls, started by a shell, with its arguments", async (context) => {
    if (!Fs.existsSync(Shim.library)) Native.without(context, "libauditshim.so is not built")
    const receiver = await Shim.receiver()
    const finished = await Shim.run(["sh", "-c", "ls -d / ; true"], Shim.environment(receiver.endpoint))
    assert.deepStrictEqual([finished.status, finished.stdout], [0, "/\n"])
    const events = await receiver.events()
    const [exec, ...others] = Shim.execs(events)
    assert.deepStrictEqual(others, [])
    assert.match(Shim.plain(exec?.path), /^(\/usr)?\/bin\/ls$/)
    assert.deepStrictEqual([exec?.argv, exec?.cwd, exec?.ppid], [["ls", "-d", "/"], "/", finished.pid])
    assert.deepStrictEqual(events[0]?.metadata, { session_id: Shim.session, agent: "tester" })
  })
})

for (const compiler of ["cc", "musl-gcc"] as const) {
  describe(`a program compiled by ${compiler}`, () => {
    it("has every exec, spawn, system and popen reported, once", async (context) => {
      const { finished, events } = await guestCase(context, ["execs"], compiler)
      assert.deepStrictEqual(outcome(finished), passed)
      const execs = Shim.execs(events)
      const names = execs.map(({ argv }) => Shim.plain(argv.at(-1)).replace("true ", ""))
      const all = "execve execv execvp execvpe execl execlp execle fexecve syscall execveat posix_spawn posix_spawnp"
      assert.deepStrictEqual(names, [...all.split(" "), "posix_spawnp", "system", "popen", "vfork"])
      assert.isTrue(execs.every(({ path, result }) => /\/(true|sh)$/.test(Shim.plain(path)) || result === 2))
      // A spawn that failed has no child; of system and popen the child is not known.
      const own = execs.filter(({ pid }) => pid === finished.pid).map(({ argv }) => Shim.words(argv))
      assert.deepStrictEqual(own, ["true posix_spawnp", "sh -c true system", "sh -c true popen"])
    })

    it("has every way to open a file reported, with flags, mode and result", async (context) => {
      const folder = Cli.scratch()
      const { finished, events } = await guestCase(context, ["opens", folder], compiler)
      assert.deepStrictEqual(outcome(finished), passed)
      const seen = Shim.opens(events).map(({ path, flags, mode, result, dirfd }) =>
        [
          Shim.plain(path).replace(folder, "").replace(/-.{6}/, "-"),
          flags & 0o1303,
          (mode ?? 0).toString(8),
          result,
          dirfd === undefined ? "" : "dirfd"
        ].join(" ")
      )
      assert.deepStrictEqual(seen, [
        `/open 65 640 0 `,
        `/openat 66 600 0 `,
        `/creat 577 644 0 `,
        `/syscall 65 600 0 `,
        `/fopen 578 666 0 `,
        `/freopen 65 666 0 `,
        `/tmp 130 600 0 `,
        `/mkstemp- 194 600 0 `,
        `/mkostemp- 194 600 0 `,
        `/mkstemps-.c 194 600 0 `,
        ` 0 0 0 `,
        `relative 65 600 0 dirfd`,
        ` 0 0 0 `,
        `/missing/file 0 0 2 `
      ])
    })

    it("has connects and addressed sends reported, with their addresses", async (context) => {
      const { finished, events } = await guestCase(context, ["connects"], compiler)
      assert.deepStrictEqual(outcome(finished), passed)
      const connects = Shim.connects(events).map(
        ({ family, address, port, path, result }) => `${family} ${address ?? Shim.plain(path)} ${port ?? ""} ${result}`
      )
      assert.strictEqual(connects[0], "inet 127.0.0.1 9 111")
      assert.match(connects[1] ?? "", /^inet6 ::1 9 \d+$/)
      assert.deepStrictEqual(connects.slice(2), [
        "unix /no/such/socket  2",
        "inet 127.0.0.1 10 0",
        "inet 127.0.0.1 11 0",
        "inet 127.0.0.1 12 0"
      ])
    })

    it("keeps errno, survives pointers to nowhere, and bytes that are no text", async (context) => {
      const guest = Shim.compile(context, compiler)
      const folder = Cli.scratch()
      const receiver = await Shim.receiver()
      const env = Shim.environment(receiver.endpoint)
      assert.deepStrictEqual(outcome(await Shim.run([guest, "errno"], env)), passed)
      assert.deepStrictEqual(outcome(await Shim.run([guest, "pointers"], env)), passed)
      assert.deepStrictEqual(outcome(await Shim.run([guest, "bytes", folder], env)), passed)
      const events = await receiver.events()
      const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe]), Buffer.from('\n"\\')])
      assert.deepInclude(Shim.opens(events).at(-1), { path: { $b64: path.toString("base64") }, result: 0 })
      assert.deepStrictEqual(Shim.execs(events).at(-1)?.argv, [{ $b64: "//4=" }, "tab\there"])
    })

    it("gives children that get a cleaned environment what the shim needs", async (context) => {
      const guest = Shim.compile(context, compiler)
      const receiver = await Shim.receiver()
      const env = Shim.environment(receiver.endpoint, { AUDIT_MODE: "open" })
      for (const count of [0, 3, 200, 40_000]) {
        const finished = await Shim.run([guest, "clean", String(count)], env)
        assert.deepStrictEqual(outcome(finished), passed)
        const lines = finished.stdout.split("\n")
        const times = (line: string) => lines.filter((other) => other === line).length
        assert.strictEqual(lines.filter((line) => line.startsWith("VARIABLE_")).length, count * 3)
        assert.strictEqual(times(`LD_PRELOAD=${Shim.library}`), 4)
        assert.strictEqual(times(`AUDIT_ENDPOINT=${receiver.endpoint}`), 4)
        assert.strictEqual(times(`AUDIT_SESSION_ID=${Shim.session}`), 4)
        assert.strictEqual(times("AUDIT_MODE=open"), 4)
      }
      const other = await Shim.run([guest, "clean", "1", "/no/such/library.so"], env)
      assert.strictEqual(other.stdout.split(`LD_PRELOAD=${Shim.library}:/no/such/library.so\n`).length, 4)
    })

    for (const name of ["leak", "fork", "altstack", "closefrom", "reuse", "full"]) {
      const what = {
        leak: "leaves no descriptor behind in processes that vfork",
        fork: "survives forks in the middle of other threads' hooks",
        altstack: "works on a signal stack of 8 KiB",
        closefrom: "goes on when the program closed every descriptor",
        reuse: "never writes to descriptors of the program's that were the shim's",
        full: "survives a process without free descriptors, and counts what it could not say"
      }[name]
      it(`${what}`, async (context) => {
        const { finished, events } = await guestCase(context, [name], compiler)
        assert.deepStrictEqual(outcome(finished), passed)
        const expected = { leak: 51, fork: 80_100, altstack: 2, closefrom: 4, reuse: 4 }[name]
        if (expected !== undefined)
          assert.strictEqual(events.filter((event) => event.event_type !== "Drop").length, expected)
        if (name !== "full") assert.strictEqual(Shim.dropped(events), 0)
        else assert.strictEqual(Shim.opens(events).length + Shim.dropped(events), 15)
      })
    }

    it("reports every open of threads and processes, and of handlers that interrupt hooks", async (context) => {
      const flood = await guestCase(context, ["flood", "4", "4", "2000"], compiler)
      assert.deepStrictEqual(outcome(flood.finished), passed)
      assert.strictEqual(Shim.opens(flood.events).length + Shim.dropped(flood.events), 32_000)
      assert.strictEqual(Shim.dropped(flood.events), 0)
      const signals = await guestCase(context, ["signals", "20000"], compiler)
      assert.deepStrictEqual(outcome(signals.finished), passed)
      assert.strictEqual(Shim.opens(signals.events).length, 20_000 + Number(signals.finished.stdout))
    })
  })
}

describe("real programs under the shim", () => {
  const cases: ReadonlyArray<readonly [name: string, command: ReadonlyArray<string>, expected: ReadonlyArray<string>]> =
    [
      [
        "python3",
        [
          "/usr/bin/python3",
          "-c",
          "import subprocess as s; s.run(['true','a']); s.run('true b',shell=True,close_fds=False)"
        ],
        ["true a", "-c true b"]
      ],
      [
        "node",
        [process.execPath, "-e", "const c=require('child_process');c.spawnSync('true',['a']);c.execSync('true b')"],
        ["true a", "-c true b"]
      ],
      [
        "perl",
        ["perl", "-e", "system('true','a'); print `true b;`; exec 'true','c'"],
        ["true a", "-c true b;", "true c"]
      ],
      ["find", ["find", "/etc/hostname", "-exec", "true", "{}", ";"], ["true /etc/hostname"]],
      ["env", ["env", "-i", "/bin/sh", "-c", "/bin/true a; env -i /bin/true b; true"], ["/bin/true a", "/bin/true b"]],
      ["make", ["make", "-sf", "-"], ["true from-make"]]
    ]
  for (const [name, command, expected] of cases) {
    it(`${name}: what it starts is reported`, async (context) => {
      const [file = ""] = command
      if (spawnSync("sh", ["-c", `command -v ${file}`]).status !== 0) Native.without(context, `there is no ${file}`)
      const receiver = await Shim.receiver()
      const running = Shim.start(command, Shim.environment(receiver.endpoint, { HOME: Cli.scratch() }))
      running.say("all:\n\t@true from-make\n")
      running.end()
      const finished = await running.finished
      assert.deepStrictEqual(outcome(finished), passed)
      const seen = Shim.execs(await receiver.events()).map(({ argv }) => Shim.words(argv))
      for (const line of expected)
        assert.isTrue(
          seen.some((other) => other.endsWith(line)),
          `${line} in ${seen.join(", ")}`
        )
    })
  }
})
