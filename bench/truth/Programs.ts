/**
 * Builds the C programs of the workloads, before anything is traced.
 *
 * @module
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

/** Where the workloads' sources are. */
export const sources = fileURLToPath(new URL("./programs", import.meta.url))

const builds: ReadonlyArray<
  readonly [output: string, compiler: string, source: string, ...flags: ReadonlyArray<string>]
> = [
  ["static-raw", "gcc", "raw.c", "-static"],
  ["dynamic-raw", "gcc", "raw.c"],
  ["syscall", "gcc", "syscall.c"],
  ["threads", "gcc", "threads.c", "-pthread"],
  ["libc-exec", "gcc", "exec.c"],
  ["libc-open", "gcc", "open.c"],
  ["libc-connect", "gcc", "connect.c"],
  ["musl-exec", "musl-gcc", "exec.c"],
  ["musl-open", "musl-gcc", "open.c"],
  ["musl-connect", "musl-gcc", "connect.c"],
  ["libearly.so", "gcc", "early.c", "-shared", "-fPIC"],
  ["allocator", "gcc", "allocator.c", "-fno-builtin", "-Wl,--no-as-needed,-rpath,$ORIGIN", "-L{}", "-learly"]
]

/** Builds all of them into a directory. */
export const build = (directory: string): void => {
  Fs.mkdirSync(directory, { recursive: true })
  for (const [output, compiler, source, ...flags] of builds) {
    const linked = flags.map((flag) => flag.replace("{}", directory))
    const files = ["-o", Path.join(directory, output), Path.join(sources, source)]
    execFileSync(compiler, ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", ...linked, ...files], {
      stdio: "inherit"
    })
  }
}
