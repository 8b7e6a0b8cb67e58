/**
 * What `bench/capture.ts` lets be watched: a C project, a git repository, a tree of small files and an npm package, all
 * generated, the same every time.
 *
 * @module
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Programs from "./Programs.ts"

export interface Workload {
  readonly cwd: string
  readonly command: ReadonlyArray<string>
}

const sources = 100
/** What `make -j1` builds of them, or it would take most of the benchmark's time. */
const someSources = 40
const commits = 200
const smallFiles = 10_000
const packages = 60

const sourceOf = (at: number): string => `#include <stdio.h>
#include <string.h>
#include "project.h"

int module_${at}(const char *text, int depth)
{
    char line[64];
    int sum = (int)strlen(text) + depth;
    for (int i = 0; i < ${at + 3}; i++) sum += snprintf(line, sizeof line, "%d:%s", i * ${at}, text);
    return depth > 0 ? module_${(at + 1) % sources}(line, depth - 1) : sum;
}
`

/** `make -B` builds all of it again. */
const project = (directory: string): string => {
  const cwd = Path.join(directory, "project")
  Fs.mkdirSync(cwd)
  const numbers = Array.from({ length: sources }, (_, at) => at)
  for (const at of numbers) Fs.writeFileSync(Path.join(cwd, `module${at}.c`), sourceOf(at))
  const declarations = numbers.map((at) => `int module_${at}(const char *text, int depth);\n`)
  Fs.writeFileSync(Path.join(cwd, "project.h"), declarations.join(""))
  Fs.writeFileSync(Path.join(cwd, "main.c"), `#include "project.h"\nint main(void) { return module_0("x", 3) == 0; }\n`)
  const objects = numbers.map((at) => `module${at}.o`).join(" ")
  const some = `some: ${objects.split(" ").slice(0, someSources).join(" ")}`
  const rules = [some, "%.o: %.c project.h", "\tcc -O0 -c -o $@ $<", `program: main.o ${objects}`, "\tcc -o $@ $^", ""]
  Fs.writeFileSync(Path.join(cwd, "Makefile"), `all: program\n${rules.join("\n")}`)
  return cwd
}

/** A history of `commits` commits that touch 300 files. */
const repository = (directory: string): string => {
  const cwd = Path.join(directory, "repository")
  Programs.run(["git", "init", "--quiet", "--initial-branch=main", cwd])
  const stream: Array<string> = []
  for (let commit = 0; commit < commits; commit++) {
    stream.push(`commit refs/heads/main\ncommitter Author <author@example.org> ${1_700_000_000 + commit} +0000\n`)
    stream.push(`data 7\ncommit\n`)
    for (let file = commit % 3; file < 300; file += commit === 0 ? 1 : 37) {
      const text = `line of ${file}\n`.repeat(40) + `changed by ${commit}\n`
      stream.push(`M 100644 inline src/part${file % 20}/file${file}.txt\ndata ${text.length}\n${text}`)
    }
  }
  const { status } = spawnSync("git", ["fast-import", "--quiet"], { cwd, input: stream.join("") })
  if (status !== 0) throw new Error(`git fast-import ended with ${status}`)
  Programs.run(["git", "reset", "--quiet", "--hard", "main"], { cwd })
  return cwd
}

const tree = (directory: string): string => {
  const cwd = Path.join(directory, "tree")
  for (let folder = 0; folder < 100; folder++) {
    const path = Path.join(cwd, `folder${folder}`)
    Fs.mkdirSync(path, { recursive: true })
    for (let file = 0; file < smallFiles / 100; file++) {
      Fs.writeFileSync(Path.join(path, `file${file}`), `${folder} ${file}\n`.repeat(20))
    }
  }
  return cwd
}

const npmPackage = (directory: string): string => {
  const cwd = Path.join(directory, "package")
  const names = Array.from({ length: packages }, (_, at) => `part-${at}`)
  for (const [at, name] of names.entries()) {
    const path = Path.join(cwd, "node_modules", name)
    Fs.mkdirSync(path, { recursive: true })
    const next = names[at + 1]
    const dependencies = next === undefined ? {} : { [next]: "1.0.0" }
    Fs.writeFileSync(Path.join(path, "package.json"), JSON.stringify({ name, version: "1.0.0", dependencies }))
    Fs.writeFileSync(Path.join(path, "index.js"), "module.exports = 1\n")
  }
  const dependencies = Object.fromEntries(names.map((name) => [name, "1.0.0"]))
  Fs.writeFileSync(Path.join(cwd, "package.json"), JSON.stringify({ name: "whole", version: "1.0.0", dependencies }))
  return cwd
}

/** Nothing of the user's own configuration, and no network. */
export const environment = (directory: string): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: directory,
  TMPDIR: directory,
  LANG: "C",
  GIT_CONFIG_NOSYSTEM: "1",
  npm_config_offline: "true",
  npm_config_update_notifier: "false"
})

const shell = (script: string): ReadonlyArray<string> => ["sh", "-ec", script]

/** Makes everything in `directory`. */
export const make = (directory: string) => {
  const cSources = project(directory)
  return {
    makeOne: { cwd: cSources, command: ["make", "-s", "-B", "-j1", "some"] },
    makeFour: { cwd: cSources, command: ["make", "-s", "-B", "-j4"] },
    git: {
      cwd: repository(directory),
      command: shell(
        "for i in 1 2 3; do git status; git log --stat; git grep -c changed; git log -p -- src/part3; done >/dev/null; git gc --quiet"
      )
    },
    find: { cwd: tree(directory), command: shell("find . -type f -print0 | xargs -0 cat >/dev/null") },
    npm: { cwd: npmPackage(directory), command: shell("npm ls --all >/dev/null; npm pack --dry-run >/dev/null 2>&1") }
  } satisfies Record<string, Workload>
}
