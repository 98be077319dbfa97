import * as Http from "node:http"
import type * as Net from "node:net"
import * as Stream from "node:stream"
import type { Outcome } from "../EgressEvent.js"
import type { Core, Exchange } from "./exchange.js"
import type { Framing } from "./headers.js"
import * as Headers from "./headers.js"
import type { Held } from "./injection.js"
import * as Injection from "./injection.js"
import type { Reply } from "./reply.js"
import * as ReplyOf from "./reply.js"
import * as Tunnel from "./tunnel.js"

const ignore = (): void => {}

// A client that is told off may still be sending; cutting it off at once would take the answer away from it.
const lingerMillis = 2000

/** Answers on a connection that nobody parses any more, and ends it. */
export const answerRaw = (client: Net.Socket, reply: Reply): void => {
  client.removeAllListeners("timeout")
  client.setTimeout(0)
  client.on("error", ignore)
  client.end(ReplyOf.bytes(reply))
  client.resume()
  const timer = setTimeout(() => client.destroy(), lingerMillis)
  client.once("close", () => clearTimeout(timer))
}

/** Answers a parsed request. One whose body is still to come takes its connection with it. */
export const answer = (
  request: Http.IncomingMessage,
  response: Http.ServerResponse,
  reply: Reply,
  isBodyToCome: boolean
): void => {
  response.writeHead(reply.status, reply.statusText, [
    ...reply.headers.flat(),
    "Content-Length",
    String(Buffer.byteLength(reply.body)),
    ...(isBodyToCome ? ["Connection", "close"] : [])
  ])
  if (!isBodyToCome || request.complete) {
    response.end(reply.body)
    return
  }
  response.write(reply.body)
  const finish = (): void => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(finish, lingerMillis)
  request.once("end", finish)
  response.once("close", finish)
  request.resume()
}

// For these node itself writes no framing when there is no body.
const withoutBody = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"])

/** What goes out for a request: its `Host` and its path, and the credential that it uses. */
export interface Outgoing {
  readonly host: string
  readonly path: string
  readonly held: Held | undefined
}

/** The header of the forwarded request: end-to-end headers, and a Host and a framing that are ours. */
const forwardedHeaders = (
  request: Http.IncomingMessage,
  { held, host }: Outgoing,
  framing: Framing,
  extra: ReadonlyArray<string>
): Array<string> => {
  const isOldClient = request.httpVersion === "1.0"
  const kept = Headers.endToEnd(request.rawHeaders, ["host", "content-length", ...(isOldClient ? ["expect"] : [])])
  const headers = ["Host", host, ...(held === undefined ? kept : Injection.sent(held, kept)), ...extra]
  switch (framing._tag) {
    case "Length":
      return [...headers, "Content-Length", framing.text]
    case "Chunked":
      return [...headers, "Transfer-Encoding", "chunked"]
    default:
      // Without it node would send all other methods an empty chunked body, which some servers refuse.
      return withoutBody.has(request.method ?? "") ? headers : [...headers, "Content-Length", "0"]
  }
}

const startUpstream = (
  core: Core,
  upstream: Net.Socket,
  request: Http.IncomingMessage,
  { path }: Outgoing,
  headers: Array<string>
): Http.ClientRequest => {
  const upstreamRequest = Http.request({
    createConnection: () => upstream,
    method: request.method ?? "GET",
    path,
    headers,
    setHost: false,
    insecureHTTPParser: false,
    maxHeaderSize: core.limits.headerBytes
  })
  // Node silently drops what comes behind; the one more shows that there was too much.
  upstreamRequest.maxHeadersCount = core.limits.headerLines + 1
  return upstreamRequest
}

/** The header of an answer as it goes back to the client. */
const answeredHeaders = (
  { held, path }: Outgoing,
  headers: Headers.RawHeaders,
  also: ReadonlyArray<string> = []
): Array<string> => {
  const kept = Headers.answered(headers, also)
  return held === undefined ? kept : Injection.answered(held, path, kept)
}

