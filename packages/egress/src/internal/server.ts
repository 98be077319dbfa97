import * as Either from "effect/Either"
import * as Http from "node:http"
import * as Net from "node:net"
import type { ProtocolReason } from "../EgressEvent.js"
import type { Core, Exchange } from "./exchange.js"
import * as Exchanges from "./exchange.js"
import * as Forward from "./forward.js"
import * as Headers from "./headers.js"
import type { Reply } from "./reply.js"
import type { Target } from "./target.js"
import * as Targets from "./target.js"
import * as Tunnel from "./tunnel.js"

/** What is known of a client's connection. Its requests are served one after the other, in their order. */
interface Connection {
  isBusy: boolean
  readonly waiting: Array<() => void>
}

export interface ProxyServer {
  readonly server: Http.Server
  /** Ends every exchange and destroys every socket, at once. The listener is closed by who opened it. */
  readonly destroyConnections: () => void
}

const ignore = (): void => {}

/** What a request that is to be forwarded must be, whatever its target says. */
const checkRequest = (request: Http.IncomingMessage): Either.Either<Target, Targets.NotATarget> =>
  Either.gen(function* () {
    if (request.httpVersion !== "1.1" && request.httpVersion !== "1.0") {
      return yield* Either.left<Targets.NotATarget>({
        reason: "request-malformed",
        detail: "its version is neither HTTP/1.1 nor HTTP/1.0",
        host: null
      })
    }
    const target = yield* Targets.ofAbsolute(request.method ?? "", request.url ?? "")
    yield* Targets.checkHost(request.rawHeaders, target.authority, request.httpVersion)
    const framing = Headers.framing(request.rawHeaders)
    if (framing._tag === "Ambiguous" || (framing._tag === "Chunked" && request.httpVersion === "1.0")) {
      const detail = framing._tag === "Ambiguous" ? framing.detail : "HTTP/1.0 knows no chunks"
      return yield* Either.left<Targets.NotATarget>({ reason: "framing-ambiguous", detail, host: null })
    }
    return target
  })

/** The request again, as bytes, without its wish to switch protocols. */
const withoutUpgrade = (request: Http.IncomingMessage): string => {
  const kept: Array<string> = []
  const { rawHeaders } = request
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ""
    const value = rawHeaders[index + 1] ?? ""
    const lower = name.toLowerCase()
    if (lower === "upgrade" || lower === "http2-settings") continue
    if (lower !== "connection") kept.push(`${name}: ${value}\r\n`)
  }
  const connection = Headers.tokens(rawHeaders, "connection").filter(
    (token) => token !== "upgrade" && token !== "http2-settings"
  )
  if (connection.length > 0) kept.push(`Connection: ${connection.join(", ")}\r\n`)
  return `${request.method ?? ""} ${request.url ?? ""} HTTP/${request.httpVersion}\r\n${kept.join("")}\r\n`
}

/** What a failure of the parser means. Nothing for a connection that merely broke. */
const parserReason = (error: NodeJS.ErrnoException): readonly [ProtocolReason, string] | undefined => {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return ["headers-too-large", "its header is too large"]
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["headers-too-slow", "its header did not come in time"]
    case "HPE_UNEXPECTED_CONTENT_LENGTH":
    case "HPE_INVALID_CONTENT_LENGTH":
    case "HPE_INVALID_TRANSFER_ENCODING":
      return ["framing-ambiguous", "how long its body is cannot be told"]
    default:
      return error.code?.startsWith("HPE_") ? ["request-malformed", "it is not a well-formed HTTP request"] : undefined
  }
}

