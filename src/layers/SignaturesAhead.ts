/**
 * Has the signatures of checkpoints verified on other threads before the verifier asks for them, which it does one after
 * the other. A guess that is wrong costs time and nothing else: what counts is the verifier's own question.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Ed25519 from "../domain/Ed25519.ts"
import * as SignedNote from "../domain/SignedNote.ts"
import * as Vkey from "../domain/Vkey.ts"

/** Keys of a log that are remembered; a hostile one could name any number. */
const maxKeys = 4096

const keyStart = '"key":"'

const noteOf = (line: string): unknown => {
  try {
    const record: unknown = JSON.parse(line.replace(/,$/, ""))
    return typeof record === "object" && record !== null && "c" in record ? record.c : undefined
  } catch {
    return undefined // the verifier will say what is wrong with it
  }
}

export class SignaturesAhead {
  readonly #keys = new Map<string, Vkey.Vkey>()

  /** @param keys those that sign where reading begins */
  constructor(keys: ReadonlyArray<Vkey.Vkey>) {
    for (const key of keys) this.#add(key)
  }

  #add(key: Vkey.Vkey): void {
    if (this.#keys.size < maxKeys) this.#keys.set(`${key.name}+${key.keyId}`, key)
  }

  /** An entry's text, in the order of the log: a `log.key` names the key of the notes behind it. */
  entry(text: string): void {
    if (!text.endsWith('"type":"log.key"}') && !text.endsWith('"type":"log.key"}},')) return
    const from = text.indexOf(keyStart) + keyStart.length
    const key = Vkey.parse(text.slice(from, text.indexOf('"', from)))
    if (Either.isRight(key)) this.#add(key.right)
  }

  /** Begins with the signatures of a note; completes when all are done. */
  note(note: string): Promise<unknown> {
    const parsed = SignedNote.parse(note)
    if (Either.isLeft(parsed)) return Promise.resolve()
    const text = Buffer.from(parsed.right.text, "utf8")
    return Promise.all(
      parsed.right.signatures.flatMap(({ keyId, name, signature }) => {
        const key = this.#keys.get(`${name}+${keyId}`)
        return key === undefined ? [] : [Ed25519.verifyAhead(key.publicKey, text, signature)]
      })
    )
  }

  /** A line of a bundle, of either kind. */
  line(line: string): Promise<unknown> {
    if (line.startsWith('{"e":')) this.entry(line)
    if (!line.startsWith('{"c":')) return Promise.resolve()
    const note = noteOf(line)
    return typeof note === "string" ? this.note(note) : Promise.resolve()
  }
}
