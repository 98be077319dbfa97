import type * as Net from "node:net"
import type { ConnectionOptions, SecureContext, TLSSocket } from "node:tls"
import type { Host } from "../Host.js"
import * as Hosts from "../Host.js"
import type { Failure } from "./dial.js"

export interface SecureOptions {
  /** A connection to the host, to which nothing was written yet. */
  readonly socket: Net.Socket
  /** Whom the certificate has to name. */
  readonly host: Host
  readonly timeoutMillis: number
}

/** Speaks TLS on a connection: calls back once, unless it is given up by what it returns. */
export type Secure = (options: SecureOptions, done: (result: Failure | TLSSocket) => void) => () => void

const because = (explanation: string, isTime = false): Failure => ({ isTime, explanation })

/** What a failed handshake means; node's own text may hold what the other side's certificate says. */
const explain = ({ code = "" }: NodeJS.ErrnoException): Failure => {
  switch (code) {
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return because("its certificate is for another name")
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return because("its certificate is not valid now")
    case "ECONNRESET":
    case "EPIPE":
      return because("it cut the connection before TLS stood")
    default:
      return /^[A-Z0-9_]{1,40}$/.test(code)
        ? because(
            /CERT|SIGNATURE|ISSUER/.test(code)
              ? `its certificate is not trusted (${code})`
              : `TLS with it failed (${code})`
          )
        : because("TLS with it failed")
  }
}

/**
 * TLS to upstreams, trusted by these certificates or, without any, by those that node trusts. A certificate that does not
 * hold ends the connection, whatever the environment of this program says.
 */
export const make = (ca: ReadonlyArray<string> | undefined): Secure => {
  let context: SecureContext | undefined
  return ({ host, socket, timeoutMillis }, done) => {
    let isOver = false
    let secured: TLSSocket | undefined
    const giveUp = (): void => {
      isOver = true
      clearTimeout(timer)
      for (const each of [secured, socket]) {
        each?.removeAllListeners()
        each?.on("error", () => {})
        each?.destroy()
      }
    }
    const fail = (failure: Failure): void => {
      if (isOver) return
      giveUp()
      done(failure)
    }
    const timer = setTimeout(() => fail(because("it did not answer in time", true)), timeoutMillis)
    socket.once("error", (error) => fail(explain(error)))
    socket.once("close", () => fail(because("it cut the connection before TLS stood")))
    const start = (Tls: typeof import("node:tls")): void => {
      if (isOver) return
      context ??= Tls.createSecureContext({
        minVersion: "TLSv1.2",
        ...(ca === undefined ? {} : { ca: [...ca] })
      })
      const name = Hosts.text(host)
      const options: ConnectionOptions = {
        socket,
        host: name,
        // An address is no server name (RFC 6066 3); the certificate is held against `host`.
        ...(host._tag === "Name" ? { servername: name } : {}),
        secureContext: context,
        ALPNProtocols: ["http/1.1"],
        rejectUnauthorized: true
      }
      secured = Tls.connect(options)
      secured.once("error", (error) => fail(explain(error)))
      secured.once("close", () => fail(because("it cut the connection before TLS stood")))
      secured.once("secureConnect", () => {
        if (isOver || secured === undefined) return
        clearTimeout(timer)
        isOver = true
        secured.removeAllListeners("error")
        secured.removeAllListeners("close")
        // A broken transport breaks TLS too, which is who is listened to from here on.
        socket.on("error", () => {})
        done(secured)
      })
    }
    // Loaded here: most proxies never need it, and a start pays for all that is loaded.
    import("node:tls").then(start).catch(() => fail(because("TLS with it failed")))
    return giveUp
  }
}