const reasonPhrase = ({ held }: Outgoing, { statusMessage = "" }: Http.IncomingMessage): string =>
  held === undefined ? statusMessage : Injection.reason(held, statusMessage)

// What node's own writer takes; the parser is a little more generous.
const writable = /^[\t\u0020-\u007e\u0080-\u00ff]*$/

/** Why an answer of the upstream cannot be passed on, if it cannot. */
const unusable = (core: Core, response: Http.IncomingMessage): string | undefined => {
  if (Headers.isTooMany(response.rawHeaders, core.limits.headerLines)) return "its answer has too many headers"
  const framing = Headers.framing(response.rawHeaders)
  if (framing._tag === "Ambiguous") return `its answer is ambiguous: ${framing.detail}`
  const { rawHeaders, statusCode = 0, statusMessage = "" } = response
  const isWritable = writable.test(statusMessage) && rawHeaders.every((text) => writable.test(text))
  return statusCode >= 200 && statusCode <= 999 && isWritable ? undefined : "its answer is not well-formed HTTP"
}

// Each resets the idle time; a server that says more of them than this never comes to its answer.
const informationMax = 16

/** Fails the exchange when the upstream goes on saying that it has not answered yet. */
const boundInformation = (
  upstreamRequest: Http.ClientRequest,
  fail: (outcome: Outcome, detail: string) => void
): void => {
  let count = 0
  upstreamRequest.on("information", () => {
    count += 1
    if (count > informationMax) fail("upstream-failed", "it announced its answer too often (1xx)")
  })
}

export interface ForwardOptions {
  readonly core: Core
  readonly exchange: Exchange
  readonly upstream: Net.Socket
  readonly request: Http.IncomingMessage
  readonly outgoing: Outgoing
  readonly framing: Framing
}

/** One request and one response over a connection of their own, both streamed with backpressure. */
export const forward = (options: ForwardOptions & { readonly response: Http.ServerResponse }): void => {
  const { core, exchange, framing, outgoing, request, response, upstream } = options
  const headers = forwardedHeaders(request, outgoing, framing, ["Connection", "close"])
  const upstreamRequest = startUpstream(core, upstream, request, outgoing, headers)
  let isAnswered = false

  const fail = (outcome: Outcome, detail: string): void => {
    if (exchange.isOver()) return
    exchange.end(outcome, detail)
    if (response.headersSent || response.destroyed) {
      // The client must see that the answer is not whole.
      response.destroy()
      return
    }
    const reply = ReplyOf.failed(request.method ?? "", exchange.allow(), outcome, detail)
    answer(request, response, reply, Headers.hasBody(framing))
  }
  const stopSending = (): void => {
    request.unpipe(upstreamRequest)
    request.resume()
  }

  upstream.setTimeout(core.limits.idleMillis, () => fail("idle", "it said nothing for too long"))
  const isContinueAsked = Headers.tokens(request.rawHeaders, "expect").includes("100-continue")
  upstreamRequest.once("continue", () => {
    if (isContinueAsked && !exchange.isOver() && !response.headersSent && request.httpVersion !== "1.0") {
      response.writeContinue()
    }
  })
  boundInformation(upstreamRequest, fail)
  upstreamRequest.on("error", () => {
    stopSending()
    if (!isAnswered) fail("upstream-failed", "it cut the connection, or its answer is not HTTP")
  })
  upstreamRequest.once("close", () => {
    stopSending()
    if (!isAnswered) fail("upstream-failed", "it cut the connection before it answered")
  })
  upstreamRequest.once("response", (answered) => {
    const why = unusable(core, answered)
    if (why !== undefined) return fail("upstream-failed", why)
    isAnswered = true
    response.sendDate = false
    const status = answered.statusCode ?? 502
    response.writeHead(status, reasonPhrase(outgoing, answered), answeredHeaders(outgoing, answered.rawHeaders))
    Stream.pipeline(answered, response, (error) => {
      if (error) fail("upstream-failed", "it cut the connection before its answer was whole")
    })
  })

  if (Headers.hasBody(framing)) request.pipe(upstreamRequest)
  else upstreamRequest.end()
}

