/**
 * How the proxy finds the addresses of a name that is allowed. It is asked once per request, and never about a name
 * that is refused.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Dns from "node:dns"

/**
 * A name could not be resolved: it does not exist, or nobody answered.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResolveFailed extends Schema.TaggedError<ResolveFailed>("@bottle/egress/ResolveFailed")("ResolveFailed", {
  name: Schema.String,
  reason: Schema.Literal("not-found", "unavailable")
}) {
  override get message(): string {
    return this.reason === "not-found" ? `${this.name} has no address` : `${this.name} could not be resolved just now`
  }

  /** What to do next. */
  get suggestion(): string {
    return `Check the name, or give it its address: --resolve ${this.name}=IP`
  }
}

/**
 * Finds the addresses of a canonical name, in the order in which they are to be tried.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resolver {
  readonly resolve: (name: string) => Effect.Effect<ReadonlyArray<string>, ResolveFailed>
}

/**
 * The resolver of the operating system (`getaddrinfo`): it also knows `/etc/hosts` and whatever else the host is set up
 * with. A look-up cannot be taken back, so that it cannot be interrupted: who counts those that run counts it to its end.
 *
 * @since 0.1.0
 * @category constructors
 */
export const system: Resolver = {
  resolve: (name) =>
    Effect.uninterruptible(
      Effect.async((resume) => {
        Dns.lookup(name, { all: true, verbatim: true }, (error, answers) => {
          if (error === null) return resume(Effect.succeed(answers.map((answer) => answer.address)))
          const reason = error.code === "ENOTFOUND" || error.code === "ENODATA" ? "not-found" : "unavailable"
          return resume(Effect.fail(new ResolveFailed({ name, reason })))
        })
      })
    )
}

/**
 * A resolver that knows these names only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRecord = (answers: Readonly<Record<string, ReadonlyArray<string>>>): Resolver => {
  const known = new Map(Object.entries(answers))
  return {
    resolve: (name) =>
      Effect.suspend(() => {
        const addresses = known.get(name)
        return addresses === undefined
          ? Effect.fail(new ResolveFailed({ name, reason: "not-found" }))
          : Effect.succeed(addresses)
      })
  }
}
