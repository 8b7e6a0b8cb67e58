import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Cli from "../fixtures/Cli.ts"
import * as Exec from "./ExecGuest.ts"
import * as Shim from "./ShimGuest.ts"

const driver = fileURLToPath(new URL("../fixtures/terminal.py", import.meta.url))

type Step = { readonly expect: string } | { readonly send: string }
interface Played {
  readonly error?: string
  readonly status: number | null
  readonly shown: string
}

/** Types into a command on a terminal of its own. */
const play = async (argv: ReadonlyArray<string>, steps: ReadonlyArray<Step>): Promise<Played> => {
  const plan = JSON.stringify({ argv, steps, rows: 30, cols: 200, patience: 20 })
  const env = { ...process.env, TERM: "dumb", HISTFILE: "" }
  const child = spawn("python3", [driver, plan], { stdio: ["ignore", "pipe", "inherit"], env, cwd: Cli.scratch() })
  let out = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text))
  await new Promise((resolve) => void child.once("close", resolve))
  const played: Played = JSON.parse(out)
  assert.isUndefined(played.error, played.shown)
  return played
}

const quoted = (argv: ReadonlyArray<string>): string => argv.map((word) => `'${word}'`).join(" ")

const patient = ["sh", "-c", 'trap "echo again" CONT; echo ready; while :; do sleep 0.05; done']
const ready = { expect: "\n\\s*ready" }

const interrupt = String.fromCodePoint(3)
const stop = String.fromCodePoint(26)

describe("agent-exec on a terminal", () => {
  it.for([
    { what: "in the group of whoever started it", args: [] },
    { what: "in a group of its own", args: ["--own-group"] }
  ])("stops with the command, and goes on with it: $what", async ({ args }) => {
    const receiver = await Shim.receiver()
    const { argv } = Exec.invocation(patient, { endpoint: receiver.endpoint, args })
    const { shown } = await play(
      ["bash", "--norc", "-i"],
      [
        { expect: "bash[^ ]*[#$] " },
        { send: `${quoted(argv)}\n` },
        ready,
        { send: stop },
        { expect: "Stopped" },
        { send: "fg\n" },
        { expect: "\n\\s*again" },
        { send: interrupt },
        { send: "echo status $?\n" },
        { expect: "status 130" },
        { send: "exit\n" }
      ]
    )
    assert.include(shown, "Stopped")
  })

  it("lets a command go on that nobody could continue", async () => {
    const receiver = await Shim.receiver()
    const { argv } = Exec.invocation(patient, { endpoint: receiver.endpoint, args: ["--own-group"] })
    const { status } = await play(argv, [{ expect: "ready" }, { send: stop }, { expect: "again" }, { send: interrupt }])
    assert.strictEqual(status, 130)
  })
})
