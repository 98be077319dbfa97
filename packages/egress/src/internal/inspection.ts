import * as Either from "effect/Either"
import type * as Net from "node:net"
import type { TlsReason } from "../EgressEvent.js"
import * as Host from "../Host.js"
import type { Seen } from "./clientHello.js"
import * as ClientHello from "./clientHello.js"
import { printable } from "./text.js"

/** What may go on, or why nothing of it may. */
export type Inspected =
  | { readonly _tag: "Passed"; readonly bytes: Buffer }
  | { readonly _tag: "Cut"; readonly reason: TlsReason; readonly detail: string }

export interface InspectOptions {
  readonly client: Net.Socket
  /** What came behind the client's CONNECT already. */
  readonly head: Buffer
  /** The host that was decided. */
  readonly host: Host.Host
  /** For the whole hello, from its first byte. */
  readonly helloMillis: number
}

/** The longest hello that is waited for; those of today take 2 KiB. */
const helloBytesMax = 64 * 1024

/** A fatal alert, access_denied (RFC 8446 6.2): what a TLS client can be told. */
export const accessDenied = Buffer.from([0x15, 3, 3, 0, 2, 2, 49])

const agrees = (host: Host.Host, serverName: string): boolean => {
  const named = Host.parse(serverName)
  return Either.isRight(named) && named.right._tag === host._tag && Host.text(named.right) === Host.text(host)
}

const judge = (host: Host.Host, seen: Seen, bytes: Buffer): Inspected | undefined => {
  switch (seen._tag) {
    case "Incomplete":
      return undefined
    case "NotTls":
      return { _tag: "Passed", bytes }
    case "Malformed":
      return { _tag: "Cut", reason: "tls-hello-malformed", detail: `its TLS hello cannot be read: ${seen.detail}` }
    case "Hello":
      return seen.serverName === null || agrees(host, seen.serverName)
        ? { _tag: "Passed", bytes }
        : { _tag: "Cut", reason: "sni-mismatch", detail: `its TLS hello names "${printable(seen.serverName)}"` }
  }
}

/**
 * Looks at the first bytes that a client sends into its tunnel. What is not TLS passes at once; a TLS hello passes when
 * it is whole and names the host that was decided, or none. Calls back once, unless the client goes away before.
 */
export const inspect = (options: InspectOptions, done: (inspected: Inspected) => void): void => {
  const { client, head, helloMillis, host } = options
  const reader = new ClientHello.Reader()
  let timer: NodeJS.Timeout | undefined
  let isOver = false

  const finish = (inspected: Inspected): void => {
    stop()
    client.pause()
    done(inspected)
  }
  const look = (seen: Seen): void => {
    const inspected = judge(host, seen, reader.bytes)
    if (inspected !== undefined) return finish(inspected)
    timer ??= setTimeout(
      () => finish({ _tag: "Cut", reason: "tls-hello-malformed", detail: "its TLS hello did not come in time" }),
      helloMillis
    )
    return undefined
  }
  const onData = (chunk: Buffer): void => look(reader.push(chunk, helloBytesMax))
  const onEnd = (): void => look(reader.end())
  const stop = (): void => {
    isOver = true
    clearTimeout(timer)
    client.removeListener("data", onData)
    client.removeListener("end", onEnd)
    client.removeListener("close", stop)
  }

  if (head.length > 0) onData(head)
  if (isOver) return
  if (client.readableEnded) return onEnd()
  client.once("close", stop)
  client.once("end", onEnd)
  client.on("data", onData)
  client.resume()
}
