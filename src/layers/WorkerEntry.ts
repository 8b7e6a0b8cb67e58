/**
 * Where worker threads start: `dist/workers/<name>.cjs` below the package root, whether this module runs from the
 * sources, from the library build or inside the bundled CLI.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const packageName = "agentops"

const isRoot = (directory: string): boolean => {
  const file = Path.join(directory, "package.json")
  if (!existsSync(file)) return false
  const about: unknown = JSON.parse(readFileSync(file, "utf8"))
  return typeof about === "object" && about !== null && "name" in about && about.name === packageName
}

/** The nearest directory above this file whose package.json is this package's; throws when there is none. */
export const packageRoot = (): string => {
  let directory = Path.dirname(fileURLToPath(import.meta.url))
  while (!isRoot(directory)) {
    const parent = Path.dirname(directory)
    if (parent === directory) throw new Error(`no package.json of ${packageName} above ${import.meta.url}`)
    directory = parent
  }
  return directory
}

/** @throws Error when the bundle is missing: `npm run build:cli` makes it */
export const path = (name: string): string => {
  const file = Path.join(packageRoot(), "dist", "workers", `${name}.cjs`)
  if (!existsSync(file)) throw new Error(`worker bundle ${file} is missing; npm run build:cli makes it`)
  return file
}
