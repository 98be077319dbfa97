import * as Either from "effect/Either"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Credentials from "../Credential.js"
import * as Decision from "../Decision.js"
import * as Host from "../Host.js"
import type { Asked, Core, Exchange } from "./exchange.js"
import * as Exchanges from "./exchange.js"
import * as Forward from "./forward.js"
import * as Headers from "./headers.js"
import * as Inspection from "./inspection.js"
import type { Reply, RequestReason } from "./reply.js"
import * as ReplyOf from "./reply.js"
import { cut } from "./sockets.js"
import type { Target } from "./target.js"
import * as Targets from "./target.js"
import * as Tunnel from "./tunnel.js"

/** What is known of a client's connection. Its requests are served one after the other, in their order. */
interface Connection {
  isBusy: boolean
  /** Nobody parses it: it is a tunnel, or is about to become one. */
  isRaw: boolean
  /** What the headers of its requests, running and waiting, cost. */
  heldBytes: number
  waiting: Array<() => void>
  /** Ends the running request because what is still to come of it is broken; false when it is too late to say so. */
  breakOff: (detail: string) => boolean
  /** Ends the running request because its connection is gone. */
  abandon: () => void
  /** Keeps it paused while a request waits. */
  readonly onResume: () => void
}

/** A request in its connection's line. */
interface Place {
  readonly run: (release: () => void) => void
  /** Answers instead of running it; only called while nothing else runs. */
  readonly refuse: (reply: Reply) => void
}

const tooLate = (): boolean => false

export interface ProxyServer {
  readonly server: Http.Server
  /** Ends every exchange and destroys every socket, at once. The listener is closed by who opened it. */
  readonly destroyConnections: () => void
}

// SOURCE is of ICE; RTSP's own methods are not among these.
const methods: ReadonlySet<string> = new Set(Http.METHODS.filter((method) => method !== "SOURCE"))

const ignore = (): void => {}

/** What a request is for: another host, or a credential that the proxy serves. */
type Wanted =
  | { readonly _tag: "Host"; readonly target: Target }
  | { readonly _tag: "Credential"; readonly local: Targets.Local }

