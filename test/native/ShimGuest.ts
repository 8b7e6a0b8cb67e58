/** Runs programs with libauditshim.so, and takes what it sends. */
import * as Either from "effect/Either"
import { spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { onTestFinished, type TestContext } from "vitest"
import * as Protocol from "../../src/domain/Protocol.ts"
import * as Cli from "../fixtures/Cli.ts"
import * as Native from "../fixtures/Native.ts"

export type Event = typeof Protocol.Event.Type

export const library = Path.join(Native.directory, "libauditshim.so")
export const session = "run_0123456789ab"

/** Compiles native/shim/test/guest.c; its path. */
export const compile = (context: TestContext, compiler: "cc" | "musl-gcc" = "cc"): string => {
  if (!Fs.existsSync(library)) Native.without(context, "libauditshim.so is not built: npm run build:native")
  const path = Path.join(Cli.scratch(), "guest")
  const source = Path.join(Native.directory, "..", "..", "..", "native", "shim", "test", "guest.c")
  const made = spawnSync(compiler, ["-O1", "-o", path, source, "-pthread"], { encoding: "utf8" })
  if (made.status !== 0) Native.without(context, `${compiler} cannot compile it: ${made.error?.message ?? made.stderr}`)
  return path
}

export interface Receiver {
  readonly endpoint: string
  /** What came on each connection, without what is left of a line. */
  readonly connections: ReadonlyArray<{ readonly lines: Array<string>; rest: string }>
  /** All events, strictly decoded, when every connection has ended. */
  readonly events: () => Promise<ReadonlyArray<Event>>
  /** Ends connections and refuses new ones; its socket is gone. */
  readonly stop: () => Promise<void>
}

/** Lines are taken as bytes: what is no UTF-8 is a finding of the decoder's. */
const bytes = (text: string): Buffer => Buffer.from(text, "latin1")

/** Completes, again and again, when something has changed. */
class Change {
  private tell = (): void => undefined
  readonly now = (): void => this.tell()
  readonly next = (): Promise<void> => new Promise((resolve) => (this.tell = resolve))
}

export const decoded = (line: Buffer): Event => {
  const event = Protocol.decode(line)
  if (Either.isLeft(event)) throw new Error(`${event.left.reason}: ${line.toString()}`)
  return event.right
}

/** A collector that keeps what it gets. */
export const receive = async (at: { readonly path: string } | { readonly port: 0 }): Promise<Receiver> => {
  const connections: Array<{ lines: Array<string>; rest: string }> = []
  const sockets = new Set<Net.Socket>()
  const change = new Change()
  const server = Net.createServer((socket) => {
    const connection = { lines: new Array<string>(), rest: "" }
    connections.push(connection)
    sockets.add(socket)
    socket.setEncoding("latin1")
    socket.on("data", (text: string) => {
      const lines = (connection.rest + text).split("\n")
      connection.rest = lines.pop() ?? ""
      for (const line of lines) connection.lines.push(line)
    })
    socket.on("error", () => {})
    socket.on("close", () => {
      sockets.delete(socket)
      change.now()
    })
  })
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", backlog: 4096, ...at }, resolve))
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  onTestFinished(() => void (server.listening ? stop() : undefined))
  const address = server.address()
  return {
    endpoint: typeof address === "string" ? `unix://${address}` : `tcp://127.0.0.1:${address?.port}`,
    connections,
    events: async () => {
      while (sockets.size > 0) await change.next()
      return connections.flatMap(({ lines, rest }) => {
        if (rest !== "") throw new Error(`half a line: ${rest}`)
        return lines.filter((line) => !/^[0-9a-f]{64}$/.test(line)).map((line) => decoded(bytes(line)))
      })
    },
    stop
  }
}

export const receiver = (): Promise<Receiver> => receive({ path: Path.join(Cli.scratch(), "audit.sock") })

export const environment = (
  endpoint: string | undefined,
  more: Readonly<Record<string, string | undefined>> = {}
): NodeJS.ProcessEnv => ({
  PATH: "/usr/local/bin:/usr/bin:/bin",
  LD_PRELOAD: library,
  ...(endpoint === undefined ? {} : { AUDIT_ENDPOINT: endpoint }),
  AUDIT_SESSION_ID: session,
  AUDIT_AGENT: "tester",
  ...more
})

export interface Finished {
  readonly status: number | string
  readonly stdout: string
  readonly stderr: string
  readonly pid: number
}

export interface Running {
  readonly pid: number
  readonly say: (text: string) => void
  /** Nothing more on standard input. */
  readonly end: () => void
  /** The next line on standard output. */
  readonly line: () => Promise<string>
  readonly finished: Promise<Finished>
}

export const start = (command: ReadonlyArray<string>, env: NodeJS.ProcessEnv): Running => {
  const [file = "", ...args] = command
  const child = spawn(file, args, { env, cwd: "/" })
  let stdout = ""
  let stderr = ""
  let read = 0
  const change = new Change()
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
    change.now()
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  child.stdin.on("error", () => {})
  onTestFinished(() => void child.kill("SIGKILL"))
  const pid = child.pid ?? -1
  return {
    pid,
    say: (text) => void child.stdin.write(text),
    end: () => void child.stdin.end(),
    line: async () => {
      let end: number
      while ((end = stdout.indexOf("\n", read)) < 0) await change.next()
      const line = stdout.slice(read, end)
      read = end + 1
      return line
    },
    finished: new Promise((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (status, signal) => resolve({ status: status ?? signal ?? "", stdout, stderr, pid }))
    })
  }
}

/** Runs to the end, with nothing on standard input. */
export const run = (command: ReadonlyArray<string>, env: NodeJS.ProcessEnv): Promise<Finished> => {
  const running = start(command, env)
  running.end()
  return running.finished
}

/** Payloads of one type. */
export const execs = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => (event.event_type === "Exec" ? [event.payload] : []))

export const opens = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => (event.event_type === "Open" ? [event.payload] : []))

export const connects = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => (event.event_type === "Connect" ? [event.payload] : []))

export const drops = (events: ReadonlyArray<Event>) =>
  events.flatMap((event) => (event.event_type === "Drop" ? [event.payload] : []))

/** A text of an event as one string, bytes as base64. */
export const plain = (text: typeof Protocol.Text.Type | undefined): string =>
  text === undefined ? "" : typeof text === "string" ? text : text.$b64

export const words = (texts: ReadonlyArray<typeof Protocol.Text.Type>): string => texts.map(plain).join(" ")

/** Events that the senders lost, by their own count. */
export const dropped = (events: ReadonlyArray<Event>): number =>
  drops(events).reduce((sum, { count }) => sum + count, 0)
