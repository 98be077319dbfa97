import type * as Net from "node:net"
import type { Outcome } from "../EgressEvent.js"
import type { Exchange } from "./exchange.js"
import { cut } from "./sockets.js"

export interface TunnelOptions {
  readonly client: Net.Socket
  readonly upstream: Net.Socket
  readonly exchange: Pick<Exchange, "end">
  readonly idleMillis: number
  readonly halfClosedIdleMillis: number
  /** Holds back what the client says until it calls `pass`, with what came meanwhile; without it nothing is held back. */
  readonly inspect?: (pass: (bytes: Buffer) => void) => void
}

/**
 * Joins two connections until both sides have ended. Each side may end on its own: what it had to say is delivered, and
 * the other may go on. A side that breaks takes the other down.
 */
export const join = (options: TunnelOptions): void => {
  const { client, exchange, upstream } = options
  client.removeAllListeners("timeout")
  upstream.removeAllListeners("timeout")

  const idle = (): void => {
    exchange.end("idle", "no byte went either way for too long")
    cut(client)
  }
  // Data of one side is written to the other, so that either timer firing means that nothing moves.
  client.setTimeout(options.idleMillis, idle)
  upstream.setTimeout(options.idleMillis, idle)
  const halfClosed = (): void => {
    client.setTimeout(options.halfClosedIdleMillis)
    upstream.setTimeout(options.halfClosedIdleMillis)
  }
  // The client may have ended while it waited for the connection to stand.
  if (client.readableEnded) halfClosed()
  else client.once("end", halfClosed)
  upstream.once("end", halfClosed)

  let isOtherClosed = false
  const onClose = (self: Net.Socket, other: Net.Socket, outcome: Outcome, detail: string) => (): void => {
    if (!self.readableEnded || !self.writableFinished) {
      exchange.end(outcome, detail)
      cut(other)
    } else if (isOtherClosed) {
      exchange.end("completed", "")
    }
    isOtherClosed = true
  }
  // What a broken connection means is told by how it closes.
  client.on("error", () => {})
  upstream.on("error", () => {})
  client.once("close", onClose(client, upstream, "client-gone", "the client cut the connection"))
  upstream.once("close", onClose(upstream, client, "upstream-failed", "the other side cut the connection"))

  upstream.pipe(client)
  if (options.inspect === undefined) {
    client.pipe(upstream)
    return
  }
  options.inspect((bytes) => {
    if (bytes.length > 0) upstream.write(bytes)
    client.pipe(upstream)
  })
}
