import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Dgram from "node:dgram"
import * as Net from "node:net"

/** What the host tries by itself beside the guest: without an answer to the host, the guest's silence says nothing. */
export interface Outside {
  readonly protocol: "tcp" | "udp"
  readonly address: string
  readonly port: number
  /** What is sent; `null` where a connection is enough. */
  readonly payload: Uint8Array | null
  /** What the answer must hold. */
  readonly answer: string
}

/** Whether it was reached by now. Nobody waits for it. */
export type Reached = () => boolean

const ANSWER_CHARS_MAX = 4096

const askUdp = ({ address, payload, port }: Outside, take: (bytes: Buffer) => void): (() => void) => {
  const socket = Dgram.createSocket(Net.isIPv6(address) ? "udp6" : "udp4")
  socket.on("error", () => undefined).on("message", take)
  socket.connect(port, address, (...[error]: ReadonlyArray<unknown>) => {
    if (error === undefined || error === null) socket.send(payload ?? "", () => undefined)
  })
  return () => socket.close()
}

const askTcp = ({ address, payload, port }: Outside, take: (bytes: Buffer) => void): (() => void) => {
  const socket = Net.connect({ host: address, port })
  socket.on("error", () => socket.destroy()).on("data", take)
  socket.on("connect", () => (payload === null ? take(Buffer.alloc(0)) : socket.write(payload)))
  return () => socket.destroy()
}

/** Starts to ask, until the scope closes. */
export const ask = (outside: Outside): Effect.Effect<Reached, never, Scope.Scope> =>
  Effect.gen(function* () {
    let answer: string | null = null
    const take = (bytes: Buffer) => {
      answer = `${answer ?? ""}${bytes.toString("latin1")}`.slice(0, ANSWER_CHARS_MAX)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => (outside.protocol === "udp" ? askUdp : askTcp)(outside, take)),
      (close) => Effect.sync(close)
    )
    return () => answer?.includes(outside.answer) === true
  })
