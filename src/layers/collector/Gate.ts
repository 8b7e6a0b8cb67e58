/**
 * Which channel a token opens. Tokens are compared in constant time, and their texts are struck out of everything that
 * is recorded.
 *
 * @module
 */
import * as Redacted from "effect/Redacted"
import { timingSafeEqual } from "node:crypto"
import type { Channel } from "../../domain/Protocol.ts"

export type Admission =
  | { readonly _tag: "Channel"; readonly channel: Channel }
  /** The collector's own connection: everything that was in the kernel's queue before it is accepted. */
  | { readonly _tag: "Marker" }
  | { readonly _tag: "Refused"; readonly reason: string }

export interface Tokens {
  /** Opens the runner's channel, once. 64 hex digits. */
  readonly runner: Redacted.Redacted
  /** Opens a shim's channel, any number of times. */
  readonly audit?: Redacted.Redacted | undefined
  /** Known to the collector alone. */
  readonly marker: Redacted.Redacted
}

/** Whether a text can be a token. */
export const isToken = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)

const asterisk = 0x2a

/** Mutable: it remembers that the runner came. */
export class Gate {
  readonly #runner: Buffer
  readonly #marker: Buffer
  readonly #audit: Buffer | undefined
  #runnerCame = false

  constructor(tokens: Tokens) {
    this.#runner = Buffer.from(Redacted.value(tokens.runner))
    this.#marker = Buffer.from(Redacted.value(tokens.marker))
    this.#audit = tokens.audit === undefined ? undefined : Buffer.from(Redacted.value(tokens.audit))
  }

  /** @param token 64 bytes */
  admit(token: Buffer): Admission {
    const isRunner = timingSafeEqual(token, this.#runner)
    const isMarker = timingSafeEqual(token, this.#marker)
    const isAudit = this.#audit !== undefined && timingSafeEqual(token, this.#audit)
    if (isMarker) return { _tag: "Marker" }
    if (isAudit) return { _tag: "Channel", channel: "shim" }
    if (!isRunner) return { _tag: "Refused", reason: "a token that opens nothing here" }
    if (this.#runnerCame) return { _tag: "Refused", reason: "the runner's secret, which was already used" }
    this.#runnerCame = true
    return { _tag: "Channel", channel: "runner" }
  }

  /** Strikes the tokens out, in place. */
  strike(bytes: Buffer): void {
    strikeOne(bytes, this.#runner)
    if (this.#audit !== undefined) strikeOne(bytes, this.#audit)
  }
}

const strikeOne = (bytes: Buffer, token: Buffer): void => {
  for (let at = bytes.indexOf(token); at >= 0; at = bytes.indexOf(token, at)) {
    bytes.fill(asterisk, at, at + token.length)
  }
}