const headBytes = (status: number, statusText: string, headers: ReadonlyArray<string>): Buffer => {
  let text = `HTTP/1.1 ${status} ${statusText}\r\n`
  for (let index = 0; index + 1 < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`
  return Buffer.from(`${text}\r\n`, "latin1")
}

/** A request to switch to WebSocket: the header goes through HTTP, what follows a 101 is a tunnel. */
export const forwardUpgrade = (
  options: ForwardOptions & { readonly client: Net.Socket; readonly head: Buffer }
): void => {
  const { client, core, exchange, framing, head, outgoing, request, upstream } = options
  const headers = forwardedHeaders(request, outgoing, framing, ["Connection", "Upgrade", "Upgrade", "websocket"])
  const upstreamRequest = startUpstream(core, upstream, request, outgoing, headers)
  let isAnswered = false

  const fail = (outcome: Outcome, detail: string): void => {
    if (exchange.isOver()) return
    exchange.end(outcome, detail)
    answerRaw(client, ReplyOf.failed(request.method ?? "", exchange.allow(), outcome, detail))
  }

  const onClientClose = (): void => exchange.end("client-gone", "the client cut the connection")
  client.once("close", onClientClose)
  upstream.setTimeout(core.limits.idleMillis, () => fail("idle", "it said nothing for too long"))
  boundInformation(upstreamRequest, fail)
  upstreamRequest.on("error", () => {
    if (!isAnswered) fail("upstream-failed", "it cut the connection, or its answer is not HTTP")
  })
  upstreamRequest.once("close", () => {
    if (!isAnswered) fail("upstream-failed", "it cut the connection before it answered")
  })
  upstreamRequest.once("upgrade", (answered, _socket, upstreamHead) => {
    if (Headers.isTooMany(answered.rawHeaders, core.limits.headerLines)) {
      return fail("upstream-failed", "its answer has too many headers")
    }
    if (Headers.tokens(answered.rawHeaders, "upgrade").join() !== "websocket") {
      return fail("upstream-failed", "it switched to something else than WebSocket")
    }
    isAnswered = true
    client.removeListener("close", onClientClose)
    const kept = answeredHeaders(outgoing, answered.rawHeaders, ["content-length"])
    client.write(headBytes(101, "Switching Protocols", [...kept, "Connection", "Upgrade", "Upgrade", "websocket"]))
    if (upstreamHead.length > 0) client.write(upstreamHead)
    if (head.length > 0) upstream.write(head)
    const { halfClosedIdleMillis, idleMillis } = core.limits
    Tunnel.join({ client, upstream, exchange, idleMillis, halfClosedIdleMillis })
  })
  upstreamRequest.once("response", (answered) => {
    const why = unusable(core, answered)
    if (why !== undefined) return fail("upstream-failed", why)
    isAnswered = true
    // Chunks are not passed on: the end of the connection ends the body.
    const kept = answeredHeaders(outgoing, answered.rawHeaders)
    const phrase = reasonPhrase(outgoing, answered)
    client.write(headBytes(answered.statusCode ?? 502, phrase, [...kept, "Connection", "close"]))
    Stream.pipeline(answered, client, (error) => {
      if (error) {
        exchange.end("upstream-failed", "it cut the connection before its answer was whole")
        client.destroy()
        return
      }
      exchange.end("completed", "")
      const timer = setTimeout(() => client.destroy(), lingerMillis)
      client.once("close", () => clearTimeout(timer))
      client.resume()
    })
  })
  upstreamRequest.end()
}
