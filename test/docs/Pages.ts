/** The pages of docs/ as tests read them. */
import * as Fs from "node:fs"

/** A file of this project, from its root. */
export const read = (path: string): string => Fs.readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

export const exists = (path: string): boolean => Fs.existsSync(new URL(`../../${path}`, import.meta.url))

/** Files below a folder of this project whose names end so, as paths from its root. */
export const filesBelow = (folder: string, ending: string): ReadonlyArray<string> =>
  Fs.readdirSync(new URL(`../../${folder}/`, import.meta.url), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)

/** The rows, without head and line, of the one table whose first head cell is this; cells are trimmed. */
export const table = (page: string, head: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = page.split("\n")
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`))
  const rows = start < 0 ? [] : lines.slice(start + 2)
  const end = rows.findIndex((line) => !line.startsWith("|"))
  return rows.slice(0, end < 0 ? undefined : end).map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim())
  )
}

/** The first fenced block of this language behind a marker. */
export const block = (page: string, language: string, marker = ""): string => {
  const rest = page.slice(page.indexOf(marker))
  return new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "m").exec(rest)?.[1] ?? ""
}

/** What stands between backquotes. */
export const quoted = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!) // the group is not optional
