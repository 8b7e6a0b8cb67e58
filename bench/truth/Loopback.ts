/**
 * The servers that workloads talk to: HTTP on 127.0.0.1, on ::1 and on a Unix socket, and a port on which nobody listens.
 * They stay the same for all runs of a workload, so that addresses can be compared.
 *
 * @module
 */
import { once } from "node:events"
import * as Http from "node:http"
import * as Net from "node:net"

export interface Loopback {
  /** TRUTH_HTTP, TRUTH_HTTP6, TRUTH_UNIX and TRUTH_CLOSED. */
  readonly env: Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

const portOf = (server: Net.Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const listening = async (server: Net.Server, where: Net.ListenOptions): Promise<Net.Server> => {
  server.listen(where)
  await once(server, "listening")
  return server
}

const serving = (): Http.Server =>
  Http.createServer((request, response) => {
    request.resume()
    request.on("end", () => response.setHeader("connection", "close").end(`answer to ${request.url}\n`))
  })

/** Starts them; the Unix socket is at this path. */
export const start = async (path: string): Promise<Loopback> => {
  const four = await listening(serving(), { host: "127.0.0.1", port: 0 })
  const six = await listening(serving(), { host: "::1", port: 0 })
  const unix = await listening(serving(), { path })
  // Bound but not listening for others: a port that is taken from here cannot come back as somebody's ephemeral port.
  const closed = await listening(Net.createServer(), { host: "127.0.0.3", port: 0 })
  const servers = [four, six, unix, closed]
  return {
    env: {
      TRUTH_HTTP: String(portOf(four)),
      TRUTH_HTTP6: String(portOf(six)),
      TRUTH_UNIX: path,
      TRUTH_CLOSED: String(portOf(closed))
    },
    close: async () => {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    }
  }
}
