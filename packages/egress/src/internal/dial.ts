import * as Net from "node:net"
import type { Address } from "../Host.js"
import * as Host from "../Host.js"
import { Growing } from "./growing.js"

/** `overheadUp` and `overheadDown` are the bytes of a standing connection that an upstream proxy was asked and said. */
export type Dialled =
  | {
      readonly _tag: "Connected"
      readonly socket: Net.Socket
      readonly address: Address
      readonly overheadUp: number
      readonly overheadDown: number
    }
  | { readonly _tag: "Failed"; readonly failure: Failure; readonly address: Address | null }

/** Why no connection stands: `explanation` continues "but ...". */
export interface Failure {
  readonly isTime: boolean
  readonly explanation: string
}

/** Where connections to somewhere begin: addresses that are tried in turn. */
export interface Place {
  readonly addresses: ReadonlyArray<Address>
  readonly port: number
}

/** A proxy that every connection is asked of (HTTP CONNECT), and the most it may say before it answers. */
export interface Via extends Place {
  readonly headerBytes: number
}

export interface DialOptions extends Place {
  readonly attempts: number
  /** For all attempts together; each has its share of what is left. */
  readonly timeoutMillis: number
  readonly via?: Via | undefined
}

const tooLate: Failure = { isTime: true, explanation: "it did not answer in time" }

/** What a system's error code means. */
const explain = (code: string): Failure => {
  const because = (explanation: string): Failure => ({ isTime: false, explanation })
  switch (code) {
    case "ECONNREFUSED":
      return because("nothing listens there (connection refused)")
    case "ETIMEDOUT":
      return tooLate
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return because("there is no way to it from here (unreachable)")
    case "ECONNRESET":
    case "EPIPE":
      return because("it cut the connection")
    default:
      return because(/^[A-Z0-9_]{1,40}$/.test(code) ? `it could not be reached (${code})` : "it could not be reached")
  }
}

/** One try: calls back once, unless it is given up by what it returns. */
type Attempt = (
  address: Address,
  timeoutMillis: number,
  done: (
    result: Failure | { readonly socket: Net.Socket; readonly overheadUp: number; readonly overheadDown: number }
  ) => void
) => () => void

/** Lets go of a socket; a destroyed one may still report the error that destroyed it. */
const discard = (socket: Net.Socket): void => {
  socket.removeAllListeners()
  socket.on("error", () => {})
  socket.destroy()
}

const directly =
  (port: number): Attempt =>
  (address, timeoutMillis, done) => {
    const socket = Net.connect({
      host: address.address,
      port,
      family: address.family,
      allowHalfOpen: true,
      noDelay: true
    })
    const giveUp = (): void => {
      clearTimeout(timer)
      discard(socket)
    }
    const fail = (failure: Failure): void => {
      giveUp()
      done(failure)
    }
    const timer = setTimeout(() => fail(tooLate), timeoutMillis)
    socket.once("error", (error: NodeJS.ErrnoException) => fail(explain(error.code ?? "EUNKNOWN")))
    socket.once("connect", () => {
      clearTimeout(timer)
      socket.removeAllListeners("error")
      done({ socket, overheadUp: 0, overheadDown: 0 })
    })
    return giveUp
  }

const proxyFailed = (what: string, isTime = false): Failure => ({ isTime, explanation: `the upstream proxy ${what}` })

/** What a proxy says to CONNECT before the tunnel begins, or why none does. */
const readAnswer = (header: string): Failure | undefined => {
  const status = /^HTTP\/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r\n/.exec(header)?.[1]
  if (status === undefined) return proxyFailed("did not answer in HTTP")
  return status.startsWith("2") ? undefined : proxyFailed(`refused it with status ${status}`)
}

