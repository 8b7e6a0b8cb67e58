/**
 * Finds what a command names before anything is started, so that "not found" and "not executable" are told apart, with
 * the statuses that shells give them (POSIX.1-2024, XCU 2.8.2: 127 and 126).
 *
 * It looks and does not hold: what is at the path may change before it is executed.
 *
 * @module
 */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs"
import { isAbsolute, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { CommandNotExecutable, CommandNotFound, type GuestSpec } from "../../services/ContainerRuntime.ts"

/** `execvp` without PATH in the environment; confstr(_CS_PATH) of glibc. */
const defaultPath = "/bin:/usr/bin"

/** Longest interpreter line that the kernel reads (BINPRM_BUF_SIZE). */
const maxInterpreterLine = 256

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "")

const missing = "does not exist"
/** As bash has it, a directory of PATH that may not be searched holds no command. */
const unreachable = "permission denied: a directory above it cannot be searched"

/** Why the path cannot be executed; undefined when it can. */
const obstacle = (path: string): string | undefined => {
  try {
    if (statSync(path).isDirectory()) return "is a directory, not a command"
  } catch (error) {
    const code = codeOf(error)
    if (code === "ENOENT" || code === "ENOTDIR") return missing
    if (code === "EACCES") return unreachable
    return code === "ELOOP" ? "too many symbolic links" : `cannot be executed (${code})`
  }
  try {
    accessSync(path, constants.X_OK)
    return undefined
  } catch (error) {
    const code = codeOf(error)
    return code === "EACCES" ? "permission denied: it is not executable for this user" : `cannot be executed (${code})`
  }
}

/** The program after `#!`, which the kernel runs in the script's place; undefined for anything but a script. */
const interpreterOf = (path: string): string | undefined => {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return undefined // executable, but not readable: fine for a binary
  }
  try {
    const head = Buffer.alloc(maxInterpreterLine)
    const line = head.toString("latin1", 0, readSync(fd, head, 0, head.length, 0)).split("\n", 1)[0] ?? ""
    return /^#![ \t]*([^ \t]+)/.exec(line)?.[1]
  } catch {
    return undefined
  } finally {
    closeSync(fd)
  }
}

const checkInterpreter = (path: string, cwd: string) => {
  const interpreter = interpreterOf(path)
  if (interpreter === undefined) return Effect.succeed(path)
  const problem = obstacle(resolve(cwd, interpreter))
  if (problem === undefined) return Effect.succeed(path)
  const shown = interpreter.replace("\r", "\\r")
  return new CommandNotExecutable({ path, reason: `its interpreter ${shown}: ${problem}` })
}

/** The absolute path that executing the command in `cwd` with `env` would run. */
export const resolveCommand = (
  { command, cwd }: Pick<GuestSpec, "command" | "cwd">,
  env: Readonly<Record<string, string | undefined>>
): Effect.Effect<string, CommandNotFound | CommandNotExecutable> =>
  Effect.suspend((): Effect.Effect<string, CommandNotFound | CommandNotExecutable> => {
    if (command.includes("/")) {
      const path = resolve(cwd, command)
      const problem = obstacle(path)
      if (problem === undefined) return checkInterpreter(path, cwd)
      if (problem === missing) return new CommandNotFound({ command, searched: undefined })
      return new CommandNotExecutable({ path: command, reason: problem })
    }
    const searched = env["PATH"] ?? defaultPath
    let refused: CommandNotExecutable | undefined
    if (command !== "") {
      for (const folder of searched.split(":")) {
        // An empty element of PATH is the working directory (POSIX.1-2024, XBD 8.3).
        const path = isAbsolute(folder) ? join(folder, command) : resolve(cwd, folder, command)
        const problem = obstacle(path)
        if (problem === undefined) return checkInterpreter(path, cwd)
        if (problem !== missing && problem !== unreachable)
          refused ??= new CommandNotExecutable({ path, reason: problem })
      }
    }
    return refused ?? new CommandNotFound({ command, searched })
  })
