/**
 * The reader of `bench/capture.ts`: a process of its own that accepts connections and finds the lines in what they send,
 * as a collector that never has to wait for its store. Any message is answered with the lines that came since the
 * last one, once no connection is open.
 *
 * `captureReader SOCKET`; sends "ready" when it listens.
 *
 * @module
 */
import { createServer } from "node:net"

const [path] = process.argv.slice(2)
const lineFeed = 10
let lines = 0
let open = 0
let asked = false

const answer = (): void => {
  if (!asked || open > 0) return
  asked = false
  process.send?.(lines)
  lines = 0
}

const server = createServer((socket) => {
  open++
  socket.on("data", (chunk) => {
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, at + 1)) lines++
  })
  socket.on("error", () => socket.destroy())
  socket.on("close", () => {
    open--
    answer()
  })
})
server.listen(path, () => process.send?.("ready"))
process.on("message", () => {
  asked = true
  // A connection may still be waiting to be accepted.
  setTimeout(answer, 20)
})
process.on("disconnect", () => process.exit(0))
