import * as Net from "node:net"
import type { Address } from "../Host.js"

export type Dialled =
  | { readonly _tag: "Connected"; readonly socket: Net.Socket; readonly address: Address }
  | { readonly _tag: "Failed"; readonly code: string; readonly address: Address | null }

export interface DialOptions {
  readonly addresses: ReadonlyArray<Address>
  readonly port: number
  readonly attempts: number
  /** For all attempts together; each has its share of what is left. */
  readonly timeoutMillis: number
}

/**
 * Connects to the first of the addresses that answers. Only these literals are dialled: node looks nothing up for a
 * literal, and a port is always given, so that no path of a Unix socket can be meant.
 *
 * Returns the way to give up, after which nothing is called back.
 */
export const dial = (options: DialOptions, done: (dialled: Dialled) => void): (() => void) => {
  const candidates = options.addresses.slice(0, options.attempts)
  const deadline = performance.now() + options.timeoutMillis
  let current: Net.Socket | undefined
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  const attempt = (index: number, lastCode: string, lastAddress: Address | null): void => {
    const address = candidates[index]
    const leftMillis = deadline - performance.now()
    if (address === undefined || leftMillis <= 0) {
      isOver = true
      return done({ _tag: "Failed", code: address === undefined ? lastCode : "ETIMEDOUT", address: lastAddress })
    }
    const socket = Net.connect({
      host: address.address,
      port: options.port,
      family: address.family,
      allowHalfOpen: true,
      noDelay: true
    })
    current = socket
    const next = (code: string): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      // A destroyed socket may still report the error that destroyed it.
      socket.on("error", () => {})
      socket.destroy()
      if (!isOver) attempt(index + 1, code, address)
    }
    timer = setTimeout(() => next("ETIMEDOUT"), leftMillis / (candidates.length - index))
    socket.once("error", (error: NodeJS.ErrnoException) => next(error.code ?? "EUNKNOWN"))
    socket.once("connect", () => {
      clearTimeout(timer)
      socket.removeAllListeners("error")
      isOver = true
      done({ _tag: "Connected", socket, address })
    })
  }

  attempt(0, "EADDRNOTAVAIL", null)
  return () => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    current?.removeAllListeners()
    current?.on("error", () => {})
    current?.destroy()
  }
}

/** What a system's error code means, in words that continue "but …". */
export const explain = (code: string): string => {
  switch (code) {
    case "ECONNREFUSED":
      return "nothing listens there (connection refused)"
    case "ETIMEDOUT":
      return "it did not answer in time"
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return "there is no way to it from here (unreachable)"
    case "ECONNRESET":
    case "EPIPE":
      return "it cut the connection"
    default:
      return /^[A-Z0-9_]{1,40}$/.test(code) ? `it could not be reached (${code})` : "it could not be reached"
  }
}
