import { assert, describe, it, vi } from "@effect/vitest"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, realpathSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { StreamName } from "../../src/domain/ConsoleLines.ts"
import * as ContainerRuntimeLocal from "../../src/layers/ContainerRuntimeLocal.ts"
import {
  ContainerRuntime,
  type Guest,
  type GuestSpec,
  type OutputHandler,
  statusOf
} from "../../src/services/ContainerRuntime.ts"

// Real processes, on machines that may be busy.
vi.setConfig({ testTimeout: 60_000 })

const spec = (script: string, more: Partial<GuestSpec> = {}): GuestSpec => ({
  command: "/bin/bash",
  args: ["-c", script],
  cwd: process.cwd(),
  env: {},
  tty: false,
  ...more
})

const start = (given: GuestSpec) => Effect.flatMap(ContainerRuntime, (runtime) => runtime.start(given))

const tty = (script: string, more: Partial<GuestSpec> = {}) => spec(script, { tty: true, ...more })

const listeners = () => ["exit", "SIGTSTP", "SIGCONT"].map((name) => process.listenerCount(name))

/** Collects output; `seen` completes when the text has come on a stream, behind what was seen there before. */
const collect = (guest: Guest, overrides: Partial<OutputHandler> = {}) => {
  const chunks: { [name in StreamName]: Array<Uint8Array> } = { stdout: [], stderr: [], tty: [] }
  const seenTo = { stdout: 0, stderr: 0, tty: 0 }
  const watches = new Set<() => void>()
  guest.output.attach({
    onChunk: (stream, bytes) => {
      chunks[stream].push(bytes)
      for (const watch of watches) watch()
      return true
    },
    onEnd: () => {},
    ...overrides
  })
  const text = (stream: StreamName) => Buffer.concat(chunks[stream]).toString("utf8")
  const seen = (wanted: string) =>
    Effect.async<void>((resume) => {
      const watch = () => {
        const stream = guest.output.streams.find((name) => text(name).includes(wanted, seenTo[name]))
        if (stream === undefined) return
        seenTo[stream] = text(stream).indexOf(wanted, seenTo[stream]) + wanted.length
        watches.delete(watch)
        resume(Effect.void)
      }
      watches.add(watch)
      watch()
    })
  return { text, seen }
}

/** Runs to the end; the status and what was printed. */
const run = (given: GuestSpec) =>
  Effect.gen(function* () {
    const guest = yield* start(given)
    const { text } = collect(guest)
    const status = statusOf(yield* guest.exit)
    const drained = yield* guest.output.drained
    return { status, drained, stdout: text("stdout"), stderr: text("stderr"), tty: text("tty") }
  }).pipe(Effect.scoped, Effect.provide(ContainerRuntimeLocal.layer))

const failure = (given: GuestSpec) => Effect.flip(run(given))

