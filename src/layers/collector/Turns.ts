/**
 * Whose turn it is: connections that have something, first come, first served, and the runner's every other time. However
 * many connections a guest opens, its runner waits for one of them at most.
 *
 * @module
 */
import type { Connection } from "./Connection.ts"

/** Mutable. */
export class Turns {
  readonly #shims = new Set<Connection>()
  readonly #runners = new Set<Connection>()
  #isRunners = false

  get isEmpty(): boolean {
    return this.#shims.size === 0 && this.#runners.size === 0
  }

  /** Puts a connection at the end of its line; one that stands there keeps its place. */
  add(connection: Connection): void {
    const line = connection.channel === "runner" ? this.#runners : this.#shims
    line.add(connection)
  }

  /** Takes the next one out of its line. */
  next(): Connection | undefined {
    this.#isRunners = !this.#isRunners
    const [first, second] = this.#isRunners ? [this.#runners, this.#shims] : [this.#shims, this.#runners]
    for (const line of [first, second]) {
      for (const connection of line) {
        line.delete(connection)
        return connection
      }
    }
    return undefined
  }

  clear(): void {
    this.#shims.clear()
    this.#runners.clear()
  }
}
