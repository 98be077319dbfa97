/**
 * The bundle of a bottle: what listens on the host's end of the mounted socket. One service with one member, so that a
 * program can put its own proxy there and a test one that fails or dies on demand.
 *
 * @since 0.1.0
 */
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import type { Policy } from "@bottle/egress/Policy"
import * as Proxy from "@bottle/egress/Proxy"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { BundleDied, BundleFailed } from "./LaunchError.js"

/**
 * What a bundle is asked for: the whole policy, and the Unix socket to listen on with its mode.
 *
 * @since 0.1.0
 * @category models
 */
export interface BundleRequest {
  readonly policy: Policy
  readonly socket: string
  readonly socketMode: number
}

/**
 * A bundle that listens. `died` fails when it no longer does, and never succeeds.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningBundle {
  readonly events: Stream.Stream<EgressEvent>
  readonly died: Effect.Effect<never, BundleDied>
}

/**
 * @since 0.1.0
 * @category services
 */
export class Bundle extends Context.Tag("@bottle/engine/Bundle")<
  Bundle,
  {
    /** Starts it; it listens when this returns, and is gone when the scope has closed. */
    readonly start: (request: BundleRequest) => Effect.Effect<RunningBundle, BundleFailed, Scope.Scope>
  }
>() {}

/**
 * No bundle at all: no events, and nothing that could die.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: RunningBundle = { events: Stream.empty, died: Effect.never }

/**
 * The egress proxy in the calling process, on the bottle's own Unix socket.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerProcess: Layer.Layer<Bundle> = Layer.succeed(Bundle, {
  start: (request) =>
    Proxy.serve({
      policy: request.policy,
      listen: { _tag: "Unix", path: request.socket, mode: request.socketMode }
    }).pipe(
      Effect.map((proxy): RunningBundle => ({
        events: proxy.events,
        died: Effect.mapError(proxy.closed, (error) => new BundleDied({ reason: error.message }))
      })),
      Effect.mapError((error) => new BundleFailed({ reason: error.message, advice: error.suggestion }))
    )
})
