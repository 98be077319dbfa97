import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Dgram from "node:dgram"
import * as Net from "node:net"

/** What the host tries by itself beside the guest: without an answer to the host, the guest's silence says nothing. */
export interface Outside {
  readonly protocol: "tcp" | "udp"
  readonly address: string
  readonly port: number
  /** What is sent; of TCP the connection is enough. */
  readonly payload: Uint8Array
}

/** Whether it was reached by now. Nobody waits for it. */
export type Reached = () => boolean

const askUdp = (outside: Outside, reached: () => void): (() => void) => {
  const socket = Dgram.createSocket(Net.isIPv6(outside.address) ? "udp6" : "udp4")
  socket.on("error", () => undefined)
  socket.on("message", reached)
  socket.connect(outside.port, outside.address, (...[error]: ReadonlyArray<unknown>) => {
    if (error === undefined || error === null) socket.send(outside.payload, () => undefined)
  })
  return () => socket.close()
}

const askTcp = (outside: Outside, reached: () => void): (() => void) => {
  const socket = Net.connect({ host: outside.address, port: outside.port })
  socket.on("error", () => socket.destroy()).on("connect", reached)
  return () => socket.destroy()
}

/** Starts to ask, until the scope closes. */
export const ask = (outside: Outside): Effect.Effect<Reached, never, Scope.Scope> =>
  Effect.gen(function* () {
    let isReached = false
    const reached = () => {
      isReached = true
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => (outside.protocol === "udp" ? askUdp : askTcp)(outside, reached)),
      (close) => Effect.sync(close)
    )
    return () => isReached
  })