/** As `run`, with the guest in hand before it ends. */
const using = <A, E>(given: GuestSpec, use: (guest: Guest) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.flatMap(start(given), use).pipe(Effect.scoped, Effect.provide(ContainerRuntimeLocal.layer))

const isAlive = (pid: number) => {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  return !/^\d+ \(.*\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
}

describe("ContainerRuntimeLocal with pipes", () => {
  it.live("both streams come whole, with the guest's own status", () =>
    Effect.gen(function* () {
      const ended = yield* run(spec("echo out; echo err >&2; exit 7"))
      assert.deepStrictEqual(ended, {
        status: 7,
        drained: { stdout: "eof", stderr: "eof" },
        stdout: "out\n",
        stderr: "err\n",
        tty: ""
      })
    })
  )

  it.live("a signal that ends the guest is status 128 and its number", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run(spec("kill -9 $$"))).status, 137)
      assert.strictEqual((yield* run(spec("kill -TERM $$"))).status, 143)
    })
  )

  it.live("the guest can open /dev/stdout and /dev/stderr, which are pipes", () =>
    Effect.gen(function* () {
      const script =
        "echo a > /dev/stdout; echo b > /dev/stderr; [ -p /dev/stdout ] && [ -p /dev/stderr ] && echo pipes"
      const { stdout, stderr } = yield* run(spec(script))
      assert.deepStrictEqual([stdout, stderr], ["a\npipes\n", "b\n"])
    })
  )

  it.live("working directory, environment and arguments are as given", () =>
    Effect.gen(function* () {
      const folder = realpathSync(tmpdir())
      const script = 'pwd; echo "$PWD $GREETING"; printf "%s|" "$0" "$@"'
      const { stdout } = yield* run(
        spec(script, { cwd: folder, env: { GREETING: "grüß dich" }, args: ["-c", script, "name", "a b", "", "ü"] })
      )
      assert.strictEqual(stdout, `${folder}\n${folder} grüß dich\nname|a b||ü|`)
    })
  )

  it.live("100 MB are neither lost nor changed when the guest ends at once and the reader stops again and again", () =>
    using(spec("head -c 100000000 /dev/zero | tr '\\0' x; printf END"), (guest) =>
      Effect.gen(function* () {
        const hash = createHash("sha256")
        let bytes = 0
        collect(guest, {
          onChunk: (stream, chunk) => {
            hash.update(chunk)
            const before = bytes
            bytes += chunk.length
            if (Math.trunc(before / 1_000_000) === Math.trunc(bytes / 1_000_000)) return true
            setImmediate(() => guest.output.resume(stream))
            return false
          }
        })
        yield* guest.output.drained
        assert.strictEqual(bytes, 100_000_003)
        const expected = createHash("sha256").update(Buffer.alloc(100_000_000, "x")).update("END").digest("hex")
        assert.strictEqual(hash.digest("hex"), expected)
      })
    )
  )

  it.live("what is printed before anybody reads waits for the reader", () =>
    using(spec("echo early"), (guest) =>
      Effect.gen(function* () {
        yield* guest.exit
        const { text } = collect(guest)
        yield* guest.output.drained
        assert.strictEqual(text("stdout"), "early\n")
      })
    )
  )

  it.live("a closed stream gives its writer SIGPIPE", () =>
    using(spec("exec yes"), (guest) =>
      Effect.gen(function* () {
        const { seen } = collect(guest)
        yield* seen("y\n")
        guest.output.close("stdout")
        assert.deepStrictEqual(yield* guest.exit, { code: null, signal: "SIGPIPE" })
        assert.deepStrictEqual(yield* guest.output.drained, { stdout: "destination-closed", stderr: "eof" })
      })
    )
  )

  it.live("the end of the main process ends what it left behind, and its last words are read", () =>
    Effect.gen(function* () {
      const script = `bash -c 'trap "echo last; exit" TERM; echo $$; while :; do sleep 0.1; done' & read -r _ < <(sleep 0.3); echo main`
      const { stdout, drained, status } = yield* run(spec(script))
      const [pid, ...rest] = stdout.trim().split("\n")
      assert.deepStrictEqual(rest, ["main", "last"])
      assert.isFalse(isAlive(Number(pid)))
      assert.deepStrictEqual([status, drained], [0, { stdout: "eof", stderr: "eof" }])
    })
  )

  it.live("a daemon that left the session cannot keep the run open: its stream is abandoned, and that is said", () =>
    Effect.gen(function* () {
      const { stdout, drained } = yield* run(spec("setsid sleep 6 & echo main"))
      assert.deepStrictEqual([stdout, drained], ["main\n", { stdout: "abandoned", stderr: "abandoned" }])
    })
  )

  it.live("stop asks with SIGTERM first, and what the guest says then is read", () =>
    using(spec("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"), (guest) =>
      Effect.gen(function* () {
        const { seen, text } = collect(guest)
        yield* seen("up")
        assert.strictEqual(statusOf(yield* guest.stop()), 3)
        yield* guest.output.drained
        assert.strictEqual(text("stdout"), "up\nbye\n")
        assert.strictEqual(statusOf(yield* guest.stop()), 3)
      })
    )
  )

  it.live("a guest that ignores SIGTERM is killed after its grace, with all of its processes", () =>
    using(spec("trap '' TERM; bash -c 'echo $$; exec sleep 60' & echo up; while :; do sleep 0.05; done"), (guest) =>
      Effect.gen(function* () {
        const { seen, text } = collect(guest)
        yield* seen("up")
        assert.strictEqual(statusOf(yield* guest.stop({ grace: "100 millis" })), 137)
        yield* guest.output.drained
        const pid = Number(/^\d+$/m.exec(text("stdout"))?.[0])
        assert.isAbove(pid, 0)
        assert.isFalse(isAlive(pid))
      })
    )
  )

  it.live("closing the scope stops the guest and leaves no process and no listener behind", () =>
    Effect.gen(function* () {
      const before = listeners()
      const scope = yield* Scope.make()
      const guest = yield* start(spec("echo up; exec sleep 60")).pipe(
        Scope.extend(scope),
        Effect.provide(ContainerRuntimeLocal.layer)
      )
      const { seen } = collect(guest)
      yield* seen("up")
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(isAlive(guest.pid))
      assert.strictEqual(statusOf(yield* guest.exit), 143)
      assert.deepStrictEqual(listeners(), before)
    })
  )

  it.live("signals reach the whole group", () =>
    using(
      spec('bash -c \'trap "" TERM; trap "echo child; exit" USR1; echo up; while :; do sleep 0.05; done\'; echo after'),
      (guest) =>
        Effect.gen(function* () {
          const { seen, text } = collect(guest)
          yield* seen("up")
          yield* guest.forward("SIGUSR1")
          assert.deepStrictEqual(yield* guest.exit, { code: null, signal: "SIGUSR1" })
          yield* guest.output.drained
          assert.include(text("stdout"), "up\nchild\n")
        })
    )
  )
})

