/**
 * Committed values: an entry holds `{"$h": hex}`, the salt and the value are kept beside the log. Deleting them
 * withholds the value for ever and leaves the log intact (docs/format.md, section 2).
 *
 * @module
 */
import * as Jcs from "./Jcs.ts"
import * as Sha256 from "./Sha256.ts"

/** 16 random bytes in base64url without padding. */
const saltForm = /^[A-Za-z0-9_-]{22}$/

/** A salt and the value it hides. */
export type Disclosure = readonly [salt: string, value: Jcs.Json]

/** `$h` of a disclosure: SHA-256 over the RFC 8785 text of `[salt, value]`, in hex. */
export const commit = (disclosure: Disclosure): string => Sha256.textHex(Jcs.encode(disclosure))

/** A parsed JSON value as a disclosure, or undefined when it has not that form. */
export const decode = (value: unknown): Disclosure | undefined => {
  if (!Array.isArray(value) || value.length !== 2) return undefined
  const [salt, hidden]: ReadonlyArray<Jcs.Json> = value
  return typeof salt === "string" && saltForm.test(salt) && hidden !== undefined ? [salt, hidden] : undefined
}

/** Every `$h` inside `data`, in order of appearance. */
export const commitmentsIn = (data: Jcs.Json): ReadonlyArray<string> => {
  const found: Array<string> = []
  const walk = (value: Jcs.Json): void => {
    if (Jcs.isArray(value)) for (const item of value) walk(item)
    else if (Jcs.isObject(value)) {
      const hash = value["$h"]
      if (typeof hash === "string") found.push(hash)
      else for (const name of Object.keys(value)) walk(value[name]!) // own keys have values
    }
  }
  walk(data)
  return found
}
