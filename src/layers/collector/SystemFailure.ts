/**
 * What keeps a collector from its work, in words for a person.
 *
 * @module
 */
import { CollectorFailed } from "../../services/Collector.ts"

/** The operating system's code, such as ENOENT; empty when there is none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""

/** A failure of what `path` names. */
export const because = (path: string, reason: string) => new CollectorFailed({ path, reason: `${path}: ${reason}` })

/** A failure by an error of the operating system. */
export const of = (path: string, error: unknown): CollectorFailed => {
  if (error instanceof CollectorFailed) return error
  const known: Readonly<Record<string, string>> = {
    EACCES: "permission denied; choose a directory that you can write",
    EPERM: "permission denied; choose a directory that you can write",
    EROFS: "the file system is read-only; choose another directory",
    ENOSPC: "the disk is full; make room on it",
    EDQUOT: "the disk quota is used up; make room",
    ENOENT: "its directory does not exist; make it first",
    ENOTDIR: "a part of the path is not a directory",
    EADDRINUSE: "somebody listens there already; choose another one",
    EADDRNOTAVAIL: "this machine has no such address; choose one that it has",
    ENOTSUP: "no socket can be made on that file system; choose another directory",
    EOPNOTSUPP: "no socket can be made on that file system; choose another directory"
  }
  return because(path, known[codeOf(error)] ?? (error instanceof Error ? error.message : String(error)))
}
