/**
 * Standard input as evidence, where it is no regular file: a pipe, a terminal, or a socket, which `/dev/stdin` cannot be
 * opened for (ENXIO; programs made with Node give sockets to their children).
 *
 * @module
 */
import type { EvidenceFile } from "./VerifyIo.ts"

/** Takes standard input over. Closing it ends a read that waits. */
export const open = (): EvidenceFile => {
  const { stdin } = process
  const chunks = stdin[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array(0)
  return {
    fd: 0,
    stat: () => Promise.resolve({ size: 0, isFile: () => false }),
    read: async (buffer, offset, length) => {
      if (rest.length === 0) {
        const next: IteratorResult<unknown> = await chunks.next()
        if (next.done === true || !(next.value instanceof Uint8Array)) return { bytesRead: 0 }
        rest = next.value
      }
      const bytesRead = Math.min(length, rest.length)
      buffer.set(rest.subarray(0, bytesRead), offset)
      rest = rest.subarray(bytesRead)
      return { bytesRead }
    },
    close: () => {
      stdin.destroy()
      return Promise.resolve()
    }
  }
}