/** The proxy on plain callbacks; `core` says what is allowed and how names are found. */
export const make = (core: Core): ProxyServer => {
  const { limits } = core
  const clients = new Set<Net.Socket>()
  const connections = new WeakMap<Net.Socket, Connection>()
  const refused = new WeakSet<Net.Socket>()
  let isStopping = false

  const server = Http.createServer({
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
    // A missing Host is refused here, with a text that says so.
    requireHostHeader: false,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headerMillis,
    // A body may take as long as it moves.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMillis,
    connectionsCheckingInterval: Math.max(10, Math.min(1000, Math.floor(limits.headerMillis / 4))),
    noDelay: true
  })
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  // Later than the idle time of an exchange, which can still say why.
  server.timeout = limits.idleMillis + limits.connectMillis

  const protocol = (request: number, method: string | null, reason: ProtocolReason, detail: string) =>
    Exchanges.refuseProtocol(core, { request, method, reason, detail })

  /** Runs a request when those before it on its connection are over; `release` lets the next one run. */
  const enqueue = (client: Net.Socket, run: (release: () => void) => void): void => {
    const connection = connections.get(client)
    if (connection === undefined || client.destroyed) return
    const start = (): void => {
      // It waited, and its client may have gone meanwhile.
      if (client.destroyed) return
      connection.isBusy = true
      run(() => {
        connection.isBusy = false
        connection.waiting.shift()?.()
      })
    }
    if (!connection.isBusy) return start()
    if (connection.waiting.length >= limits.pipelined) {
      protocol(0, null, "too-many-pipelined", "too many requests wait on one connection")
      client.destroy()
      return
    }
    connection.waiting.push(start)
  }

  const serveRequest = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
    const framing = Headers.framing(request.rawHeaders)
    const isBodyToCome = Headers.hasBody(framing) || framing._tag === "Ambiguous"
    const method = request.method ?? ""
    const number = core.nextRequest()
    const target = checkRequest(request)
    const answer = (reply: Reply): void => {
      // What is wrong with the body that nobody wants must not cut the answer off.
      if (isBodyToCome) refused.add(request.socket)
      Forward.answer(request, response, reply, isBodyToCome)
    }
    if (Either.isLeft(target)) return answer(Exchanges.refuseTarget(core, number, method, target.left))
    let exchange: Exchange | undefined
    response.once("close", () => {
      if (response.writableFinished) exchange?.end("completed", "")
      else exchange?.end("client-gone", "the client cut the connection")
    })
    exchange = Exchanges.open(
      core,
      { request: number, method, authority: target.right.authority },
      (reached, connected) => {
        if (response.destroyed) return connected?.end("client-gone", "the client cut the connection")
        if (reached._tag === "Reply") return answer(reached.reply)
        if (connected === undefined) return undefined
        const { upstream } = reached
        const exchange = connected
        return Forward.forward({ core, exchange, upstream, request, response, target: target.right, framing })
      }
    )
    return undefined
  }

  const onRequest = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
    request.on("error", ignore)
    response.on("error", ignore)
    enqueue(request.socket, (release) => {
      response.once("close", release)
      serveRequest(request, response)
    })
  }

  /**
   * Asks for an upstream on behalf of a connection that nobody parses any more. Should the client go away before there
   * is one, the exchange ends; from then on it is for `use` to see to that.
   */
  const openRaw = (
    client: Net.Socket,
    asked: Parameters<typeof Exchanges.open>[1],
    use: (upstream: Net.Socket, exchange: Exchange) => void
  ): void => {
    let exchange: Exchange | undefined
    const onClose = (): void => exchange?.end("client-gone", "the client cut the connection")
    client.once("close", onClose)
    exchange = Exchanges.open(core, asked, (reached, connected) => {
      if (client.destroyed) return connected?.end("client-gone", "the client cut the connection")
      client.removeListener("close", onClose)
      if (reached._tag === "Reply") return Forward.answerRaw(client, reached.reply)
      return connected === undefined ? undefined : use(reached.upstream, connected)
    })
  }

  const onConnect = (request: Http.IncomingMessage, client: Net.Socket, head: Buffer): void => {
    client.on("error", ignore)
    enqueue(client, () => {
      const number = core.nextRequest()
      const framing = Headers.framing(request.rawHeaders)
      if (Headers.hasBody(framing) || framing._tag === "Ambiguous") {
        return Forward.answerRaw(client, protocol(number, "CONNECT", "framing-ambiguous", "CONNECT has no body"))
      }
      const authority = Targets.ofConnect(request.url ?? "")
      if (Either.isLeft(authority)) {
        return Forward.answerRaw(client, Exchanges.refuseTarget(core, number, "CONNECT", authority.left))
      }
      const asked = { request: number, method: "CONNECT", authority: authority.right }
      return openRaw(client, asked, (upstream, exchange) => {
        client.write("HTTP/1.1 200 Connection Established\r\n\r\n")
        if (head.length > 0) upstream.write(head)
        const { halfClosedIdleMillis, idleMillis } = limits
        Tunnel.join({ client, upstream, exchange, idleMillis, halfClosedIdleMillis })
      })
    })
  }

  const onUpgrade = (request: Http.IncomingMessage, client: Net.Socket, head: Buffer): void => {
    client.on("error", ignore)
    enqueue(client, (release) => {
      const framing = Headers.framing(request.rawHeaders)
      const isWebSocket =
        request.method === "GET" &&
        framing._tag === "None" &&
        Headers.tokens(request.rawHeaders, "upgrade").join() === "websocket"
      if (!isWebSocket) {
        // Clients offer h2c with ordinary requests, bodies included. The offer is not taken, and the request is read
        // again without it: node has let go of the connection, but takes any stream for a new one.
        client.removeListener("error", ignore)
        client.unshift(Buffer.concat([Buffer.from(withoutUpgrade(request), "latin1"), head]))
        release()
        server.emit("connection", client)
        return undefined
      }
      const number = core.nextRequest()
      const target = checkRequest(request)
      if (Either.isLeft(target)) {
        return Forward.answerRaw(client, Exchanges.refuseTarget(core, number, "GET", target.left))
      }
      const asked = { request: number, method: "GET", authority: target.right.authority }
      return openRaw(client, asked, (upstream, exchange) =>
        Forward.forwardUpgrade({
          core,
          exchange,
          upstream,
          request,
          client,
          head,
          target: target.right,
          framing
        })
      )
    })
  }

  // First, so that a connection is known before its first request is parsed.
  server.prependListener("connection", (client: Net.Socket) => {
    if (connections.has(client)) return
    connections.set(client, { isBusy: false, waiting: [] })
    clients.add(client)
    client.once("close", () => clients.delete(client))
    if (isStopping) client.destroy()
  })
  server.on("drop", () => protocol(0, null, "too-many-connections", "too many connections at one time"))
  server.on("request", onRequest)
  server.on("checkContinue", onRequest)
  server.on("checkExpectation", onRequest)
  server.on("connect", onConnect)
  server.on("upgrade", onUpgrade)
  server.on("timeout", (client) => client.destroy())
  server.on("clientError", (error: NodeJS.ErrnoException, stream) => {
    const reason = parserReason(error)
    const client = stream instanceof Net.Socket ? stream : undefined
    // The parser complains about every further byte while the answer lingers.
    if (client !== undefined && refused.has(client)) return undefined
    const isBusy = client === undefined || connections.get(client)?.isBusy !== false
    if (reason === undefined) return stream.destroy()
    const reply = protocol(isBusy ? 0 : core.nextRequest(), null, reason[0], reason[1])
    // Behind an answer that is under way nothing can be said.
    if (client === undefined || isBusy || !client.writable) return stream.destroy()
    refused.add(client)
    return Forward.answerRaw(client, reply)
  })

  return {
    server,
    destroyConnections: () => {
      isStopping = true
      for (const exchange of core.exchanges) exchange.end("shut-down", "the proxy was stopped")
      for (const socket of [...clients, ...core.upstreams]) socket.destroy()
    }
  }
}
