/**
 * Reading the policy again while a bottle runs: new requests and tunnels follow it, or the policy before stays and the
 * user is told why.
 *
 * @since 0.1.0
 */
import * as Policy from "@bottle/egress/Policy"
import type { Bottle } from "@bottle/engine/Bottle"
import type { BottleRecord } from "@bottle/engine/Record"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Failure from "./Failure.js"
import * as Notice from "./Notice.js"
import * as PolicyFile from "./PolicyFile.js"
import { ReloadRequests } from "./ReloadRequests.js"
import type { RunRequest } from "./RunRequest.js"

/**
 * The bottle was launched without a policy file, so there is none to read again.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoPolicyFile extends Schema.TaggedError<NoPolicyFile>("@bottle/cli/NoPolicyFile")("NoPolicyFile", {}) {
  override get message(): string {
    return "this bottle has no --policy FILE to read again"
  }
  /** What to do next. */
  get suggestion(): string {
    return "Launch it with --policy FILE."
  }
}

/**
 * A running bottle, and how its user is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReloadOptions {
  readonly bottle: Pick<Bottle, "policy" | "reload">
  readonly record: Pick<BottleRecord, "reloaded">
  readonly request: RunRequest
  readonly say: (line: string) => Effect.Effect<void>
}

const reload = ({ bottle, record, request }: ReloadOptions) =>
  Effect.gen(function* () {
    const { options, policyFile } = request
    if (policyFile === null) return yield* new NoPolicyFile()
    const document = yield* PolicyFile.read(policyFile, options.mounts ?? [])
    const policy = yield* Policy.fromDocument(document, options)
    // What its user allowed this bottle while it ran was said of the bottle, and not of the file.
    yield* bottle.reload(policy, { keepAllowed: true })
    yield* record.reloaded(Policy.toDocument(yield* bottle.policy))
  })

const told = (failure: Failure.Failure | null, { format, policyFile, quiet }: RunRequest): string | undefined => {
  if (format === "json") {
    const { message = null, suggestion = null } = failure ?? {}
    return Notice.toJson({ version: 1, reload: { ok: failure === null, file: policyFile, message, suggestion } })
  }
  if (failure === null) return quiet ? undefined : "bottle: the policy was reloaded"
  // The bundle's own word for it says which policy holds.
  if (failure.error === "ReloadFailed" || failure.error === "BundleDied") return Failure.toText(failure)
  const message = `not reloaded, the policy before stays: ${failure.message}`
  return Failure.toText(new Failure.Failure({ ...failure, message }))
}

/**
 * Reloads at every request until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const follow = (options: ReloadOptions): Effect.Effect<void, never, Scope.Scope | FileSystem> =>
  Effect.flatMap(ReloadRequests, ({ next }) =>
    Effect.exit(reload(options)).pipe(
      Effect.flatMap((exit) => {
        const failure = exit._tag === "Failure" ? Failure.fromCause(exit.cause, null) : null
        const line = told(failure, options.request)
        return line === undefined ? Effect.void : options.say(line)
      }),
      (once) => Effect.forever(Effect.zipRight(next, once)),
      Effect.interruptible,
      Effect.forkScoped,
      Effect.asVoid
    )
  )
