/**
 * The egress daemon: the proxy of `@bottle/egress` with its policy from a file and its decisions on standard output.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import type { DocumentInvalid, PolicyError } from "@bottle/egress/PolicyError"
import * as Proxy from "@bottle/egress/Proxy"
import type { Listen, ProxyClosed, ProxyError } from "@bottle/egress/ProxyError"
import { listenText } from "@bottle/egress/ProxyError"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Stream from "effect/Stream"
import * as BundleConfig from "./BundleConfig.js"
import * as BundleOutput from "./BundleOutput.js"
import * as CredentialHandover from "./CredentialHandover.js"
import * as OwnRanges from "./OwnRanges.js"

/**
 * The daemon's name, which stands before its lines.
 *
 * @since 0.1.0
 * @category models
 */
export const NAME = "egress"

/**
 * The port at which it listens in the container.
 *
 * @since 0.1.0
 * @category models
 */
export const PORT = 3128

/**
 * Where it listens in the container: every address of it, because the launch alone knows which one it is given.
 *
 * @since 0.1.0
 * @category models
 */
export const defaultListen = `0.0.0.0:${PORT}`

/**
 * How the daemon is set up.
 *
 * @since 0.1.0
 * @category models
 */
export interface EgressOptions {
  /** Where `BundleConfig` finds its files. */
  readonly configDirectory: string
  /** Where `CredentialHandover` takes the values of the policy's credentials, where it has any. */
  readonly stateDirectory: string
  readonly listen: Listen
  /** Each element means: read the policy again. */
  readonly reloads: Stream.Stream<unknown>
  /** Prints lines, without a newline each; done when there is room for more. */
  readonly print: (lines: ReadonlyArray<string>) => Effect.Effect<void>
}

/**
 * How starting or running the daemon fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type EgressDaemonError =
  | BundleConfig.ConfigUnreadable
  | CredentialHandover.CredentialsNotReceived
  | DocumentInvalid
  | PolicyError
  | ProxyError
  | ProxyClosed

/** How long the last decisions may take to be printed when the daemon ends. */
const lastMillis = 1000

type Said = Parameters<typeof BundleOutput.daemonText>[0]

/**
 * Runs the daemon until it is interrupted. It fails when it cannot start, or when its listener does. A policy that cannot
 * be read again, or is none, leaves the one before in force and is said to be refused.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (options: EgressOptions): Effect.Effect<never, EgressDaemonError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { configDirectory } = options
      const say = (lines: ReadonlyArray<Said>) => options.print(lines.map(BundleOutput.daemonText))
      const policy = yield* Policy.fromJson(yield* BundleConfig.policyText(configDirectory))
      const proof = yield* BundleConfig.proof(configDirectory)
      const names = [...policy.credentials.keys()]
      const credentials =
        names.length === 0 ? undefined : yield* CredentialHandover.receive(options.stateDirectory, names)
      // Made before the proxy, so released after it: what it decided last is still printed.
      const printers = yield* FiberSet.make<void>()
      yield* Effect.addFinalizer(() =>
        FiberSet.awaitEmpty(printers).pipe(Effect.interruptible, Effect.timeoutOption(lastMillis))
      )
      const proxy = yield* Proxy.serve({
        policy,
        listen: options.listen,
        interfaces: BundleConfig.interfaces(configDirectory),
        ownRanges: yield* OwnRanges.system,
        proof,
        credentials
      })
      yield* FiberSet.run(
        printers,
        Stream.runForEachChunk(proxy.events, (events) =>
          say(Chunk.toReadonlyArray(events).map((event) => ({ _tag: "Event", name: NAME, event })))
        )
      )
      // The answer may have to wait for a reader, but the policy after this one must not wait for the answer.
      const answer = (line: Said) => FiberSet.run(printers, say([line]))
      const refuse = (digest: string | null) => (error: { readonly message: string }) =>
        answer({ _tag: "ReloadRefused", name: NAME, policy: digest, reason: error.message })
      const follow = (text: string) => {
        const digest = BundleConfig.policyDigest(text)
        return Policy.fromJson(text).pipe(
          Effect.flatMap(proxy.reload),
          Effect.zipRight(answer({ _tag: "Reloaded", name: NAME, policy: digest })),
          Effect.catchAll(refuse(digest))
        )
      }
      const reload = Effect.matchEffect(BundleConfig.policyText(configDirectory), {
        onFailure: refuse(null),
        onSuccess: follow
      })
      yield* Effect.forkScoped(Stream.runForEach(options.reloads, () => reload))
      yield* say([{ _tag: "Listening", name: NAME, at: listenText(proxy.address) }])
      return yield* proxy.closed
    })
  )
