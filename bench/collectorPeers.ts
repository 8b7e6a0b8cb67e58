/**
 * rsyslog and syslog-ng as `bench/collector.ts` runs them: in the foreground, in a private directory, with a Unix stream
 * socket in and a file out, and their own defaults but for what a name below says.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Peers from "./Peers.ts"
import * as Programs from "./Programs.ts"

/** Something that takes lines on a socket and writes a line to a file for each. */
export interface Running {
  readonly socket: string
  readonly output: string
  readonly stop: () => Promise<void>
}

export type Start = (directory: string) => Promise<Running>

const startMillis = 10_000

const stopped = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  child.kill("SIGTERM")
  const deadline = setTimeout(() => child.kill("SIGKILL"), startMillis)
  await ended
  clearTimeout(deadline)
}

/** Starts a program and waits for its socket. What it says goes to a file beside it. */
const start = async (
  directory: string,
  command: ReadonlyArray<string>,
  env: NodeJS.ProcessEnv,
  socket: string
): Promise<() => Promise<void>> => {
  const said = Path.join(directory, "said")
  const log = Fs.openSync(said, "w")
  const [file = "", ...args] = command
  const child = spawn(file, args, { cwd: directory, env, stdio: ["ignore", log, log] })
  Fs.closeSync(log)
  let problem: string | undefined
  child.on("error", (error) => (problem = error.message))
  child.on("exit", (status) => (problem ??= `ended with ${status}: ${Fs.readFileSync(said, "utf8").slice(0, 2000)}`))
  const deadline = performance.now() + startMillis
  while (!Fs.existsSync(socket)) {
    if (problem !== undefined) throw new Error(`${file}: ${problem}`)
    if (performance.now() > deadline) {
      await stopped(child)
      throw new Error(`${file}: no socket after ${startMillis} ms`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return () => stopped(child)
}

/**
 * `raw`: the line as it came. `parsed`: what mmjsonparse made of it, written again as JSON, in a queue of its own, which
 * has one worker. `parsed-main`: the same on the main queue, which has two.
 */
export const rsyslog = (kind: "raw" | "parsed" | "parsed-main"): Start => {
  const { env, prefix } = Peers.obtain("/usr/sbin/rsyslogd", ["rsyslog"])
  return async (directory) => {
    const socket = Path.join(directory, "in")
    const output = Path.join(directory, "out")
    const parse = kind !== "raw"
    const parser = parse ? `action(type="mmjsonparse" cookie="" useRawMsg="on")` : ""
    const queue = kind === "parsed" ? ` queue.type="LinkedList"` : ""
    const config = `global(workDirectory="${directory}")
module(load="imptcp")
${parse ? `module(load="mmjsonparse")` : ""}
template(name="line" type="string" string="%${parse ? "$!all-json" : "rawmsg"}%\\n")
ruleset(name="all"${queue}) { ${parser} action(type="omfile" file="${output}" template="line") }
input(type="imptcp" path="${socket}" ruleset="all")
`
    const configFile = Path.join(directory, "config")
    Fs.writeFileSync(configFile, config)
    const modules = `${prefix}${Peers.libraries}/rsyslog`
    const files = ["-f", configFile, "-i", Path.join(directory, "pid"), "-M", modules]
    const stop = await start(directory, [`${prefix}/usr/sbin/rsyslogd`, "-n", ...files], env, socket)
    return { socket, output, stop }
  }
}

/**
 * `synced`: the line as it came, with fsync. `synced-batches`: the same for a thousand lines at a time, as our store
 * commits them, with larger windows. `parsed`: its members, written again as JSON. `secure`: encrypted and chained by
 * its own tamper-evident mode.
 */
export const syslogNg = (kind: "synced" | "synced-batches" | "parsed" | "secure"): Start => {
  const { env, prefix } = Peers.obtain("/usr/sbin/syslog-ng", ["syslog-ng-core", "syslog-ng-mod-slog"])
  const libraries = `${prefix}/usr/lib/syslog-ng`
  const version = Fs.readdirSync(libraries).find((name) => /^\d+\.\d+$/.test(name))
  if (version === undefined) throw new Programs.Missing(`${libraries}: no modules of syslog-ng`)
  return async (directory) => {
    const socket = Path.join(directory, "in")
    const output = Path.join(directory, "out")
    const path = (name: string) => Path.join(directory, name)
    if (kind === "secure") {
      const slogkey = `${prefix}/usr/bin/slogkey`
      Programs.run([slogkey, "-m", path("master.key")], { env })
      Programs.run([slogkey, "-d", path("master.key"), "00:11:22", "serial", path("host.key")], { env })
    }
    const templates = {
      synced: "$RAWMSG",
      "synced-batches": "$RAWMSG",
      parsed: "$(format-json --scope none j.* --rekey j.* --shift 2)",
      secure: `$(slog -k ${path("host.key")} -m ${path("mac.dat")} $RAWMSG)`
    }
    const isBatched = kind === "synced-batches"
    const window = isBatched ? " log-fetch-limit(1000) log-iw-size(100000)" : ""
    const sync = kind === "synced" || isBatched ? " fsync(yes)" : ""
    const config = `@version: ${version}
@module afsocket
@module affile
@module json-plugin
@module secure-logging
options { stats-freq(0); };
source s { unix-stream("${socket}" max-connections(100) flags(no-parse, store-raw-message)${window}); };
destination d { file("${output}" template("${templates[kind]}\\n")${isBatched ? " flush-lines(1000)" : ""}${sync}); };
log { source(s); ${kind === "parsed" ? `parser { json-parser(prefix("j.")); };` : ""} destination(d); flags(flow-control); };
`
    Fs.writeFileSync(path("config"), config)
    const files = ["-f", path("config"), "-R", path("persist"), "-p", path("pid"), "-c", path("control")]
    const modules = `--module-path=${libraries}/${version}`
    const command = [`${prefix}/usr/sbin/syslog-ng`, "-F", "--no-caps", ...files, modules]
    return { socket, output, stop: await start(directory, command, env, socket) }
  }
}
