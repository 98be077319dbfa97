import { maxSocketPathBytes } from "@bottle/egress/ProxyError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { ControlFailed } from "../../ControlError.js"

const UMASK = 0o177

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "UNKNOWN"

/**
 * Listens on a socket of mode 0600 until the scope closes. Its directory is the bottle's own and new, so nothing can be
 * in the way that is not an error.
 */
export const listen = (
  path: string,
  onConnection: (socket: Net.Socket) => void
): Effect.Effect<void, ControlFailed, Scope.Scope> =>
  Effect.gen(function* () {
    if (Buffer.byteLength(path) > maxSocketPathBytes) {
      return yield* new ControlFailed({ path, reason: `the path is longer than ${maxSocketPathBytes} bytes` })
    }
    // A client that has said all that it will may still wait for the answer.
    const server = Net.createServer({ allowHalfOpen: false, pauseOnConnect: true }, onConnection)
    yield* Effect.acquireRelease(open(server, path), () => close(server))
    // What cannot be accepted now (no descriptors are left) is asked for again by its client.
    server.on("error", () => {})
  })

const open = (server: Net.Server, path: string): Effect.Effect<void, ControlFailed> =>
  Effect.async((resume) => {
    server.once("error", (error) => resume(new ControlFailed({ path, reason: codeOf(error) })))
    server.once("listening", () => {
      server.removeAllListeners("error")
      resume(Effect.void)
    })
    // The socket file is made within this call, so it is never seen with another mode.
    let before: number
    try {
      before = process.umask(UMASK)
    } catch (error) {
      // A worker thread may not set it; a socket that others could open for a moment is no substitute.
      return resume(new ControlFailed({ path, reason: codeOf(error) }))
    }
    try {
      server.listen({ path })
    } finally {
      process.umask(before)
    }
  })

/** Connections are for their own fibers to end. */
const close = (server: Net.Server): Effect.Effect<void> => Effect.sync(() => void server.close(() => {}))
