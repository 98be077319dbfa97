/**
 * Carries connections: each that comes to a listener goes on to one fixed address, byte for byte. It decides nothing;
 * what listens at the address does.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import type { Address } from "./Host.js"
import * as Host from "./Host.js"
import * as Dial from "./internal/dial.js"
import * as Limit from "./internal/limits.js"
import * as Listener from "./internal/listener.js"
import { cut } from "./internal/sockets.js"
import { printable } from "./internal/text.js"
import * as Tunnel from "./internal/tunnel.js"
import type { LimitInvalid, Listen, ListenRefused, ProxyClosed } from "./ProxyError.js"

/**
 * What is carried at most; all are positive whole numbers. Beyond a limit a connection is cut.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Connections at one time. */
  readonly connections: number
  /** For connecting to the address. */
  readonly connectMillis: number
  /** Without a byte in either direction. */
  readonly idleMillis: number
  /** The same for a connection that one side has ended. */
  readonly halfClosedIdleMillis: number
}

/**
 * Where connections come from, and where they go: an IP address (a name would have to be judged) and a port.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServeOptions {
  readonly listen: Listen
  readonly to: { readonly host: string; readonly port: number }
  readonly limits?: Partial<Limits> | undefined
}

/**
 * A listener whose connections are carried. `closed` fails when it has stopped, and never succeeds.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningCarry {
  /** Where it listens: the port is the one that was taken. */
  readonly address: Listen
  readonly closed: Effect.Effect<never, ProxyClosed>
}

/**
 * Connections cannot be carried there: it is not an IP address with a port from 1 to 65535.
 *
 * @since 0.1.0
 * @category errors
 */
export class CarryTargetInvalid extends Schema.TaggedError<CarryTargetInvalid>("@bottle/egress/CarryTargetInvalid")(
  "CarryTargetInvalid",
  { host: Schema.String, port: Schema.Number }
) {
  override get message(): string {
    return `Connections cannot be carried to "${this.host}" port ${this.port}: it is not an IP address with a port`
  }

  /** What to do next. */
  get suggestion(): string {
    return "Give an IP address such as 192.168.7.2, and a port from 1 to 65535"
  }
}

/**
 * How starting to carry fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type CarryError = CarryTargetInvalid | LimitInvalid | ListenRefused

/**
 * The limits that hold unless said otherwise. They are no lower than those of the proxy that is carried to, which can
 * say why it cuts a connection.
 *
 * @since 0.1.0
 * @category models
 */
export const defaultLimits: Limits = {
  connections: 512,
  connectMillis: 10_000,
  idleMillis: 610_000,
  halfClosedIdleMillis: 130_000
}

const checkTarget = (to: ServeOptions["to"]): Effect.Effect<Address, CarryTargetInvalid> => {
  const { host, port } = to
  const address = Net.isIP(host) === 0 ? undefined : Either.getOrUndefined(Host.parse(host))
  return address?._tag === "Address" && Number.isInteger(port) && port > 0 && port <= 65535
    ? Effect.succeed(address)
    : Effect.fail(new CarryTargetInvalid({ host: printable(host), port }))
}

/**
 * Carries every connection to the address as long as the scope lives. Each side may end on its own; a side that breaks,
 * or an address that does not answer, takes the connection down. Closing the scope destroys every connection, ends the
 * listener and removes its socket file, within two seconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (options: ServeOptions): Effect.Effect<RunningCarry, CarryError, Scope.Scope> =>
  Effect.gen(function* () {
    const address = yield* checkTarget(options.to)
    const limits = yield* Limit.check(defaultLimits, options.limits)
    const { connections, connectMillis: timeoutMillis, halfClosedIdleMillis, idleMillis } = limits
    const { port } = options.to
    const sockets = new Set<Net.Socket>()
    let isStopping = false
    const hold = (socket: Net.Socket): void => {
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
      // What a broken connection means is told by how it closes.
      socket.on("error", () => {})
    }

    // Nothing is read of a connection before there is somebody to take it.
    const server = Net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
      if (isStopping) return client.destroy()
      hold(client)
      const giveUp = Dial.dial({ addresses: [address], port, attempts: 1, timeoutMillis }, (dialled) => {
        client.removeListener("close", giveUp)
        if (dialled._tag === "Failed") return cut(client)
        const upstream = dialled.socket
        hold(upstream)
        const end = (outcome: string): void => {
          if (outcome === "completed") upstream.destroy()
          else cut(upstream)
        }
        return Tunnel.join({ client, upstream, exchange: { end }, idleMillis, halfClosedIdleMillis })
      })
      client.once("close", giveUp)
      return undefined
    })
    server.maxConnections = connections

    return yield* Listener.listening(server, options.listen, () => {
      isStopping = true
      for (const socket of sockets) socket.destroy()
    })
  })