describe("ContainerRuntimeLocal on a terminal", () => {
  it.live("the guest has a terminal of the given size on all three streams", () =>
    Effect.gen(function* () {
      const script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size && echo $TERM; exit 4"
      const ended = yield* run(tty(script, { size: { columns: 97, rows: 31 }, env: { TERM: "vt100" } }))
      assert.deepStrictEqual([ended.tty, ended.status, ended.drained], ["31 97\r\nvt100\r\n", 4, { tty: "eof" }])
    })
  )

  it.live("signals end it as they do elsewhere", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run(tty("kill -9 $$"))).status, 137)
      assert.strictEqual((yield* run(tty("kill -TERM $$"))).status, 143)
    })
  )

  it.live("100 MB are neither lost nor changed although the reader stops again and again", () =>
    using(tty("stty -opost; head -c 100000000 /dev/zero | tr '\\0' x; printf END"), (guest) =>
      Effect.gen(function* () {
        const hash = createHash("sha256")
        let bytes = 0
        collect(guest, {
          onChunk: (stream, chunk) => {
            hash.update(chunk)
            const before = bytes
            bytes += chunk.length
            if (Math.trunc(before / 1_000_000) === Math.trunc(bytes / 1_000_000)) return true
            setImmediate(() => guest.output.resume(stream))
            return false
          }
        })
        yield* guest.output.drained
        assert.strictEqual(bytes, 100_000_003)
        const expected = createHash("sha256").update(Buffer.alloc(100_000_000, "x")).update("END").digest("hex")
        assert.strictEqual(hash.digest("hex"), expected)
      })
    )
  )

  it.live("what was printed just before the exit is kept for a reader that comes long after it", () =>
    using(tty("printf '%03000d' 7; printf END"), (guest) =>
      Effect.gen(function* () {
        yield* guest.exit
        yield* Effect.sleep("400 millis") // node-pty itself would have dropped it after 200
        const { text } = collect(guest)
        yield* guest.output.drained
        assert.strictEqual(text("tty"), `${"7".padStart(3000, "0")}END`)
      })
    )
  )

  it.live("a background process that goes on writing is read until it has ended", () =>
    Effect.gen(function* () {
      const script = `trap '' HUP; bash -c 'trap "sleep 0.4; echo last; exit" TERM; echo up; while :; do sleep 0.05; done' & read -r _ < <(sleep 0.3); echo main`
      const ended = yield* run(tty(script))
      assert.match(ended.tty, /^up\r\nmain\r\n(.*\r\n)?last\r\n$/)
      assert.deepStrictEqual(ended.drained, { tty: "eof" })
    })
  )

  it.live("typing, end of file and a resize reach the guest", () =>
    using(tty("trap 'stty size' WINCH; echo up; cat; cat; stty size"), (guest) =>
      Effect.gen(function* () {
        const { seen } = collect(guest)
        yield* seen("up")
        guest.input?.write(Buffer.from("hello\r"))
        yield* seen("hello\r\nhello\r\n")
        yield* guest.resize({ columns: 120, rows: 40 })
        guest.input?.write(Uint8Array.of(4))
        yield* seen("40 120")
        guest.input?.write(Uint8Array.of(4))
        assert.strictEqual(statusOf(yield* guest.exit), 0)
      })
    )
  )

  it.live("Ctrl-C ends the foreground child of a shell with job control, and Ctrl-Z stops it", () =>
    using({ ...tty(""), args: ["--norc", "--noprofile", "-i"], env: { PS1: "READY " } }, (guest) =>
      Effect.gen(function* () {
        const { seen } = collect(guest)
        const type = (keys: string) => Effect.sync(() => guest.input?.write(Buffer.from(keys)))
        const prompted = (keys: string) => Effect.zipRight(seen("READY "), type(keys))
        yield* prompted("bash -c 'echo u\"\"p; exec sleep 60'\r")
        yield* seen("up")
        yield* type("\u0003")
        yield* prompted("echo status $?\r")
        yield* seen("status 130")
        yield* prompted("bash -c 'echo u\"\"p; exec sleep 60'\r")
        yield* seen("up")
        yield* type("\u001a")
        yield* seen("Stopped")
        yield* prompted("kill %1; fg; echo fore''ground\r")
        yield* seen("foreground")
        yield* prompted("exit 5\r")
        assert.strictEqual(statusOf(yield* guest.exit), 5)
      })
    )
  )

  it.live("a megabyte of typing arrives whole and in order", () =>
    using(tty("stty raw -echo; echo up; head -c 1000000 | sha256sum"), (guest) =>
      Effect.gen(function* () {
        const { seen } = collect(guest)
        yield* seen("up")
        const bytes = Buffer.from(Array.from({ length: 125_000 }, (_, n) => String(n).padStart(7, "0") + "\n").join(""))
        const drained = yield* Deferred.make<void>()
        const stop = guest.input?.onDrain(() => Deferred.unsafeDone(drained, Effect.void))
        if (guest.input?.write(bytes) === false) yield* Deferred.await(drained)
        yield* seen(createHash("sha256").update(bytes).digest("hex"))
        stop?.()
      })
    )
  )

  it.live("an interactive shell, which ignores SIGTERM, is stopped by the hang-up that comes with it", () =>
    using({ ...tty(""), args: ["--norc", "--noprofile", "-i"], env: { PS1: "READY " } }, (guest) =>
      Effect.gen(function* () {
        const { seen } = collect(guest)
        yield* seen("READY ")
        assert.strictEqual(statusOf(yield* guest.stop()), 129)
      })
    )
  )

  it.live("closing the stream hangs up", () =>
    using(tty("echo up; exec sleep 60"), (guest) =>
      Effect.gen(function* () {
        const { seen } = collect(guest)
        yield* seen("up")
        guest.output.close("tty")
        assert.deepStrictEqual(yield* guest.exit, { code: null, signal: "SIGHUP" })
        assert.deepStrictEqual(yield* guest.output.drained, { tty: "destination-closed" })
      })
    )
  )
})

