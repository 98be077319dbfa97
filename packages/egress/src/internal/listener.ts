import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import type { Listen } from "../ProxyError.js"
import { ListenRefused, maxSocketPathBytes, ProxyClosed } from "../ProxyError.js"

type Refuse = (reason: ListenRefused["reason"], code?: string) => ListenRefused

const reasonOf = (code: string | undefined): ListenRefused["reason"] => {
  switch (code) {
    case "EADDRINUSE":
      return "in-use"
    case "ENOENT":
    case "ENOTDIR":
      return "directory-missing"
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "permission-denied"
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
    case "ENOTFOUND":
      return "address-unavailable"
    default:
      return "other"
  }
}

/** Whether somebody answers on a socket file; one that its owner left behind refuses. */
const isAnswered = (path: string, done: (isAnswered: boolean) => void): void => {
  const socket = Net.connect({ path })
  const finish = (answered: boolean) => (): void => {
    socket.destroy()
    done(answered)
  }
  socket.once("connect", finish(true))
  // Anything but a refusal (a full backlog, a missing right) may be somebody who lives.
  socket.once("error", (error: NodeJS.ErrnoException) => finish(error.code !== "ECONNREFUSED")())
}

/** Makes way for a new socket: removes what a dead owner of ours left there, and nothing else. */
const makeWay = (path: string, refuse: Refuse, done: (refused: ListenRefused | undefined) => void): void => {
  let found: Fs.Stats | undefined
  try {
    // Binding says "permission denied" of a directory that is not there.
    if (Fs.statSync(Path.dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true) {
      return done(refuse("directory-missing"))
    }
    found = Fs.lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return done(refuse(reasonOf(code), code))
  }
  if (found === undefined) return done(undefined)
  if (!found.isSocket()) return done(refuse("not-a-socket"))
  if (found.uid !== process.getuid?.()) return done(refuse("not-ours"))
  return isAnswered(path, (answered) => {
    if (answered) return done(refuse("in-use"))
    Fs.rmSync(path, { force: true })
    return done(undefined)
  })
}

const bind = (server: Net.Server, listen: Listen, refuse: Refuse, done: (listened: Listened) => void): void => {
  const onError = (error: NodeJS.ErrnoException): void => done(refuse(reasonOf(error.code), error.code))
  server.once("error", onError)
  server.once("listening", () => {
    server.removeListener("error", onError)
    const address = server.address()
    done(
      listen._tag === "Tcp" && address !== null && typeof address === "object"
        ? { ...listen, port: address.port }
        : listen
    )
  })
  if (listen._tag === "Tcp") {
    server.listen({ host: listen.host, port: listen.port })
    return undefined
  }
  // The socket file is created within this call (a listening pipe needs no look-up), so it is never seen with another
  // mode than the one that was asked for.
  let before: number
  try {
    before = process.umask(0o777 & ~(listen.mode ?? 0o600))
  } catch (error) {
    // A worker thread may not set it; a socket that others could open for a moment is no substitute.
    return done(refuse("other", (error as NodeJS.ErrnoException).code))
  }
  try {
    server.listen({ path: listen.path })
  } finally {
    process.umask(before)
  }
  return undefined
}

/** Where the server listens, or why it does not. */
type Listened = Listen | ListenRefused

/** Opens the listener; calls back once. */
const open = (server: Net.Server, listen: Listen, done: (listened: Listened) => void): void => {
  const refuse: Refuse = (reason, code) => new ListenRefused({ listen, reason, code: code ?? null })
  if (listen._tag === "Tcp") {
    // A name would be looked up, and might be more than one address.
    if (Net.isIP(listen.host) === 0) return done(refuse("address-unavailable"))
    return bind(server, listen, refuse, done)
  }
  const { path } = listen
  if (!path.startsWith("/") || path.includes("\0")) return done(refuse("path-invalid"))
  if (Buffer.byteLength(path) > maxSocketPathBytes) return done(refuse("path-too-long"))
  return makeWay(path, refuse, (refused) => {
    if (refused === undefined) bind(server, listen, refuse, done)
    else done(refused)
  })
}

// Closing waits for sockets that are destroyed already; more than this is never spent on it.
const closeMillis = 2000

/** A listener that stands. */
export interface Listening {
  /** Where: the port is the one that was taken. */
  readonly address: Listen
  /** Fails when it has stopped; never succeeds. */
  readonly closed: Effect.Effect<never, ProxyClosed>
}

/**
 * Listens as long as the scope lives; its end removes the socket file. `destroyConnections` is called when the
 * listener stops, perhaps twice, and may leave no connection.
 */
export const listening = (
  server: Net.Server,
  listen: Listen,
  destroyConnections: () => void
): Effect.Effect<Listening, ListenRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const closed = yield* Deferred.make<never, ProxyClosed>()
    const stop = (reason: ProxyClosed["reason"], code: string | null): void => {
      destroyConnections()
      Deferred.unsafeDone(closed, Effect.fail(new ProxyClosed({ reason, code })))
    }
    const start = Effect.async<Listen, ListenRefused>((resume) => {
      open(server, listen, (listened) => {
        if (listened._tag === "ListenRefused") return resume(Effect.fail(listened))
        server.on("error", (error: NodeJS.ErrnoException) => {
          stop("listener-failed", error.code ?? null)
          server.close()
        })
        return resume(Effect.succeed(listened))
      })
    })
    const close = Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
      stop("scope-closed", null)
    }).pipe(Effect.interruptible, Effect.timeoutOption(closeMillis))
    const address = yield* Effect.acquireRelease(start, () => close)
    return { address, closed: Deferred.await(closed) }
  })
