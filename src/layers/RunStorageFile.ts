/**
 * Runs as directories: `<home>/runs/<run-id>/` with metadata.json, audit.db and run.lock (docs/architecture.md).
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as RunMetadata from "../domain/RunMetadata.ts"
import * as RunStorage from "../services/RunStorage.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as ProcessLock from "./ProcessLock.ts"
import * as Tool from "./Tool.ts"

const idForm = /^[a-z0-9_-]{1,64}$/

/** What an operating-system error means to a person. */
const reasonOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  const known: Readonly<Record<string, string>> = {
    EACCES: "permission denied",
    EPERM: "permission denied",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    ENOTDIR: "a part of the path is not a directory",
    ENOENT: "a part of the path does not exist",
    SQLITE_CANTOPEN: "its lock file cannot be opened",
    SQLITE_READONLY: "the file system is read-only",
    SQLITE_FULL: "the disk is full"
  }
  return known[code] ?? (error instanceof Error ? error.message : String(error))
}

const attempt = <A>(path: string, body: () => A): Effect.Effect<A, RunStorage.HomeUnusable> =>
  Effect.try({ try: body, catch: (error) => new RunStorage.HomeUnusable({ path, reason: reasonOf(error) }) })

const metadataName = "metadata.json"

const directoryOf = (home: string, id: string): RunStorage.RunDirectory => {
  const path = Path.join(home, "runs", id)
  return { id, path, auditDb: Path.join(path, "audit.db"), metadata: Path.join(path, metadataName) }
}

/** Reads at most `maxBytes`: a file that somebody blew up must not fill the memory. */
const readMetadata = (path: string): RunMetadata.RunMetadata | undefined => {
  try {
    if (Fs.statSync(path).size > RunMetadata.maxBytes) return undefined
    return Either.getOrUndefined(RunMetadata.decode(Fs.readFileSync(path, "utf8")))
  } catch {
    return undefined
  }
}

/** Entries of the directory of runs; none where there is none yet. One that may not be read is an error. */
const readRuns = (runs: string): ReadonlyArray<Fs.Dirent> => {
  try {
    return Fs.readdirSync(runs, { withFileTypes: true })
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return []
    throw error
  }
}

const listRuns = (home: string): ReadonlyArray<RunStorage.StoredRun> =>
  readRuns(Path.join(home, "runs"))
    .filter((entry) => entry.isDirectory() && idForm.test(entry.name))
    .map((entry) => directoryOf(home, entry.name))
    .map((run) => ({ ...run, about: readMetadata(run.metadata) }))
    .toSorted((a, b) => (b.about?.started ?? "").localeCompare(a.about?.started ?? "") || b.id.localeCompare(a.id))

const find = (
  home: string,
  asked: string
): Effect.Effect<RunStorage.StoredRun, RunStorage.HomeUnusable | RunStorage.RunNotFound | RunStorage.RunAmbiguous> =>
  Effect.gen(function* () {
    const runs = yield* attempt(Path.join(home, "runs"), () => listRuns(home))
    const exact = runs.find((run) => run.id === asked)
    if (exact !== undefined) return exact
    // The random part alone is a prefix too: people copy it without "run_".
    const byPrefix = runs.filter((run) => run.id.startsWith(asked) || run.id.startsWith(`run_${asked}`))
    const byName = runs.filter((run) => run.about?.name === asked)
    const latest = asked === "latest" ? runs.slice(0, 1) : []
    const meant = asked === "" ? [] : ([byPrefix, byName, latest].find((some) => some.length > 0) ?? [])
    const [only, ...others] = meant
    if (only === undefined) return yield* new RunStorage.RunNotFound({ asked, home })
    if (others.length > 0) {
      return yield* new RunStorage.RunAmbiguous({ asked, candidates: meant.map((run) => run.id) })
    }
    return only
  })

const lockName = "run.lock"
const lockOf = (run: RunStorage.RunDirectory) => Path.join(run.path, lockName)

/** Run directories that are being made; no run id begins like this. */
const unfinishedPrefix = "."

/** After so many milliseconds nobody is still making it: it takes a few. */
const unfinishedMillis = 60_000

/** Removes what recorders left that were killed while they made their directory. */
const removeUnfinished = (home: string, now: number): void => {
  const runs = Path.join(home, "runs")
  for (const name of Fs.readdirSync(runs).filter((name) => name.startsWith(unfinishedPrefix))) {
    const path = Path.join(runs, name)
    const made = Fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now
    if (now - made > unfinishedMillis) Fs.rmSync(path, { recursive: true, force: true })
  }
}

const asUnusable = (path: string) => (error: ProcessLock.LockError) =>
  new RunStorage.HomeUnusable({ path, reason: reasonOf(error) })

/** Storage below `home`, which is made (0700) by the first run and not before. */
export const layer = (home: string): Layer.Layer<RunStorage.RunStorage> => {
  const update = (id: string, about: RunMetadata.RunMetadata) => {
    const { metadata, path } = directoryOf(home, id)
    return attempt(path, () => AtomicFile.replace(metadata, RunMetadata.encode(about)))
  }

  const create = (run: RunStorage.NewRun) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* attempt(home, () => Fs.mkdirSync(Path.join(home, "runs"), { recursive: true, mode: 0o700 }))
      if (run.name !== undefined) {
        const taken = (yield* attempt(home, () => listRuns(home))).find((other) => other.about?.name === run.name)
        if (taken !== undefined) return yield* new RunStorage.RunNameTaken({ name: run.name, id: taken.id })
      }
      const id = `run_${Crypto.randomBytes(6).toString("hex")}`
      const directory = directoryOf(home, id)
      const unfinished = Path.join(home, "runs", `${unfinishedPrefix}${id}`)
      yield* attempt(home, () => removeUnfinished(home, now))
      yield* attempt(unfinished, () => Fs.mkdirSync(unfinished, { mode: 0o700 }))
      yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(unfinished, { recursive: true, force: true })))
      yield* Effect.mapError(ProcessLock.tryHold(Path.join(unfinished, lockName)), asUnusable(unfinished))
      const about: RunMetadata.RunMetadata = {
        format: RunMetadata.formatName,
        id,
        ...(run.name === undefined ? {} : { name: run.name }),
        state: "running",
        command: run.command,
        workspace: run.workspace,
        origin: run.origin(id),
        started: new Date(now).toISOString(),
        tool: Tool.name
      }
      // Only now it has its name: a run is never seen without its lock and its metadata.
      yield* attempt(directory.path, () => {
        AtomicFile.replace(Path.join(unfinished, metadataName), RunMetadata.encode(about))
        Fs.renameSync(unfinished, directory.path)
        AtomicFile.syncDirectory(directory.path)
      })
      return { ...directory, about }
    })

  return Layer.succeed(RunStorage.RunStorage, {
    home,
    create,
    discard: (run) => Effect.ignore(attempt(run.path, () => Fs.rmSync(run.path, { recursive: true, force: true }))),
    update,
    list: attempt(Path.join(home, "runs"), () => listRuns(home)),
    find: (asked) => find(home, asked),
    isHeld: (run) => Effect.mapError(ProcessLock.isHeld(lockOf(run)), asUnusable(run.path)),
    takeOver: (run) => Effect.mapError(ProcessLock.tryHold(lockOf(run)), asUnusable(run.path))
  })
}
