/**
 * The bundle of a bottle: what the guest reaches, and through which all its egress goes. One service, so that a program
 * can put its own there and a test one that fails or dies on demand.
 *
 * @since 0.1.0
 */
import type { Docker } from "@bottle/docker/Docker"
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import type { Policy } from "@bottle/egress/Policy"
import * as Proxy from "@bottle/egress/Proxy"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type BundleError, ReloadFailed } from "./BundleError.js"
import * as ContainerBundle from "./ContainerBundle.js"
import type { Engine } from "./Engine.js"
import { checkCredentials } from "./internal/reloadable.js"
import { BundleDied, BundleFailed } from "./LaunchError.js"
import type { LaunchPlan } from "./LaunchPlan.js"

/**
 * What a bundle is asked for.
 *
 * - `plan`: as `prepare` returned it
 * - `policy`: all that the guest may reach
 * - `proof`: the nonce that the proxy itself answers for `Proxy.PROOF_HOST`
 * - `credentials`: the values of the policy's credentials, by name: a bundle keeps them in memory, for as long as it runs
 * - `secrets`: variables of the bundle's container, in no argv; a bundle beside the launch has none of its own
 *
 * @since 0.1.0
 * @category models
 */
export interface BundleRequest {
  readonly plan: LaunchPlan
  readonly policy: Policy
  readonly proof: string
  readonly credentials?: ReadonlyMap<string, Redacted.Redacted> | undefined
  readonly secrets?: Readonly<Record<string, Redacted.Redacted>> | undefined
}

/**
 * A bundle that listens.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningBundle {
  /**
   * Its decisions. Each run of it begins with the oldest that is kept, never holds the bundle up, and ends when the
   * bundle has ended.
   */
  readonly events: Stream.Stream<EgressEvent>
  /** Fails when it no longer listens; never succeeds. */
  readonly died: Effect.Effect<never, BundleDied>
  /**
   * Puts another policy in force: what is asked for after this follows it. One with a credential that is new, or comes
   * from another source, is refused: its value would have to be read.
   */
  readonly reload: (policy: Policy) => Effect.Effect<void, ReloadFailed>
}

/**
 * What starts a bundle: the proxy, and the daemons beside it, that a bottle reaches the network by.
 *
 * @since 0.1.0
 * @category services
 */
export class Bundle extends Context.Tag("@bottle/engine/Bundle")<
  Bundle,
  {
    /**
     * Makes what has to be there before the machine is created, and gives the plan as it is to be executed: with the
     * network that was taken. What it made is gone when the scope has closed.
     */
    readonly prepare: (plan: LaunchPlan) => Effect.Effect<LaunchPlan, BundleError, Scope.Scope>
    /** Starts it; it listens when this returns, and is gone when the scope has closed. */
    readonly start: (request: BundleRequest) => Effect.Effect<RunningBundle, BundleError, Scope.Scope>
  }
>() {}

/**
 * No bundle at all: no events, and nothing that could die.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: RunningBundle = {
  events: Stream.empty,
  died: Effect.never,
  reload: () =>
    new ReloadFailed({
      reason: "the bottle has no bundle, and reaches nothing",
      advice: "Launch it with --bundle process or --bundle container."
    })
}

const beside: Context.Tag.Service<Bundle> = {
  prepare: Effect.succeed,
  start: ({ credentials, plan, policy, proof }) => {
    if (plan.bundle._tag !== "Process") {
      return new BundleFailed({
        reason: "the plan has a bundle in a container, and this program runs none",
        advice: "Use Bundle.layer, or plan with the bundle process."
      })
    }
    const { socket, socketMode } = plan.bundle
    return Proxy.serve({ policy, proof, credentials, listen: { _tag: "Unix", path: socket, mode: socketMode } }).pipe(
      Effect.map((proxy): RunningBundle => ({
        events: proxy.events,
        died: Effect.mapError(proxy.closed, (error) => new BundleDied({ reason: error.message })),
        reload: (next) => Effect.zipRight(checkCredentials(policy)(next), proxy.reload(next))
      })),
      Effect.mapError((error) => new BundleFailed({ reason: error.message, advice: error.suggestion }))
    )
  }
}

/**
 * The egress proxy in the calling process, on the bottle's own Unix socket.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerProcess: Layer.Layer<Bundle> = Layer.succeed(Bundle, beside)

/**
 * Either kind of bundle, as the plan says: beside the launch, or in a container. docker is not asked for anything until
 * a plan needs it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Bundle, never, Docker | Engine | FileSystem.FileSystem> = Layer.effect(
  Bundle,
  Effect.map(ContainerBundle.make, (contained): Context.Tag.Service<Bundle> => {
    const of = (plan: LaunchPlan) => (plan.bundle._tag === "Container" ? contained : beside)
    return {
      prepare: (plan) => of(plan).prepare(plan),
      start: (request) => of(request.plan).start(request)
    }
  })
)