describe("ContainerRuntimeLocal refuses", () => {
  it.live("a command that is not there with 127, one that cannot be executed with 126, on a terminal or not", () =>
    Effect.gen(function* () {
      for (const tty of [false, true]) {
        const missing = yield* failure(spec("", { command: "no-such-command", tty }))
        assert.deepStrictEqual([missing.exitStatus, missing.message], [127, "no-such-command: command not found"])
        const folder = yield* failure(spec("", { command: "/usr", tty }))
        assert.deepStrictEqual([folder.exitStatus, folder.message], [126, "/usr: is a directory, not a command"])
      }
    })
  )

  it.live("a working directory that is not there, and a NUL, with 125 and one line", () =>
    Effect.gen(function* () {
      const cwd = yield* failure(spec("", { cwd: "/no/such/place" }))
      assert.deepStrictEqual(
        [cwd.exitStatus, cwd.message],
        [125, "local runtime: cannot start in /no/such/place: no such directory"]
      )
      const nul = yield* failure(spec("", { args: ["a\0b"] }))
      assert.strictEqual(nul.exitStatus, 125)
      assert.notInclude(nul.message, "\n")
    })
  )

  it.live("arguments that are too long", () =>
    Effect.gen(function* () {
      const error = yield* failure(spec("", { command: "/bin/true", args: ["x".repeat(3_000_000)] }))
      assert.strictEqual(error.exitStatus, 126)
    })
  )
})