/** What a request that is to be forwarded must be, whatever its target says. */
const checkRequest = (
  request: Http.IncomingMessage,
  localOf: (method: string, target: Target) => Targets.Local | undefined
): Either.Either<Wanted, Targets.NotATarget> =>
  Either.gen(function* () {
    if (request.httpVersion !== "1.1" && request.httpVersion !== "1.0") {
      return yield* Either.left<Targets.NotATarget>({
        reason: "request-malformed",
        detail: "its version is neither HTTP/1.1 nor HTTP/1.0",
        host: null
      })
    }
    // The parser takes RTSP and ICE too, and does not tell: what it lets them say beyond HTTP is refused.
    if (!methods.has(request.method ?? "")) {
      return yield* Either.left<Targets.NotATarget>({
        reason: "request-malformed",
        detail: "its method is not one of HTTP",
        host: null
      })
    }
    const { method = "", rawHeaders, url = "" } = request
    const asked = Targets.ofLocal(url)
    let wanted: Wanted
    if (asked === undefined) {
      const target = yield* Targets.ofAbsolute(method, url)
      yield* Targets.checkHost(rawHeaders, target.authority, request.httpVersion)
      const local = localOf(method, target)
      if (local !== undefined) yield* Targets.checkOrigin(rawHeaders)
      wanted = local === undefined ? { _tag: "Host", target } : { _tag: "Credential", local }
    } else {
      yield* Targets.checkLocalHost(rawHeaders, request.httpVersion)
      wanted = { _tag: "Credential", local: asked }
    }
    const framing = Headers.framing(rawHeaders)
    if (framing._tag === "Ambiguous" || (framing._tag === "Chunked" && request.httpVersion === "1.0")) {
      const detail = framing._tag === "Ambiguous" ? framing.detail : "HTTP/1.0 knows no chunks"
      return yield* Either.left<Targets.NotATarget>({ reason: "framing-ambiguous", detail, host: null })
    }
    return wanted
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
const parserReason = (error: NodeJS.ErrnoException): readonly [RequestReason, string] | undefined => {
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

/** What the proxy itself serves to its guest. */
export interface Proof {
  /** A name, canonical; port 80 is meant. */
  readonly host: string
  readonly text: string
}

const asksForProof = (proof: Proof, method: string, wanted: Wanted): boolean => {
  if (wanted._tag === "Credential") return false
  const { authority, path } = wanted.target
  return (
    (method === "GET" || method === "HEAD") &&
    authority.host._tag === "Name" &&
    authority.host.name === proof.host &&
    authority.port === 80 &&
    path === "/"
  )
}

/** What is asked on behalf of a request, and what goes out for it. */
interface Going {
  readonly asked: Asked
  readonly outgoing: Forward.Outgoing
}

const hostHeader = ({ authority }: Target): string => {
  const text = Host.formatAuthority(authority.host, authority.port)
  return authority.port === 80 ? text.slice(0, -":80".length) : text
}

/** The proxy on plain callbacks; `core` says what is allowed and how names are found. */
export const make = (core: Core, proof: Proof | undefined): ProxyServer => {
  const { limits } = core
  const clients = new Set<Net.Socket>()
  const connections = new WeakMap<Net.Socket, Connection>()
  const refused = new WeakSet<Net.Socket>()
  let isStopping = false
  let heldBytes = 0

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
  // Node silently drops what comes behind; the one more shows that there was too much.
  server.maxHeadersCount = limits.headerLines + 1
  server.maxConnections = limits.connections
  // Later than the idle time of an exchange, which can still say why.
  server.timeout = limits.idleMillis + limits.connectMillis

  const protocol = (request: number, method: string | null, reason: RequestReason, detail: string) =>
    Exchanges.refuseProtocol(core, { request, method, reason, detail })

  /**
   * The credential that a request in absolute form asks for, as clients do that send what is for their relay through the
   * proxy too. Of a name that the policy does not know, a host that it allows there goes first.
   */
  const localOf = (method: string, { authority, path }: Target): Targets.Local | undefined => {
    const local = Targets.ofLocal(path)
    if (local === undefined) return undefined
    const isOwn = authority.port === core.port() && core.own().addresses.has(Host.text(authority.host))
    if (!isOwn && !Targets.isLoopback(authority)) return undefined
    const policy = core.policy()
    if (policy.credentials.has(local.name)) return local
    const verdict = Decision.decideHost(policy, authority.host, authority.port, { method, path })
    return verdict._tag === "Allow" ? undefined : local
  }

  const goingFor = (request: number, method: string, wanted: Wanted): Either.Either<Going, Reply> => {
    if (wanted._tag === "Host") {
      const { authority, path } = wanted.target
      const outgoing = { host: hostHeader(wanted.target), path, held: undefined }
      return Either.right({ asked: { request, method, authority, http: { method, path } }, outgoing })
    }
    return Either.map(Exchanges.findCredential(core, request, method, wanted.local), (held) => {
      const { credential } = held
      const { upstream } = credential
      const path = Credentials.upstreamPath(upstream, wanted.local.rest)
      return {
        asked: { request, method, authority: upstream, http: { method, path }, credential },
        outgoing: { host: Credentials.hostText(upstream), path, held }
      }
    })
  }

  const tooManyHeaders = (request: Http.IncomingMessage): Reply | undefined =>
    Headers.isTooMany(request.rawHeaders, limits.headerLines)
      ? protocol(core.nextRequest(), request.method ?? null, "headers-too-large", "it has too many headers")
      : undefined

  const letGo = (connection: Connection, bytes: number): void => {
    connection.heldBytes -= bytes
    heldBytes -= bytes
  }

  /**
   * Runs a request when those before it on its connection are over; `release` lets the next one run. While one waits,
   * its connection is not read, so that what can pile up is what one read brings.
   */
  const enqueue = (client: Net.Socket, request: Http.IncomingMessage, place: Place): void => {
    const connection = connections.get(client)
    if (connection === undefined || client.destroyed) return
    const bytes = Headers.heldBytes(request.rawHeaders) + (request.url?.length ?? 0)
    if (heldBytes + bytes > limits.heldHeaderBytes) {
      const reply = protocol(0, null, "too-much-waiting", "the requests that wait take too much memory")
      if (connection.isBusy) client.destroy()
      else {
        connection.isBusy = true
        place.refuse(reply)
      }
      return
    }
    if (connection.isBusy && connection.waiting.length >= limits.pipelined) {
      protocol(0, null, "too-many-pipelined", "too many requests wait on one connection")
      client.destroy()
      return
    }
    connection.heldBytes += bytes
    heldBytes += bytes
    const start = (): void => {
      // It waited, and its client may have gone meanwhile, or have been told that the answer before was the last.
      if (client.destroyed || client.writableEnded) return
      connection.isBusy = true
      if (connection.waiting.length === 0 && client.isPaused() && !connection.isRaw) client.resume()
      place.run(() => {
        // The connection has let go of everything when it was closed.
        if (client.destroyed) return
        letGo(connection, bytes)
        connection.isBusy = false
        connection.breakOff = tooLate
        connection.abandon = ignore
        connection.waiting.shift()?.()
      })
    }
    if (!connection.isBusy) return start()
    connection.waiting.push(start)
    if (!connection.isRaw) client.pause()
  }

  /** Answers a request of whose body nothing is known; the connection ends with it. */
  const refuseRequest = (request: Http.IncomingMessage, response: Http.ServerResponse, reply: Reply): void => {
    refused.add(request.socket)
    Forward.answer(request, response, reply, true)
  }

  const serveRequest = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
    const framing = Headers.framing(request.rawHeaders)
    const isBodyToCome = Headers.hasBody(framing) || framing._tag === "Ambiguous"
    const method = request.method ?? ""
    const tooMany = tooManyHeaders(request)
    if (tooMany !== undefined) return refuseRequest(request, response, tooMany)
    const wanted = checkRequest(request, localOf)
    const answer = (reply: Reply): void => {
      // What is wrong with the body that nobody wants must not cut the answer off.
      if (isBodyToCome) refused.add(request.socket)
      Forward.answer(request, response, reply, isBodyToCome)
    }
    if (proof !== undefined && Either.isRight(wanted) && asksForProof(proof, method, wanted.right)) {
      return answer(ReplyOf.text(proof.text))
    }
    const number = core.nextRequest()
    if (Either.isLeft(wanted)) return answer(Exchanges.refuseTarget(core, number, method, wanted.left))
    const going = goingFor(number, method, wanted.right)
    if (Either.isLeft(going)) return answer(going.left)
    const { asked, outgoing } = going.right
    let exchange: Exchange | undefined
    response.once("close", () => {
      if (response.writableFinished) exchange?.end("completed", "")
      else exchange?.end("client-gone", "the client cut the connection")
    })
    const connection = connections.get(request.socket)
    if (connection !== undefined) {
      connection.abandon = () => exchange?.end("client-gone", "the client cut the connection")
      connection.breakOff = (detail) => {
        if (request.complete || response.headersSent || response.destroyed) return false
        exchange?.end("client-gone", detail)
        return true
      }
    }
    exchange = Exchanges.open(core, asked, (reached, connected) => {
      if (response.destroyed) return connected?.end("client-gone", "the client cut the connection")
      if (reached._tag === "Reply") return answer(reached.reply)
      if (connected === undefined) return undefined
      const { upstream } = reached
      const exchange = connected
      return Forward.forward({ core, exchange, upstream, request, response, outgoing, framing })
    })
    return undefined
  }

  const onRequest = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
    request.on("error", ignore)
    response.on("error", ignore)
    enqueue(request.socket, request, {
      run: (release) => {
        response.once("close", release)
        serveRequest(request, response)
      },
      refuse: (reply) => refuseRequest(request, response, reply)
    })
  }

  /**
   * Asks for an upstream on behalf of a connection that nobody parses any more. Should the client go away before there
   * is one, the exchange ends; from then on it is for `use` to see to that.
   */
  const openRaw = (client: Net.Socket, asked: Asked, use: (upstream: Net.Socket, exchange: Exchange) => void): void => {
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

  /** From here on nobody parses the connection. */
  const enqueueRaw = (client: Net.Socket, request: Http.IncomingMessage, run: Place["run"]): void => {
    client.on("error", ignore)
    const connection = connections.get(client)
    if (connection !== undefined) connection.isRaw = true
    const refuse = (reply: Reply): void => Forward.answerRaw(client, reply)
    enqueue(client, request, {
      run: (release) => {
        const tooMany = tooManyHeaders(request)
        return tooMany === undefined ? run(release) : refuse(tooMany)
      },
      refuse
    })
  }

  const onConnect = (request: Http.IncomingMessage, client: Net.Socket, head: Buffer): void => {
    enqueueRaw(client, request, () => {
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
        const { halfClosedIdleMillis, headerMillis: helloMillis, idleMillis } = limits
        const { host } = authority.right
        const inspect = (pass: (bytes: Buffer) => void): void =>
          Inspection.inspect({ client, head, host, helloMillis }, (inspected) => {
            if (inspected._tag === "Passed") return pass(inspected.bytes)
            client.write(Inspection.accessDenied)
            exchange.cut(inspected.reason, inspected.detail)
            return cut(client)
          })
        Tunnel.join({ client, upstream, exchange, idleMillis, halfClosedIdleMillis, inspect })
      })
    })
  }

  const onUpgrade = (request: Http.IncomingMessage, client: Net.Socket, head: Buffer): void => {
    enqueueRaw(client, request, (release) => {
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
        const connection = connections.get(client)
        if (connection !== undefined) connection.isRaw = false
        release()
        server.emit("connection", client)
        return undefined
      }
      const number = core.nextRequest()
      const wanted = checkRequest(request, localOf)
      if (Either.isLeft(wanted)) {
        return Forward.answerRaw(client, Exchanges.refuseTarget(core, number, "GET", wanted.left))
      }
      const going = goingFor(number, "GET", wanted.right)
      if (Either.isLeft(going)) return Forward.answerRaw(client, going.left)
      const { asked, outgoing } = going.right
      return openRaw(client, asked, (upstream, exchange) =>
        Forward.forwardUpgrade({
          core,
          exchange,
          upstream,
          request,
          client,
          head,
          outgoing,
          framing
        })
      )
    })
  }

  // First, so that a connection is known before its first request is parsed.
  server.prependListener("connection", (client: Net.Socket) => {
    if (connections.has(client)) return
    const connection: Connection = {
      isBusy: false,
      isRaw: false,
      heldBytes: 0,
      waiting: [],
      breakOff: tooLate,
      abandon: ignore,
      onResume: () => {
        if (connection.waiting.length === 0 || connection.isRaw) return
        client.pause()
        // A pause between a call of `resume` and this event has stopped nothing: only the event does, for node's parser.
        client.emit("pause")
      }
    }
    connections.set(client, connection)
    clients.add(client)
    client.once("close", () => {
      clients.delete(client)
      connection.waiting = []
      // Node tells only the response whose turn it is.
      connection.abandon()
      letGo(connection, connection.heldBytes)
    })
    if (isStopping) client.destroy()
  })
  // After node's own, which reads on when a body is taken.
  server.on("connection", (client: Net.Socket) => {
    const connection = connections.get(client)
    if (connection === undefined) return
    client.removeListener("resume", connection.onResume)
    client.on("resume", connection.onResume)
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
    const isTooLate = isBusy && (client === undefined || connections.get(client)?.breakOff(reason[1]) !== true)
    if (client === undefined || isTooLate || !client.writable) return stream.destroy()
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
