import { printable } from "@bottle/process/Text"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { BottleId } from "../../BottleId.js"

/** See `Cleanup.Kind`; in the order in which what belongs together is removed. */
export const KINDS = ["bottle", "process", "machine", "container", "network", "directory", "file", "lock"] as const
export const Kind = Schema.Literal(...KINDS)
export type Kind = typeof Kind.Type

/** See `Cleanup.NotRemoved`. */
export class NotRemoved extends Schema.TaggedError<NotRemoved>("@bottle/engine/NotRemoved")("NotRemoved", {
  kind: Kind,
  name: Schema.String,
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `${this.kind} ${printable(this.name)} could not be removed: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/** See `Cleanup.Unanswered`. */
export class Unanswered extends Schema.TaggedError<Unanswered>("@bottle/engine/Unanswered")("Unanswered", {
  asked: Schema.String,
  reason: Schema.String,
  advice: Schema.String,
  isAbsent: Schema.Boolean
}) {
  override get message(): string {
    return `what is left in ${printable(this.asked)} is not known: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/** See `Cleanup.Leftover`. */
export interface Leftover {
  readonly kind: Kind
  readonly name: string
  readonly bottle: BottleId | null
  readonly why: string
  readonly removable: boolean
  readonly isThere: Effect.Effect<boolean>
  readonly remove: Effect.Effect<void, NotRemoved>
}

/** A reason and what to do, where something could not be done; most errors of ours are one. */
export interface Problem {
  readonly message: string
  readonly suggestion: string
}

export const notRemoved =
  ({ kind, name }: Pick<Leftover, "kind" | "name">) =>
  ({ message, suggestion }: Problem): NotRemoved =>
    new NotRemoved({ kind, name, reason: message, advice: suggestion })

/** A removal that takes longer than this is given up. */
export const within =
  (of: Pick<Leftover, "kind" | "name">, timeoutMillis: number) =>
  <R>(work: Effect.Effect<void, NotRemoved, R>): Effect.Effect<void, NotRemoved, R> =>
    Effect.timeoutFail(work, {
      duration: timeoutMillis,
      onTimeout: () =>
        new NotRemoved({
          ...of,
          reason: `it took longer than ${timeoutMillis / 1000} s`,
          advice: "Run `bottle cleanup` again."
        })
    })

/** An answer that takes longer than this is none. */
export const answering =
  (asked: string, timeoutMillis: number) =>
  <A, E extends Problem & { readonly _tag: string }, R>(
    question: Effect.Effect<A, E, R>
  ): Effect.Effect<A, Unanswered, R> =>
    question.pipe(
      Effect.mapError(
        ({ _tag, message, suggestion }) =>
          new Unanswered({ asked, reason: message, advice: suggestion, isAbsent: ABSENT.has(_tag) })
      ),
      Effect.timeoutFail({
        duration: timeoutMillis,
        onTimeout: () =>
          new Unanswered({
            asked,
            reason: `it did not answer within ${timeoutMillis / 1000} s`,
            advice: "See whether it is busy or stuck, and run `bottle cleanup` again.",
            isAbsent: false
          })
      })
    )

/** A program that is not there, or a daemon that does not run, has nothing of ours that runs. */
const ABSENT: ReadonlySet<string> = new Set(["DockerNotInstalled", "DaemonUnreachable", "SmolvmNotInstalled"])
