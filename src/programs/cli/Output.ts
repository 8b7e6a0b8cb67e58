/**
 * Results go to stdout, remarks to stderr; colours only where they are wanted.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"

/** https://no-color.org: any non-empty value disables colour; a pipe or a dumb terminal does too. */
export const wantsColor = (stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean =>
  !env["NO_COLOR"] &&
  (env["FORCE_COLOR"] ? env["FORCE_COLOR"] !== "0" : stream.isTTY === true && env["TERM"] !== "dumb")

const sgr = new RegExp(String.raw`\u001b\[[0-9;]*m`, "g")
const plain = (args: ReadonlyArray<unknown>) =>
  args.map((arg) => (typeof arg === "string" ? arg.replace(sgr, "") : arg))

/** Runs `self` with a console that drops SGR sequences on whichever stream does not want them. */
export const withPlainConsole = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Console.consoleWith((base) => {
    const color = { out: wantsColor(process.stdout, process.env), err: wantsColor(process.stderr, process.env) }
    return Effect.withConsole(self, {
      ...base,
      log: (...args) => base.log(...(color.out ? args : plain(args))),
      error: (...args) => base.error(...(color.err ? args : plain(args)))
    })
  })

/** One line on stdout: a result. */
export const print = (line: string): Effect.Effect<void> => Console.log(line)

/** One line on stderr: a result whose place on stdout is taken. */
export const tell = (line: string): Effect.Effect<void> => Effect.sync(() => writeError(`${line}\n`))

/** One line on stderr, written before the process can end. */
export const remark = (line: string): Effect.Effect<void> => Effect.sync(() => writeError(`agent: ${line}\n`))

/** Writes to stderr synchronously; a closed stderr is nobody's business. */
export const writeError = (text: string): void => {
  try {
    Fs.writeSync(2, text)
  } catch {
    // Nobody reads stderr any more: there is nowhere to say so.
  }
}

/**
 * A progress line on stderr, for somebody who waits at a terminal for more than a second.
 *
 * @returns what to call with the present state, and what to call at the end
 */
export const progress: Effect.Effect<{
  readonly update: (text: () => string) => void
  readonly done: Effect.Effect<void>
}> = Effect.map(Clock.currentTimeMillis, (started) => {
  const isTerminal = process.stderr.isTTY && process.env["TERM"] !== "dumb"
  let next = started + 1000
  let shown = false
  return {
    update: (text) => {
      const now = Date.now()
      if (!isTerminal || now < next) return
      next = now + 250
      shown = true
      writeError(`\r\u001b[Kagent: ${text()}`)
    },
    done: Effect.sync(() => {
      if (shown) writeError("\r\u001b[K")
    })
  }
})
