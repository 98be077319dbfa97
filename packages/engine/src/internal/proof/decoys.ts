import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Dgram from "node:dgram"
import * as Net from "node:net"

/** What is asked for: a listener of the launch's own, at a free port. */
export interface DecoyRequest {
  readonly name: string
  readonly protocol: "tcp" | "udp"
  readonly address: string
}

/** Something that came to a decoy from anybody but the proof's own check. */
export interface Arrival {
  /** What it began with. */
  readonly payload: string
}

/** A decoy that listens, or the reason why it does not (`port` is 0). */
export interface Decoy extends DecoyRequest {
  readonly port: number
  readonly failure: string | null
  readonly arrivals: () => ReadonlyArray<Arrival>
  /**
   * Reaches the decoy from the host, and waits until the decoy has seen that. What came before is in its log then, for
   * a listener takes what comes in order. False when the host cannot reach it either.
   */
  readonly check: Effect.Effect<boolean>
}

// A guest may connect as often as it likes: one arrival is as good as a thousand.
const ARRIVALS_MAX = 64
const PAYLOAD_BYTES_MAX = 256

/** The host's own connection to itself takes less than a millisecond; this is for a host that stands still. */
export const CHECK_MILLIS = 2000

interface Logged {
  payload: string
}

/** What a decoy and its checks have in common: who came, which of them were ourselves, and who waits for one. */
class Log {
  readonly came: Array<Logged> = []
  /**
   * What our own check says, and nobody else knows. Its address would not tell: docker masquerades what the host sends
   * to a bridge of its own.
   */
  readonly secret = randomBytes(16).toString("hex")
  private waiting: Array<() => void> = []

  add(): Logged | undefined {
    if (this.came.length >= ARRIVALS_MAX) return undefined
    const entry: Logged = { payload: "" }
    this.came.push(entry)
    return entry
  }
  take(entry: Logged, bytes: Buffer): void {
    entry.payload += bytes.toString("latin1").slice(0, PAYLOAD_BYTES_MAX - entry.payload.length)
    for (const wake of this.waiting) wake()
  }
  isOwn({ payload }: Logged): boolean {
    return payload === this.secret
  }
  onChange(wake: () => void): void {
    this.waiting.push(wake)
  }
  foreign(): ReadonlyArray<Arrival> {
    return this.came.filter((entry) => !this.isOwn(entry))
  }
}

interface Listening {
  readonly port: number
  readonly failure: string | null
  readonly close: () => void
}

const reasonOf = (error: NodeJS.ErrnoException): string =>
  error.code === "EADDRNOTAVAIL"
    ? "the host does not have this address"
    : `the host cannot listen there (${error.code})`

const listenTcp = (request: DecoyRequest, banner: string, log: Log): Effect.Effect<Listening, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Listening>((resume) => {
      const sockets = new Set<Net.Socket>()
      // curl and wget take nothing else for an answer.
      const answer = `HTTP/1.0 200 OK\r\nContent-Length: ${banner.length}\r\nConnection: close\r\n\r\n${banner}`
      const server = Net.createServer({ allowHalfOpen: true }, (socket) => {
        const entry = log.add()
        if (entry === undefined) return void socket.destroy()
        sockets.add(socket)
        socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket))
        // Not before it has said something: whoever holds the answer has left its mark.
        socket.on("data", (bytes) => log.take(entry, bytes)).once("data", () => socket.end(answer))
      })
      const close = () => {
        for (const socket of sockets) socket.destroy()
        server.close()
      }
      server.on("error", (error) => resume(Effect.succeed({ port: 0, failure: reasonOf(error), close })))
      server.listen({ host: request.address, port: 0, exclusive: true }, () => {
        const bound = server.address()
        const port = typeof bound === "object" && bound !== null ? bound.port : 0
        resume(Effect.succeed({ port, failure: null, close }))
      })
    }),
    (listening) => Effect.sync(listening.close)
  )

const listenUdp = (request: DecoyRequest, banner: string, log: Log): Effect.Effect<Listening, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Listening>((resume) => {
      const socket = Dgram.createSocket(Net.isIPv6(request.address) ? "udp6" : "udp4")
      socket.on("message", (bytes, from) => {
        const entry = log.add()
        if (entry === undefined) return
        log.take(entry, bytes)
        socket.send(banner, from.port, from.address, () => undefined)
      })
      const close = () => socket.close()
      socket.on("error", (error) => resume(Effect.succeed({ port: 0, failure: reasonOf(error), close })))
      socket.bind({ address: request.address, port: 0, exclusive: true }, () =>
        resume(Effect.succeed({ port: socket.address().port, failure: null, close }))
      )
    }),
    (listening) => Effect.sync(listening.close)
  )

/** Waits until the decoy has heard our own check. */
const heard = (log: Log, resume: (effect: Effect.Effect<boolean>) => void): void => {
  const look = () => {
    if (log.came.some((entry) => log.isOwn(entry))) resume(Effect.succeed(true))
  }
  log.onChange(look)
  look()
}

const checkTcp = (request: DecoyRequest, port: number, log: Log, closers: Array<() => void>): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect({ host: request.address, port })
    closers.push(() => socket.destroy())
    socket.on("error", () => resume(Effect.succeed(false)))
    socket.on("connect", () => socket.write(log.secret))
    heard(log, resume)
  })

const checkUdp = (request: DecoyRequest, port: number, log: Log, closers: Array<() => void>): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    const socket = Dgram.createSocket(Net.isIPv6(request.address) ? "udp6" : "udp4")
    closers.push(() => socket.close())
    socket.on("error", () => resume(Effect.succeed(false)))
    socket.connect(port, request.address, (...[failed]: ReadonlyArray<unknown>) => {
      if (failed !== undefined && failed !== null) return void resume(Effect.succeed(false))
      socket.send(log.secret, (error) => {
        if (error !== null) resume(Effect.succeed(false))
      })
    })
    heard(log, resume)
  })

/** Opens one decoy, which listens until the scope closes. It answers everybody with the banner. */
export const open = (request: DecoyRequest, banner: string): Effect.Effect<Decoy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const log = new Log()
    const closers: Array<() => void> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => closers.forEach((close) => close())))
    const listening = yield* (request.protocol === "tcp" ? listenTcp : listenUdp)(request, banner, log)
    const check = (request.protocol === "tcp" ? checkTcp : checkUdp)(request, listening.port, log, closers)
    return {
      ...request,
      port: listening.port,
      failure: listening.failure,
      arrivals: () => log.foreign(),
      check:
        listening.failure === null
          ? Effect.timeoutTo(check, { duration: CHECK_MILLIS, onTimeout: () => false, onSuccess: (it) => it })
          : Effect.succeed(false)
    }
  })
