/**
 * Whose signature lines a checkpoint must carry (docs/format.md, section 3).
 *
 * @module
 */
import * as SignedNote from "./SignedNote.ts"
import type * as Vkey from "./Vkey.ts"

export interface KeyNeed {
  readonly key: Vkey.Vkey
  /** The key's owner, for people. */
  readonly who: string
  /** Whether its line must be there; a line that is there must verify in any case. */
  readonly required: boolean
}

/** What is wrong with the signatures of a checkpoint of `size`, if anything. */
export const wrongSignature = (
  note: SignedNote.SignedNote,
  size: number,
  needs: ReadonlyArray<KeyNeed>
): string | undefined => {
  for (const { key, required, who } of needs) {
    const result = SignedNote.check(note, key)
    if (result === "invalid") return `the signature of ${who} on the checkpoint of size ${size} does not verify`
    if (result === "absent" && required) return `the checkpoint of size ${size} is not signed by ${who}`
  }
  return undefined
}
