/**
 * The forward proxy: the guest's only way out.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { EgressEvent } from "./EgressEvent.js"
import type { Policy } from "./Policy.js"
import type { Listen, ProxyClosed } from "./ProxyError.js"
import type { Resolver } from "./Resolver.js"

/**
 * What the proxy takes at most; all are positive whole numbers. Beyond a limit a connection is refused or cut, with an
 * event.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Connections of clients at one time. */
  readonly connections: number
  /** Bytes of a request's or a response's header. */
  readonly headerBytes: number
  /** From the first moment of a connection, or the first byte of a request, to the end of the header. */
  readonly headerMillis: number
  /** Without a byte in either direction, for a tunnel or an exchange. */
  readonly idleMillis: number
  /** The same for a tunnel that one side has ended. */
  readonly halfClosedIdleMillis: number
  /** Between two requests on a kept-alive connection. */
  readonly keepAliveMillis: number
  /** For resolving a name and connecting, all its addresses together. */
  readonly connectMillis: number
  /** Addresses of one name that are tried. */
  readonly connectAttempts: number
  /** Requests that wait behind another one on their connection. */
  readonly pipelined: number
  /** Events that are kept for readers; a reader that falls further behind loses the oldest. */
  readonly events: number
}

/**
 * How a proxy is set up. Without a resolver the operating system is asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServeOptions {
  readonly policy: Policy
  readonly listen: Listen
  readonly resolver?: Resolver | undefined
  readonly limits?: Partial<Limits> | undefined
}

/**
 * A proxy that answers.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningProxy {
  /** Where it listens: the port is the one that was taken. */
  readonly address: Listen
  /**
   * The decision log. Each run of it begins with the oldest event that is kept and ends when the proxy has stopped. It
   * never holds the proxy up: a reader that falls behind loses the oldest events, which it sees in `sequence`.
   */
  readonly events: Stream.Stream<EgressEvent>
  /** How many events readers have lost so far, all readers together. */
  readonly dropped: Effect.Effect<number>
  /** Fails when the proxy has stopped; never succeeds. */
  readonly closed: Effect.Effect<never, ProxyClosed>
}
