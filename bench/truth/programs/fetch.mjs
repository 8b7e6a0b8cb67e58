/** Every kind of connection that Node makes. */
import { createSocket } from "node:dgram"
import { once } from "node:events"
import * as Http from "node:http"
import * as Net from "node:net"

const { TRUTH_CLOSED, TRUTH_HTTP, TRUTH_HTTP6, TRUTH_UNIX } = process.env
const print = (text) => process.stdout.write(`${text}\n`)

print((await (await fetch(`http://127.0.0.1:${TRUTH_HTTP}/fetch`)).text()).trim())
print((await (await fetch(`http://[::1]:${TRUTH_HTTP6}/six`)).text()).trim())
print((await fetch(`http://127.0.0.1:${TRUTH_CLOSED}/`).catch((error) => error.cause)).code)
for (const options of [{ host: "127.0.0.1", port: TRUTH_HTTP }, { socketPath: TRUTH_UNIX }]) {
  const [response] = await once(Http.get({ ...options, path: "/http", agent: false }), "response")
  print(response.statusCode)
  response.resume()
  await once(response, "end")
}
for (const where of [
  { path: "\0no-such-abstract-name" },
  { path: "no-such-socket" },
  { host: "127.0.0.1", port: Number(TRUTH_CLOSED) }
]) {
  const [error] = await once(
    Net.connect(where).once("error", () => {}),
    "error"
  )
  print(error.code)
}
const datagrams = createSocket("udp4")
datagrams.connect(Number(TRUTH_CLOSED), "127.0.0.1")
await once(datagrams, "connect")
datagrams.close()
