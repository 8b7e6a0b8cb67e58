/**
 * A terminal that is gone (closed window, lost connection) must not crash this process at its very end.
 *
 * On exit Node puts back the modes of the terminals that it was started with, and aborts when the kernel refuses
 * (`node::ResetStdio` asserts that tcsetattr(3) succeeds; a terminal that hung up gives EIO). It leaves alone a
 * descriptor that is no longer the same file.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs"
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"

const standard = [0, 1, 2]

/** From now on until this process ends. */
export const survive: Effect.Effect<void> = Effect.sync(() => {
  const terminals = standard.filter((fd) => isatty(fd))
  process.once("exit", () => {
    for (const fd of terminals) {
      if (isatty(fd)) continue
      // open(2) gives the lowest number that is free: the one just closed, or one below it that was closed before.
      closeSync(fd)
      openSync("/dev/null", "r+")
    }
  })
})