/** Asks a proxy, on a connection to it, for one to this address. */
const ask = (
  socket: Net.Socket,
  options: { readonly address: Address; readonly port: number; readonly headerBytes: number },
  done: (answer: Failure | { readonly overheadUp: number; readonly overheadDown: number }) => void
): void => {
  const authority = Host.formatAuthority(options.address, options.port)
  const question = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`
  const answer = new Growing()
  const stop = (): void => {
    socket.removeListener("readable", read)
    socket.removeListener("end", onEnd)
    socket.removeListener("error", onError)
  }
  const finish: typeof done = (result) => {
    stop()
    done(result)
  }
  const onEnd = (): void => finish(proxyFailed("cut the connection before it answered"))
  const onError = (error: NodeJS.ErrnoException): void => {
    finish(
      error.code === "ECONNRESET" ? proxyFailed("cut the connection before it answered") : explain(error.code ?? "")
    )
  }
  // Not by `data`: pausing would have to be undone by whoever uses the connection, and node's own client does not.
  const read = (): void => {
    for (;;) {
      const chunk: unknown = socket.read()
      if (!Buffer.isBuffer(chunk)) return
      const searchedBytes = Math.max(0, answer.size - 3)
      answer.append(chunk)
      const at = answer.bytes.indexOf("\r\n\r\n", searchedBytes)
      const length = at < 0 ? answer.size : at + 4
      if (length > options.headerBytes) return finish(proxyFailed("answered with too long a header"))
      if (at < 0) continue
      const failure = readAnswer(answer.bytes.toString("latin1", 0, length))
      if (failure !== undefined) return finish(failure)
      if (answer.size > length) socket.unshift(answer.bytes.subarray(length))
      return finish({ overheadUp: question.length, overheadDown: length })
    }
  }
  socket.on("readable", read)
  socket.once("end", onEnd)
  socket.once("error", onError)
  socket.write(question)
}

/** Through a proxy: a connection to it for each try, as one that has refused is of no further use. */
const through =
  (via: Via, port: number, attempts: number): Attempt =>
  (address, timeoutMillis, done) => {
    const deadline = performance.now() + timeoutMillis
    let timer: NodeJS.Timeout | undefined
    let standing: Net.Socket | undefined
    const giveUpProxy = dial({ ...via, via: undefined, attempts, timeoutMillis }, (dialled) => {
      if (dialled._tag === "Failed") {
        const { explanation, isTime } = dialled.failure
        return done({ isTime, explanation: `the upstream proxy cannot be reached: ${explanation}` })
      }
      const { socket } = dialled
      standing = socket
      const fail = (failure: Failure): void => {
        clearTimeout(timer)
        discard(socket)
        done(failure)
      }
      timer = setTimeout(() => fail(proxyFailed("did not answer in time", true)), deadline - performance.now())
      ask(socket, { address, port, headerBytes: via.headerBytes }, (answer) => {
        if ("explanation" in answer) return fail(answer)
        clearTimeout(timer)
        standing = undefined
        return done({ socket, ...answer })
      })
      return undefined
    })
    return () => {
      clearTimeout(timer)
      giveUpProxy()
      if (standing !== undefined) discard(standing)
    }
  }

/**
 * Connects to the first of the addresses that answers, through a proxy if there is one. Only these literals are dialled:
 * node looks nothing up for a literal, and a port is always given, so that no path of a Unix socket can be meant.
 *
 * Returns the way to give up, after which nothing is called back.
 */
export const dial = (options: DialOptions, done: (dialled: Dialled) => void): (() => void) => {
  const { attempts, port, timeoutMillis, via } = options
  const candidates = options.addresses.slice(0, attempts)
  const deadline = performance.now() + timeoutMillis
  const attempt = via === undefined ? directly(port) : through(via, port, attempts)
  let isOver = false
  let giveUp = (): void => {}

  const next = (index: number, failure: Failure, last: Address | null): void => {
    const address = candidates[index]
    const leftMillis = deadline - performance.now()
    if (address === undefined || leftMillis <= 0) {
      isOver = true
      return done({ _tag: "Failed", failure: address === undefined ? failure : tooLate, address: last })
    }
    giveUp = attempt(address, leftMillis / (candidates.length - index), (result) => {
      if (isOver) return undefined
      if ("explanation" in result) return next(index + 1, result, address)
      isOver = true
      return done({ _tag: "Connected", address, ...result })
    })
    return undefined
  }

  next(0, explain("EADDRNOTAVAIL"), null)
  return () => {
    if (isOver) return
    isOver = true
    giveUp()
  }
}
