/**
 * The home of an installation and the directories of its runs.
 *
 * @module
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as RunMetadata from "../domain/RunMetadata.ts"

/** Paths of one run. */
export interface RunDirectory {
  readonly id: string
  readonly path: string
  /** The log. */
  readonly auditDb: string
  readonly metadata: string
}

/** A run directory with what its metadata says; `undefined` when the file is missing or unreadable. */
export interface StoredRun extends RunDirectory {
  readonly about: RunMetadata.RunMetadata | undefined
}

/** What to start a run directory with. */
export interface NewRun {
  readonly name: string | undefined
  readonly command: ReadonlyArray<string>
  readonly workspace: string
  /** Origin of the run's log, given its id. */
  readonly origin: (id: string) => string
}

/** The home cannot be used. Exit status 125 in `agent run`, 1 elsewhere. */
export class HomeUnusable extends Data.TaggedError("HomeUnusable")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `cannot use ${this.path}: ${this.reason}; set AGENTOPS_HOME to a directory that you can write`
  }
}

/** No run is meant by what was asked for. */
export class RunNotFound extends Data.TaggedError("RunNotFound")<{ readonly asked: string; readonly home: string }> {
  override get message() {
    return this.asked === "latest"
      ? `there is no run in ${this.home}; start one with: agent run -- COMMAND`
      : `no run is called "${this.asked}" in ${this.home}; see: agent list`
  }
}

/** More than one run is meant by what was asked for. */
export class RunAmbiguous extends Data.TaggedError("RunAmbiguous")<{
  readonly asked: string
  readonly candidates: ReadonlyArray<string>
}> {
  override get message() {
    const shown = this.candidates.slice(0, 4).join(", ")
    const more = this.candidates.length > 4 ? `, and ${this.candidates.length - 4} more` : ""
    return `"${this.asked}" could be ${shown}${more}; give more of the id`
  }
}

/** Another run has the name. */
export class RunNameTaken extends Data.TaggedError("RunNameTaken")<{ readonly name: string; readonly id: string }> {
  override get message() {
    return `the name "${this.name}" belongs to ${this.id}; choose another --name`
  }
}

export class RunStorage extends Context.Tag("agentops/RunStorage")<
  RunStorage,
  {
    /** Directory of the installation. */
    readonly home: string
    /**
     * Makes a run directory with metadata of state `running`, and holds the run's lock until the scope closes. The lock
     * goes away with the process, however it ends.
     */
    readonly create: (run: NewRun) => Effect.Effect<StoredRun, HomeUnusable | RunNameTaken, Scope.Scope>
    /** Removes a directory that `create` made and nothing was recorded in. */
    readonly discard: (run: RunDirectory) => Effect.Effect<void>
    /** Replaces the metadata atomically. */
    readonly update: (id: string, about: RunMetadata.RunMetadata) => Effect.Effect<void, HomeUnusable>
    /** All runs, newest first. A home that does not exist has none. */
    readonly list: Effect.Effect<ReadonlyArray<StoredRun>, HomeUnusable>
    /** Exact id, then unique prefix of an id, then name, then `latest`. */
    readonly find: (asked: string) => Effect.Effect<StoredRun, HomeUnusable | RunNotFound | RunAmbiguous>
    /** Whether a living recorder holds the run. */
    readonly isHeld: (run: RunDirectory) => Effect.Effect<boolean, HomeUnusable>
    /** Takes the lock of a run whose recorder is gone, until the scope closes; false when somebody holds it. */
    readonly takeOver: (run: RunDirectory) => Effect.Effect<boolean, HomeUnusable, Scope.Scope>
  }
>() {}
