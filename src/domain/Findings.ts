/**
 * What a verification has met so far: the first conclusion that counts, remarks, and numbers. Owned by one verifier.
 *
 * @module
 */
import type * as Verdict from "./Verdict.ts"

/** Most remarks that are kept; a hostile log could make one per entry. */
export const maxFindings = 200

export class Findings {
  #conclusion: Verdict.Conclusion | undefined
  #position = Number.POSITIVE_INFINITY
  readonly #remarks: Array<string> = []
  readonly #anchors = new Set<string>()
  readonly #supports = new Set<string>()
  #left = 0

  /** The first conclusion in stream order, if any. */
  get conclusion(): Verdict.Conclusion | undefined {
    return this.#conclusion
  }

  /**
   * Concludes, unless something earlier in the stream did.
   *
   * @param position number of the record that shows it
   */
  conclude(conclusion: Verdict.Conclusion, position: number): void {
    if (position < this.#position) {
      this.#conclusion = conclusion
      this.#position = position
    }
  }

  remark(text: string): void {
    if (this.#remarks.length < maxFindings) this.#remarks.push(text)
    else this.#left++
  }

  /** Evidence from elsewhere that agrees with the log: who holds the host key could not have made it. */
  anchor(text: string): void {
    if (this.#anchors.size < maxFindings) this.#anchors.add(text)
  }

  /** Evidence that agrees with the log and is signed by the same host. */
  support(text: string): void {
    if (this.#supports.size < maxFindings) this.#supports.add(text)
  }

  get supports(): ReadonlyArray<string> {
    return [...this.#supports]
  }

  get anchors(): ReadonlyArray<string> {
    return [...this.#anchors]
  }

  get remarks(): ReadonlyArray<string> {
    return this.#left === 0 ? this.#remarks : [...this.#remarks, `and ${this.#left} more findings`]
  }
}
